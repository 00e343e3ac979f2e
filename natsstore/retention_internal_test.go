package natsstore

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// A batch that was acknowledged before those in front of it is not missing when
// they outlive the retention.
func TestExpiredBehindAcknowledged(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1", "22", "333", "4444")
	parked(t, s, func(c *claim) {
		var ids []string
		for range 3 {
			batch, err := c.Batch(t.Context(), one)
			require.NoError(t, err)
			ids = append(ids, batch.ID)
		}
		require.NoError(t, c.Ack(t.Context(), ids[1], nil, store.Limits{}))
	})
	expired(t, s)
	state, err := s.State(t.Context(), "w")
	require.NoError(t, err)
	require.Zero(t, state.Backlog)
	require.Empty(t, state.Frozen)
	require.Len(t, state.Gaps, 1)
	require.EqualValues(t, 3, state.Gaps[0].Events)
	require.EqualValues(t, 1+3+4, state.Gaps[0].Bytes)
}

// What is left of a stream then is no reason to claim it once more.
func TestAcknowledgedBehindExpired(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	appended(t, s, "w", "2")
	require.NoError(t, s.ringer.flush(t.Context(), true)) // no token comes later
	parked(t, s, func(c *claim) {
		_, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		second, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.NoError(t, c.Ack(t.Context(), second.ID, nil, store.Limits{}))
	})
	info, err := s.eventsInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.expire(t.Context(), readAll(t, s, "w")[1].Time, &info.State, idle))
	require.NoError(t, s.Wake(t.Context(), "w"))
	c := soon(t, s, "w")
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, state.Gaps[0].Events)
	_, err = c.Batch(t.Context(), all)
	require.ErrorIs(t, err, store.ErrNoEvents)
	require.NoError(t, c.ClearGap(t.Context(), state.Gaps[0].ID))
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	require.Zero(t, counted(t, s))
}

// What is damaged between the events of a frozen batch is none of those that are
// left when the retention has taken a part.
func TestExpiredInPartBesideDamaged(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	garbage(t, s)
	appended(t, s, "w", "22", "333")
	var batch store.Batch
	parked(t, s, func(c *claim) {
		var err error
		batch, err = c.Batch(t.Context(), all)
		require.NoError(t, err)
	})
	info, err := s.eventsInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.expire(t.Context(), batch.Events[1].Time, &info.State, idle))
	state, err := s.State(t.Context(), "w")
	require.NoError(t, err)
	require.Equal(t, store.Backlog{Events: 2, Bytes: 5, Oldest: batch.Events[1].Time}, state.Backlog)
	require.NoError(t, s.Wake(t.Context(), "w"))
	again, err := soon(t, s, "w").Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, batch.ID, again.ID)
	require.Equal(t, []string{"22", "333"}, texts(again))
}

// What is damaged is counted once: by the claim that has met it, or as expired.
func TestExpiredDamaged(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	garbage(t, s)
	appended(t, s, "w", "1")
	garbage(t, s)
	appended(t, s, "w", "2")
	parked(t, s, func(c *claim) {
		_, err := c.Batch(t.Context(), all)
		require.NoError(t, err)
	})
	garbage(t, s)
	appended(t, s, "w", "3")
	expired(t, s)
	state, err := s.State(t.Context(), "w")
	require.NoError(t, err)
	require.Zero(t, state.Backlog)
	events := map[store.Reason]int64{}
	for _, g := range state.Gaps {
		events[g.Reason] = g.Events
	}
	require.Equal(t, map[store.Reason]int64{store.Damaged: 2, store.Expired: 4}, events)
}

// A claim that begins while the retention makes a gap keeps its events.
func TestExpiredWhileClaimed(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	require.NoError(t, s.ringer.flush(t.Context(), true))
	var (
		c        store.Claim
		claiming error
	)
	meddle(s).update = func(update func() (uint64, error)) (uint64, error) {
		c, claiming = s.Claim(t.Context())
		return update()
	}
	expired(t, s)
	require.NoError(t, claiming)
	require.NotNil(t, c)
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, texts(batch))
	require.Equal(t, []string{"1"}, read(t, s, "w"))
}

// Nothing is removed as long as the gaps cannot be made.
func TestExpiredWithoutStates(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	appended(t, s, "other", "1")
	m := meddle(s)
	m.get = func(key string) error {
		if key == stateKeys+"w" {
			return errAway
		}
		return nil
	}
	m.update = func(func() (uint64, error)) (uint64, error) { return 0, errAway }
	require.Error(t, expire(t, s))
	require.Equal(t, []string{"1"}, read(t, s, "w"))
	require.Equal(t, []string{"1"}, read(t, s, "other"))
}

