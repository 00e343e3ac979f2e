package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Whoever dies between an event and its token leaves an event that nobody is told
// of: the sweep of any instance finds it.
func TestOrphan(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	cfg.Sweep = 300 * time.Millisecond
	dying, s := opened(t, cfg), opened(t, cfg)
	died, done := make(chan struct{}), make(chan struct{})
	dying.beforeToken = func() {
		close(died)
		<-done
	}
	t.Cleanup(func() { close(done) })
	go func() { _, _ = dying.Append(context.Background(), "w", "", store.Block{[]byte("orphan")}) }()
	<-died
	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"orphan"}, texts(batch))
	require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
}

// The same for whoever dies after it has removed the token of a stream that has
// got an event meanwhile, also when a sweep was there before.
func TestOrphanOfHolder(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	s := opened(t, cfg)
	appended(t, s, "w", "1")
	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	other := opened(t, cfg)
	appended(t, other, "w", "2")
	require.NoError(t, other.ringer.flush(t.Context(), true)) // there is a token
	done, rev := sweeps{}, uint64(0)
	rev, err = s.sweepOnce(t.Context(), done, rev)
	require.NoError(t, err)
	require.NoError(t, s.tokens.DeleteMsg(t.Context(), c.token.seq))
	entry, err := s.entry(t.Context(), sweepKey)
	require.NoError(t, err)
	require.Equal(t, rev, entry.Revision())
	require.NoError(t, json.Unmarshal(entry.Value(), &done))
	require.False(t, done.Orphans.IsZero())
	_, err = s.sweepOnce(t.Context(), done, rev)
	require.NoError(t, err)
	c = claimed(t, other, "w")
	batch, err = c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"2"}, texts(batch))
}

// Old events of a stream that has no token, however that came, are told of instead
// of being removed, and do not keep those of others for ever.
func TestExpiredOrphan(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	_, err := s.js.Publish(t.Context(), s.cfg.eventsPrefix()+"orphan", encodeBlock(store.Block{[]byte("1")}, 1))
	require.NoError(t, err)
	info, err := s.eventsInfo(t.Context())
	require.NoError(t, err)
	expire := func() {
		t.Helper()
		require.NoError(t, s.expire(t.Context(), info.TimeStamp.Add(time.Hour), &info.State, func() error { return nil }))
	}
	expire()
	c := claimed(t, s, "orphan")
	require.Equal(t, []string{"1"}, deliver(t, c))
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	expire()
	info, err = s.eventsInfo(t.Context())
	require.NoError(t, err)
	require.Zero(t, info.State.Msgs)
}

// Of several instances one sweeps at a time.
func TestOneSweeps(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	a, b := opened(t, cfg), opened(t, cfg)
	rev, err := a.sweepOnce(t.Context(), sweeps{}, 0)
	require.NoError(t, err)
	_, err = b.sweepOnce(t.Context(), sweeps{}, 0)
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = b.sweepOnce(t.Context(), sweeps{}, rev)
	require.NoError(t, err)
}

// Consumers that sweeps use are removed: the stream of events has none, that of
// tokens one, however many webhooks there are.
func TestConsumers(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	for i := range 50 {
		appended(t, s, fmt.Sprint("w", i), "1")
	}
	_, err := s.sweepOnce(t.Context(), sweeps{}, 0)
	require.NoError(t, err)
	for stream, want := range map[jetstream.Stream]int{s.events: 0, s.tokens: 1} {
		info, err := stream.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, info.State.Consumers)
	}
}

// A message that is no block is a gap, and what comes behind it is sent.
func TestDamaged(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	garbage := func() {
		_, err := s.js.Publish(t.Context(), s.cfg.eventsPrefix()+"w", []byte("garbage"))
		require.NoError(t, err)
	}
	appended(t, s, "w", "1")
	garbage()
	appended(t, s, "w", "2")
	garbage()
	var read []string
	damaged := 0
	for e, err := range s.Read(t.Context(), "w", store.From{}) {
		if err != nil {
			require.ErrorIs(t, err, store.ErrDamaged)
			damaged++
			continue
		}
		read = append(read, string(e.Data))
	}
	require.Equal(t, []string{"1", "2"}, read)
	require.Equal(t, 2, damaged)

	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2"}, texts(batch))
	again, err := c.Batch(t.Context(), all)
	require.ErrorIs(t, err, store.ErrNoEvents)
	require.Empty(t, again)
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.Len(t, state.Gaps, 1)
	require.Equal(t, store.Damaged, state.Gaps[0].Reason)
	require.EqualValues(t, 2, state.Gaps[0].Events)
	require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	garbage()
	_, err = c.Batch(t.Context(), all)
	require.ErrorIs(t, err, store.ErrNoEvents)
	state, err = c.State(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, state.Gaps[0].Events)
	require.Zero(t, state.Events)
}

