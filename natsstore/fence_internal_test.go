package natsstore

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// opened returns a store that is closed with the test.
func opened(t *testing.T, cfg Config) *natsStore {
	t.Helper()
	s, err := open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// quiet is a configuration without a sweep, and with nothing in the log.
func quiet(t *testing.T) Config {
	t.Helper()
	cfg := config(t, single(t), 1)
	cfg.Sweep = time.Hour
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

func appended(t *testing.T, s store.Store, stream string, events ...string) uint64 {
	t.Helper()
	var block store.Block
	for _, e := range events {
		block = append(block, []byte(e))
	}
	seq, err := s.Append(t.Context(), stream, "", block)
	require.NoError(t, err)
	return seq
}

func claimed(t *testing.T, s store.Store, stream string) *claim {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := s.Claim(ctx)
	require.NoError(t, err)
	require.Equal(t, stream, c.Stream())
	mine, ok := c.(*claim)
	require.True(t, ok)
	return mine
}

var all = store.Limits{Events: 1000, Bytes: 1 << 20}

func texts(b store.Batch) []string {
	var texts []string
	for _, e := range b.Events {
		texts = append(texts, string(e.Data))
	}
	return texts
}

// asleep makes the claim believe in its lease, as does a process that was stopped
// and has not looked at the clock since.
func (c *claim) asleep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Now().Add(time.Hour)
	c.told = c.until
}

// A holder that was stopped past its lease changes nothing any more: not the
// document, nor the token of the one that has taken over.
func TestLateHolder(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]func(*claim, string) error{
		"ack":     func(c *claim, id string) error { return c.Ack(t.Context(), id, []byte("late"), all) },
		"save":    func(c *claim, _ string) error { return c.Save(t.Context(), []byte("late")) },
		"split":   func(c *claim, id string) error { return c.Split(t.Context(), id) },
		"keep":    func(c *claim, _ string) error { return c.Keep(t.Context()) },
		"release": func(c *claim, _ string) error { return c.Release(t.Context(), store.Wait{}) },
		"wait":    func(c *claim, _ string) error { return c.Release(t.Context(), store.Wait{After: time.Second}) },
		"skip": func(c *claim, _ string) error {
			_, err := c.Skip(t.Context(), time.Now(), nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet(t)
			a, b := opened(t, cfg), opened(t, cfg)
			appended(t, a, "w", "1", "2")
			stale := claimed(t, a, "w")
			batch, err := stale.Batch(t.Context(), all)
			require.NoError(t, err)
			stale.asleep()

			c := claimed(t, b, "w")
			before, err := b.State(t.Context(), "w")
			require.NoError(t, err)
			require.ErrorIs(t, late(stale, batch.ID), store.ErrClaimLost)
			after, err := b.State(t.Context(), "w")
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(before, after))

			again, err := c.Batch(t.Context(), all)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(batch, again))
			require.NoError(t, c.Keep(t.Context()))
			require.NoError(t, c.Ack(t.Context(), again.ID, []byte("in time"), store.Limits{}))
			require.NoError(t, c.Release(t.Context(), store.Wait{}))
		})
	}
}

// A token of a holder that was stopped before it could remove it is another by
// the time it does: the one who has taken over keeps its own.
func TestLateDrop(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	a, b := opened(t, cfg), opened(t, cfg)
	appended(t, a, "w", "1")
	stale := claimed(t, a, "w")
	batch, err := stale.Batch(t.Context(), all)
	require.NoError(t, err)
	require.NoError(t, stale.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	stale.asleep()

	appended(t, b, "w", "2")
	c := claimed(t, b, "w")
	require.NoError(t, a.drop(t.Context(), "w", stale.token.seq))
	token, err := b.last(t.Context(), cfg.tokensStream(), cfg.tokensPrefix()+"w")
	require.NoError(t, err)
	require.Equal(t, c.token.seq, token)
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	next := claimed(t, b, "w")
	batch, err = next.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"2"}, texts(batch))
}