// The events of a stream whose document cannot be read stay. Those before them
// go all the same.
func TestExpiredBesideUnreadableDocument(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	var l logs
	cfg.Logger = l.logger()
	s := opened(t, cfg)
	_, err := s.states.Put(t.Context(), stateKeys+"bad", []byte("{\"version\":2}\n"))
	require.NoError(t, err)
	appended(t, s, "before", "1")
	appended(t, s, "bad", "1")
	require.NoError(t, s.ringer.flush(t.Context(), true))
	expired(t, s)
	require.Empty(t, read(t, s, "before"))
	require.Equal(t, []string{"1"}, read(t, s, "bad"))
	require.Contains(t, l.String(), "level=ERROR")
	require.Contains(t, l.String(), "webhook=bad")
}

// A sweep publishes no token for a stream without work.
func TestSweepWithoutWork(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	require.NoError(t, sent(t, s, "w", "1").Release(t.Context(), store.Wait{}))
	_, err := s.sweepOnce(t.Context(), sweeps{}, 0)
	require.NoError(t, err)
	require.Zero(t, counted(t, s))
}

// A sweep reads up to where the stream had come when it began, and tells the
// others that it goes on, or finds out that it should not.
func TestRecent(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "a", "1")
	to := appended(t, s, "b", "1")
	appended(t, s, "c", "1")
	streams, err := s.recent(t.Context(), time.Time{}, to, idle)
	require.NoError(t, err)
	require.Equal(t, map[string]struct{}{"a": {}, "b": {}}, streams)
	_, err = s.recent(t.Context(), time.Time{}, to, func() error { return errStopped })
	require.ErrorIs(t, err, errStopped)
}

// lagging is a stream whose consumers live on a server that does not have the
// last events yet.
type lagging struct{ jetstream.Stream }

type laggingConsumer struct{ jetstream.Consumer }

func (l lagging) CreateConsumer(ctx context.Context, cfg jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	consumer, err := l.Stream.CreateConsumer(ctx, cfg)
	return laggingConsumer{consumer}, err
}

func (c laggingConsumer) CachedInfo() *jetstream.ConsumerInfo {
	info := *c.Consumer.CachedInfo()
	info.NumPending = 0
	return &info
}

// A sweep that does not see all events is none: the next one looks at them again.
func TestSweepLags(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	require.NoError(t, s.ringer.flush(t.Context(), true))
	c := soon(t, s, "w")
	require.NoError(t, s.tokens.DeleteMsg(t.Context(), c.token.seq))
	events := s.events
	s.events = lagging{events}
	_, err := s.sweepOnce(t.Context(), sweeps{}, 0)
	require.ErrorIs(t, err, store.ErrUnavailable)
	s.events = events
	entry, err := s.entry(t.Context(), sweepKey)
	require.NoError(t, err)
	require.JSONEq(t, "{}", string(entry.Value()))
	_, err = s.sweepOnce(t.Context(), sweeps{}, entry.Revision())
	require.NoError(t, err)
	sent(t, s, "w", "1")
}

// asked is a stream whose next answer is followed by something.
type asked struct {
	jetstream.Stream
	then func()
}

func (a asked) Info(ctx context.Context, options ...jetstream.StreamInfoOpt) (*jetstream.StreamInfo, error) {
	info, err := a.Stream.Info(ctx, options...)
	a.then()
	return info, err
}

// A token that comes while a sweep looks for it is no failure of the sweep.
func TestSweepWhileRung(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	s, other := opened(t, cfg), opened(t, cfg)
	appended(t, s, "w", "1")
	c := soon(t, s, "w")
	require.NoError(t, s.tokens.DeleteMsg(t.Context(), c.token.seq))
	s.tokens = asked{s.tokens, func() { require.NoError(t, other.publishToken(t.Context(), "w", 0)) }}
	_, err := s.sweepOnce(t.Context(), sweeps{}, 0)
	require.NoError(t, err)
	sent(t, other, "w", "1")
}

// However many instances there are, a sweep begins only when there was none for as
// long as Config.Sweep.
func TestSweepsOfSeveral(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	cfg.Sweep = 300 * time.Millisecond
	s := opened(t, cfg)
	for range 3 {
		opened(t, cfg)
	}
	watcher, err := s.states.Watch(t.Context(), sweepKey)
	require.NoError(t, err)
	defer stop(watcher)
	var (
		last sweeps
		at   time.Time
	)
	for began := 0; began < 5; {
		entry := <-watcher.Updates()
		if entry == nil {
			continue
		}
		var done sweeps
		require.NoError(t, json.Unmarshal(entry.Value(), &done))
		if !at.IsZero() && done.Orphans.Equal(last.Orphans) { // the end has another time
			began++
			require.Greater(t, entry.Created().Sub(at), cfg.Sweep*9/10)
		}
		last, at = done, entry.Created()
	}
}