// Events of a frozen batch that somebody has removed from the stream become a
// gap.
func TestFrozenGone(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1")
	appended(t, s, "w", "2")
	last := appended(t, s, "w", "3")
	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), store.Limits{Events: 2, Bytes: 100})
	require.NoError(t, err)
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	require.NoError(t, s.events.DeleteMsg(t.Context(), batch.Events[1].Position.Seq))
	c = claimed(t, s, "w")
	again, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, batch.ID, again.ID)
	require.Equal(t, []string{"1"}, texts(again))
	require.NoError(t, c.Release(t.Context(), store.Wait{}))

	require.NoError(t, s.events.Purge(t.Context(), jetstream.WithPurgeSequence(last)))
	c = claimed(t, s, "w")
	again, err = c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.NotEqual(t, batch.ID, again.ID)
	require.Equal(t, []string{"3"}, texts(again))
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.Len(t, state.Gaps, 1)
	require.EqualValues(t, 2, state.Gaps[0].Events)
}

// A frozen batch of which retention has taken a part keeps its id.
func TestExpiredInPart(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1", "22")
	appended(t, s, "w", "333")
	appended(t, s, "other", "x")
	var times []time.Time
	for e, err := range s.Read(t.Context(), "w", store.From{}) {
		require.NoError(t, err)
		times = append(times, e.Time)
	}
	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	info, err := s.eventsInfo(t.Context())
	require.NoError(t, err)
	idle := func() error { return nil }

	// Not as long as it is claimed.
	require.NoError(t, s.expire(t.Context(), times[2], &info.State, idle))
	require.NoError(t, c.Save(t.Context(), nil))
	require.NoError(t, c.Release(t.Context(), store.Wait{After: store.UntilWoken}))
	require.NoError(t, s.expire(t.Context(), times[2], &info.State, idle))

	state, err := s.State(t.Context(), "w")
	require.NoError(t, err)
	require.Len(t, state.Gaps, 1)
	require.Equal(t, store.Gap{
		ID: state.Gaps[0].ID, Reason: store.Expired, Events: 2, Bytes: 3, First: times[0], Last: times[1],
	}, state.Gaps[0])
	require.Equal(t, store.Backlog{Events: 1, Bytes: 3, Oldest: times[2]}, state.Backlog)
	require.NoError(t, s.Wake(t.Context(), "w"))
	for c = nil; c == nil || c.stream != "w"; {
		next, err := s.Claim(t.Context())
		require.NoError(t, err)
		c, _ = next.(*claim)
	}
	again, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, batch.ID, again.ID)
	require.Equal(t, []string{"333"}, texts(again))
	require.NoError(t, c.Ack(t.Context(), again.ID, nil, store.Limits{}))
}

// A backlog beyond what is counted is estimated, and is never nothing.
func TestEstimate(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	const blocks = 2000
	event := make([]byte, 2000)
	for range blocks {
		_, err := s.Append(t.Context(), "w", "", store.Block{event, event})
		require.NoError(t, err)
	}
	state, err := s.State(t.Context(), "w")
	require.NoError(t, err)
	require.EqualValues(t, 2*blocks, state.Events)
	require.InEpsilon(t, 2*blocks*len(event), state.Bytes, 0.01)
	total, err := s.Total(t.Context())
	require.NoError(t, err)
	require.Equal(t, state.Backlog, total)
	c := claimed(t, s, "w")
	state, err = c.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, state.Backlog, total)
	_, bytes := c.size()
	require.Less(t, bytes, 3<<20)

	// It ends with the stream.
	require.NoError(t, s.DeleteStream(t.Context(), "w"))
	total, err = s.Total(t.Context())
	require.NoError(t, err)
	require.Zero(t, total)
}

// Only what took long is remembered, and not for ever.
func TestTotalIsRemembered(t *testing.T) {
	t.Parallel()
	total := newTotals()
	backlog := store.Backlog{Events: 1}
	_, wait := total.get()
	require.NotNil(t, wait)
	total.set(backlog, cheapTotal, time.Now().Add(-time.Minute))
	_, wait = total.get()
	require.NotNil(t, wait)
	total.set(backlog, cheapTotal+1, time.Now().Add(-time.Minute))
	got, wait := total.get()
	require.Nil(t, wait)
	require.Equal(t, backlog, got)
	total.until = time.Now()
	_, wait = total.get()
	require.NotNil(t, wait)
}

var errStopped = errors.New("stopped")

// Requests that wait for a server end with their context.
func TestFlushEnds(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	s.ringer.mu.Lock()
	s.ringer.flying++
	s.ringer.mu.Unlock()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopped)
	require.ErrorIs(t, s.ringer.flush(ctx, true), errStopped)
	s.ringer.mu.Lock()
	s.ringer.flying--
	s.ringer.mu.Unlock()
}
