package natsstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// When the server has lost its last events, with its power, it gives their
// sequences to new ones: these are delivered nevertheless.
func TestEventsAfterOthersWereLost(t *testing.T) {
	t.Parallel()
	for _, frozen := range []bool{false, true} {
		t.Run(fmt.Sprint("frozen ", frozen), func(t *testing.T) {
			t.Parallel()
			cfg := quiet(t)
			s := opened(t, cfg)
			for i := range 5 {
				appended(t, s, "w", fmt.Sprint("before ", i))
			}
			c := claimed(t, s, "w")
			batch, err := c.Batch(t.Context(), all)
			require.NoError(t, err)
			if !frozen {
				require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
			}
			require.NoError(t, c.Release(t.Context(), store.Wait{}))
			require.NoError(t, s.Close())

			// The stream is as it was before all of them.
			s = opened(t, cfg)
			events := s.events.CachedInfo().Config
			require.NoError(t, s.js.DeleteStream(t.Context(), events.Name))
			_, err = s.js.CreateStream(t.Context(), events)
			require.NoError(t, err)
			appended(t, s, "w", "after")
			c = claimed(t, s, "w")
			again, err := c.Batch(t.Context(), all)
			require.NoError(t, err)
			require.Equal(t, []string{"after"}, texts(again))
			require.NotEqual(t, batch.ID, again.ID)
			require.NoError(t, c.Ack(t.Context(), again.ID, nil, store.Limits{}))
			appended(t, s, "w", "later")
			again, err = c.Batch(t.Context(), all)
			require.NoError(t, err)
			require.Equal(t, []string{"later"}, texts(again))
		})
	}
}

// Of a block that was acknowledged in part the rest is sent again with it.
func TestRewindInABlock(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1", "2", "3")
	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), store.Limits{Events: 1, Bytes: 10})
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	d := c.doc
	d.Next.Seq += 10
	require.NoError(t, s.rewind(t.Context(), "w", &d))
	require.Equal(t, store.Position{Seq: c.doc.Next.Seq}, d.Next)
	d = c.doc
	require.NoError(t, s.rewind(t.Context(), "w", &d))
	require.Equal(t, c.doc, d)
}

// The same when the server was started again while the store was open, which knew
// how far the stream had come.
func TestEventsAfterRestart(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	for i := range 5 {
		appended(t, s, "w", fmt.Sprint("before ", i))
	}
	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	require.NoError(t, c.Release(t.Context(), store.Wait{}))

	events := s.events.CachedInfo().Config
	require.NoError(t, s.js.DeleteStream(t.Context(), events.Name))
	_, err = s.js.CreateStream(t.Context(), events)
	require.NoError(t, err)
	require.NoError(t, s.conn.ForceReconnect())
	require.Eventually(t, func() bool {
		return s.conn.Stats().Reconnects > 0 && s.conn.IsConnected()
	}, time.Minute, time.Millisecond)
	appended(t, s, "w", "after")
	sent(t, s, "w", "after")
}

// What was acknowledged or skipped is not sent again when only events behind it
// were lost.
func TestRewindBehindAcknowledged(t *testing.T) {
	t.Parallel()
	frozen := func(t *testing.T, c *claim) store.Batch {
		t.Helper()
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		return batch
	}
	skipped := func(t *testing.T, c *claim) {
		t.Helper()
		events := readAll(t, c.s, "w")
		skipped, err := c.Skip(t.Context(), events[1].Time, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, skipped.Events)
	}
	for name, pass := range map[string]func(*testing.T, *claim){
		"acknowledged": func(t *testing.T, c *claim) {
			t.Helper()
			require.NoError(t, c.Ack(t.Context(), frozen(t, c).ID, nil, store.Limits{}))
		},
		"skipped": skipped,
		"skipped with its batch": func(t *testing.T, c *claim) {
			t.Helper()
			frozen(t, c)
			skipped(t, c)
		},
		"expired": func(t *testing.T, c *claim) {
			t.Helper()
			_, err := c.s.passed(t.Context(), "w", &c.doc, readAll(t, c.s, "w")[1].Position.Seq)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, patient(t))
			appended(t, s, "w", "1")
			second := appended(t, s, "w", "2")
			appended(t, s, "w", "3")
			c := soon(t, s, "w")
			pass(t, c)
			_, err := c.Batch(t.Context(), all)
			require.NoError(t, err)
			d := c.doc
			d.Frozen = slices.Clone(d.Frozen)
			d.Frozen[0].End.Seq += 10 // the batch had more, which the server has lost
			require.NoError(t, s.rewind(t.Context(), "w", &d))
			require.Equal(t, store.Position{Seq: second}, d.Next)
			require.Empty(t, d.Frozen)
		})
	}
}
