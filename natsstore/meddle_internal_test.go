package natsstore

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

var errAway = errors.New("the connection is away")

// meddled is a bucket that a test meddles with.
type meddled struct {
	jetstream.KeyValue

	mu     sync.Mutex
	get    func(key string) error                       // before a get, if it is not nil
	update func(func() (uint64, error)) (uint64, error) // around the next update
}

func (m *meddled) Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error) {
	m.mu.Lock()
	get := m.get
	m.mu.Unlock()
	if get != nil {
		if err := get(key); err != nil {
			return nil, err
		}
	}
	return m.KeyValue.Get(ctx, key)
}

func (m *meddled) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	update := func() (uint64, error) { return m.KeyValue.Update(ctx, key, value, revision) }
	m.mu.Lock()
	around := m.update
	m.update = nil
	m.mu.Unlock()
	if around != nil {
		return around(update)
	}
	return update()
}

// meddle lets a test meddle with the bucket of states.
func meddle(s *natsStore) *meddled {
	m := &meddled{KeyValue: s.states}
	s.states = m
	return m
}

// unheard loses the answer to a request that has had its effect.
func unheard(update func() (uint64, error)) (uint64, error) {
	if _, err := update(); err != nil {
		return 0, err
	}
	return 0, nats.ErrTimeout
}

// spied is a token that tells what its holder does to it.
type spied struct {
	jetstream.Msg
	inProgress error
	told       int
	delays     []time.Duration
}

func (m *spied) InProgress() error {
	m.told++
	return m.inProgress
}

func (m *spied) NakWithDelay(delay time.Duration) error {
	m.delays = append(m.delays, delay)
	return m.Msg.NakWithDelay(delay)
}

// spy puts such a token in place of the claim's.
func (c *claim) spy() *spied {
	m := &spied{Msg: c.token.msg}
	c.token.msg = m
	return m
}

// soon claims the stream, which must not wait for a lease to end, nor for a sweep.
func soon(t *testing.T, s *natsStore, stream string) *claim {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := s.Claim(ctx)
	require.NoError(t, err)
	require.Equal(t, stream, c.Stream())
	mine, ok := c.(*claim)
	require.True(t, ok)
	return mine
}

// patient is a quiet configuration whose leases outlast a test.
func patient(t *testing.T) Config {
	t.Helper()
	cfg := quiet(t)
	cfg.Lease = 5 * time.Minute
	return cfg
}

// sent claims the stream, sends its events, and returns the claim, which has
// nothing more to send.
func sent(t *testing.T, s *natsStore, stream string, events ...string) *claim {
	t.Helper()
	c := soon(t, s, stream)
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, events, texts(batch))
	require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	return c
}

// counted returns how many tokens there are.
func counted(t *testing.T, s *natsStore) uint64 {
	t.Helper()
	info, err := s.tokens.Info(t.Context())
	require.NoError(t, err)
	return info.State.Msgs
}

func idle() error { return nil }

// expire lets all events that are there outlive the retention.
func expire(t *testing.T, s *natsStore) error {
	t.Helper()
	info, err := s.eventsInfo(t.Context())
	require.NoError(t, err)
	return s.expire(t.Context(), time.Now(), &info.State, idle)
}

func expired(t *testing.T, s *natsStore) {
	t.Helper()
	require.NoError(t, expire(t, s))
}

// parked claims the stream "w", makes something of the claim, and lets it wait.
func parked(t *testing.T, s *natsStore, use func(*claim)) {
	t.Helper()
	c := soon(t, s, "w")
	use(c)
	require.NoError(t, c.Release(t.Context(), store.Wait{After: store.UntilWoken}))
}

func read(t *testing.T, s *natsStore, stream string) []string {
	t.Helper()
	return texts(store.Batch{Events: readAll(t, s, stream)})
}

// garbage publishes a message to the stream "w" that is no block.
func garbage(t *testing.T, s *natsStore) {
	t.Helper()
	_, err := s.js.Publish(t.Context(), s.cfg.eventsPrefix()+"w", []byte("garbage"))
	require.NoError(t, err)
}

func readAll(t *testing.T, s *natsStore, stream string) []store.Event {
	t.Helper()
	var events []store.Event
	for e, err := range s.Read(t.Context(), stream, store.From{}) {
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}
