package natsstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// fill appends until the store is full, and returns how many blocks it took.
func fill(t *testing.T, s store.Store) int {
	t.Helper()
	for i := range 1000 {
		_, err := s.Append(t.Context(), "one", fmt.Sprint(i), store.Block{make([]byte, 16<<10)})
		if err != nil {
			require.ErrorIs(t, err, store.ErrFull)
			require.NotErrorIs(t, err, store.ErrUnavailable)
			return i
		}
	}
	require.Fail(t, "the store takes everything")
	return 0
}

// A full stream takes nothing, loses nothing, and takes more when there is room
// again.
func TestFull(t *testing.T) {
	t.Parallel()
	for name, room := range map[string]func(t *testing.T, s *natsStore){
		"after the retention": func(t *testing.T, s *natsStore) {
			t.Helper()
			info, err := s.eventsInfo(t.Context())
			require.NoError(t, err)
			require.NoError(t, s.expire(t.Context(), time.Now().Add(time.Hour), &info.State, func() error { return nil }))
		},
		"after a stream was deleted": func(t *testing.T, s *natsStore) {
			t.Helper()
			require.NoError(t, s.DeleteStream(t.Context(), "one"))
		},
		"after an operator's purge": func(t *testing.T, s *natsStore) {
			t.Helper()
			require.NoError(t, s.events.Purge(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testFull(t, single(t), 1, room)
		})
		t.Run(name+", three replicas", func(t *testing.T) {
			t.Parallel()
			testFull(t, three(t), 3, room)
		})
	}
}

func testFull(t *testing.T, servers *natstest.Cluster, replicas int, room func(*testing.T, *natsStore)) {
	t.Helper()
	cfg := config(t, servers, replicas)
	cfg.Sweep, cfg.MaxBytes = time.Hour, 256<<10
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	s := opened(t, cfg)
	taken := fill(t, s)
	require.InDelta(t, 15, taken, 1)
	total, err := s.Total(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(taken), total.Events)

	// What is there can be delivered all the same.
	c := claimed(t, s, "one")
	b, err := c.Batch(t.Context(), store.Limits{Events: 1, Bytes: 1 << 20})
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	fill(t, s) // it is still full

	room(t, s)
	_, err = s.Append(t.Context(), "one", "more", store.Block{[]byte("more")})
	require.NoError(t, err)
	var last store.Event
	for e, err := range s.Read(t.Context(), "one", store.From{}) {
		require.NoError(t, err)
		last = e
	}
	require.Equal(t, "more", string(last.Data))
}

// Where the account's storage is full, it is no different for those who append.
func TestFullAccount(t *testing.T) {
	t.Parallel()
	servers := serve(t, func(o *server.Options) {
		require.NoError(t, o.ProcessConfigString(`
accounts {
	KEEPER {
		jetstream: { max_file: 256K }
		users: [ { user: keeper, password: keeper } ]
	}
}`))
	})
	cfg := config(t, servers, 1)
	cfg.Sweep = time.Hour
	cfg.Options = []nats.Option{nats.UserInfo("keeper", "keeper")}
	s := opened(t, cfg)
	require.InDelta(t, 15, fill(t, s), 2)

	account, err := servers.Server(0).LookupAccount("KEEPER")
	require.NoError(t, err)
	more := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: 1 << 20, MaxStreams: -1, MaxConsumers: -1, MaxAckPending: -1}
	require.NoError(t, account.UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": more}))
	_, err = s.Append(t.Context(), "one", "more", store.Block{[]byte("more")})
	require.NoError(t, err)
	c := claimed(t, s, "one")
	b, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.NotEmpty(t, b.Events)
	require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
}

// A server that has no room for the streams says so when they are created.
func TestOpenNoRoom(t *testing.T) {
	t.Parallel()
	servers := serve(t, func(o *server.Options) { o.JetStreamMaxStore = 1 << 20 })
	cfg := config(t, servers, 1)
	cfg.MaxBytes = 1 << 30
	_, err := open(t.Context(), cfg)
	require.ErrorContains(t, err, "natsstore: stream "+cfg.Name+"-events: ")
	require.ErrorContains(t, err, "insufficient storage resources available")
	require.NotErrorIs(t, err, store.ErrUnavailable)
}
