package natsstore

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// between puts somebody between the store and the servers who changes the answers to
// its batched direct gets: of the n messages of each he passes on what pass says.
func between(t *testing.T, s *natsStore, pass func(n int) bool) {
	t.Helper()
	conn, err := nats.Connect(s.cfg.URL)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	direct := "DIRECT.GET." + s.cfg.eventsStream()
	prefix := s.cfg.Name + ".between"
	_, err = conn.Subscribe(prefix+"."+direct, func(request *nats.Msg) {
		n := 0
		inbox := conn.NewRespInbox()
		_, _ = conn.Subscribe(inbox, func(m *nats.Msg) {
			if m.Header.Get("Status") == "" {
				if n++; !pass(n) {
					return
				}
			}
			_ = conn.PublishMsg(&nats.Msg{Subject: request.Reply, Header: m.Header, Data: m.Data})
		})
		_ = conn.PublishRequest(jetstream.DefaultAPIPrefix+direct, inbox, request.Data)
	})
	require.NoError(t, err)
	require.NoError(t, conn.Flush())
	s.js, err = jetstream.NewWithAPIPrefix(s.conn, prefix)
	require.NoError(t, err)
}

// What a follower does not have yet, or what is lost on the way, is read
// nevertheless, once and in order.
func TestReadWhatDirectGetsMiss(t *testing.T) {
	t.Parallel()
	for name, pass := range map[string]func(n int) bool{
		"all":        func(int) bool { return false },
		"the first":  func(n int) bool { return n > 1 },
		"the second": func(n int) bool { return n != 2 },
		"the rest":   func(n int) bool { return n < 3 },
		"nothing":    func(int) bool { return true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, patient(t))
			want := []string{"1", "2", "3", "4", "5"}
			appended(t, s, "other", "event")
			for _, event := range want {
				appended(t, s, "w", event)
			}
			require.NoError(t, soon(t, s, "other").Release(t.Context(), store.Wait{After: store.UntilWoken}))
			between(t, s, pass)
			require.Equal(t, want, read(t, s, "w"))
			state, err := s.State(t.Context(), "w")
			require.NoError(t, err)
			require.EqualValues(t, len(want), state.Events)
			sent(t, s, "w", want...)
		})
	}
}