// Keep notices that another instance has deleted the stream.
func TestKeepNotices(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	a, b := opened(t, cfg), opened(t, cfg)
	appended(t, a, "w", "1")
	c := claimed(t, a, "w")
	require.NoError(t, c.Keep(t.Context()))
	require.NoError(t, b.DeleteStream(t.Context(), "w"))
	require.ErrorIs(t, c.Keep(t.Context()), store.ErrClaimLost)
	_, err := c.State(t.Context())
	require.ErrorIs(t, err, store.ErrClaimLost)
	var names []string
	for name, err := range b.Streams(t.Context()) {
		require.NoError(t, err)
		names = append(names, name)
	}
	require.Empty(t, names)
}

// What was read ahead is forgotten by a claim that only waits, and read again.
func TestKeepForgets(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1", "2", "3")
	c := claimed(t, s, "w")
	one := store.Limits{Events: 1, Bytes: 1}
	_, err := c.Batch(t.Context(), one)
	require.NoError(t, err)
	require.NoError(t, c.Keep(t.Context()))
	require.Len(t, c.items, 2)
	require.NoError(t, c.Keep(t.Context()))
	require.Empty(t, c.items)
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"2", "3"}, texts(batch))
}

// A holder that is stopped just before it lets its token wait, and goes on when
// another holds the stream, does not take the token from that one.
func TestLateWait(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	a, b := opened(t, cfg), opened(t, cfg)
	appended(t, a, "w", "1")
	stale := claimed(t, a, "w")
	require.NoError(t, stale.write(t.Context(), nil, func(d *document) error {
		d.Until = time.Now().Add(time.Hour)
		return nil
	}, nil))
	a.unhold(stale)
	stale.end()

	c := claimed(t, b, "w")
	require.Greater(t, c.token.seq, stale.token.seq)
	require.NoError(t, stale.token.msg.NakWithDelay(time.Hour))
	require.NoError(t, a.conn.Flush())
	require.Equal(t, []string{"1"}, deliver(t, c))
	appended(t, a, "w", "2")
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	require.Equal(t, []string{"2"}, deliver(t, claimed(t, b, "w")))
}

// Events that came long before a holder gives back its claim, and of which it has
// not heard, are seen before the token is removed: should it die then, a sweep
// would not look at them any more.
func TestReleaseLooksAgain(t *testing.T) {
	t.Parallel()
	for name, old := range map[string]bool{"after an old look": true, "not after a fresh one": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet(t)
			a, b := opened(t, cfg), opened(t, cfg)
			appended(t, a, "w", "1")
			c := claimed(t, a, "w")
			require.Equal(t, []string{"1"}, deliver(t, c))
			_, err := c.Batch(t.Context(), all)
			require.ErrorIs(t, err, store.ErrNoEvents)
			if old {
				c.empty = c.empty.Add(-cfg.Lease)
			}
			appended(t, b, "w", "2")
			require.NoError(t, b.ringer.flush(t.Context(), true)) // there is a token
			a.ringer.mu.Lock()
			a.ringer.stopped = true // it dies once the token is removed
			a.ringer.mu.Unlock()
			require.NoError(t, c.Release(t.Context(), store.Wait{}))
			last, err := a.last(t.Context(), cfg.tokensStream(), cfg.tokensPrefix()+"w")
			require.NoError(t, err)
			require.Equal(t, old, last > c.token.seq)
		})
	}
}

// The halves of a batch come before a later one that was made ready meanwhile.
func TestSplitBeforeReady(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1", "2", "3", "4", "5", "6", "7")
	c := claimed(t, s, "w")
	two := store.Limits{Events: 2, Bytes: 1000}
	first, err := c.Batch(t.Context(), two)
	require.NoError(t, err)
	second, err := c.Batch(t.Context(), two)
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), first.ID, nil, two))
	require.NotNil(t, c.ready)
	require.NoError(t, c.Split(t.Context(), second.ID))
	var got [][]string
	for range 4 {
		batch, err := c.Batch(t.Context(), two)
		require.NoError(t, err)
		got = append(got, texts(batch))
	}
	require.Equal(t, [][]string{{"3"}, {"4"}, {"5", "6"}, {"7"}}, got)
}
