package natsstore

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// counting publishes, and counts how often. The first ones it refuses.
type counting struct {
	jetstream.JetStream
	refused, published atomic.Int64
}

func (c *counting) PublishMsgAsync(msg *nats.Msg, options ...jetstream.PublishOpt) (jetstream.PubAckFuture, error) {
	if c.refused.Add(-1) >= 0 {
		return nil, errAway
	}
	c.published.Add(1)
	return c.JetStream.PublishMsgAsync(msg, options...)
}

// count counts what the ringer publishes.
func (r *ringer) count(refused int64) *counting {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &counting{JetStream: r.js}
	c.refused.Store(refused)
	r.js = c
	return c
}

// Events that come when the token before is gone already get another one, however
// soon that is.
func TestRungAgain(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	a, b := opened(t, cfg), opened(t, cfg)
	for range 5 {
		appended(t, a, "w", "event")
		require.NoError(t, sent(t, b, "w", "event").Release(t.Context(), store.Wait{}))
	}
}

// A token that could not be published is published again.
func TestRungInVain(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	counter := s.ringer.count(2)
	appended(t, s, "w", "1")
	sent(t, s, "w", "1")
	require.EqualValues(t, 1, counter.published.Load())
}

// However many events come, they are few tokens, and none of them is remembered.
// While this process has a claim of the stream there are none.
func TestRungOften(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	counter := s.ringer.count(0)
	began := time.Now()
	for range 200 {
		appended(t, s, "w", "event")
	}
	require.NoError(t, s.ringer.flush(t.Context(), true))
	require.LessOrEqual(t, counter.published.Load(), 2+int64(time.Since(began)/ringInterval))
	c := soon(t, s, "w")
	before := counter.published.Load()
	appended(t, s, "w", "event")
	require.NoError(t, s.ringer.flush(t.Context(), true))
	require.Equal(t, before, counter.published.Load())
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	require.Eventually(t, func() bool {
		s.ringer.mu.Lock()
		defer s.ringer.mu.Unlock()
		return len(s.ringer.streams)+len(s.ringer.cooling) == 0
	}, time.Minute, time.Millisecond)
}
