package natsstore

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// nowhere returns an address where nobody listens.
func nowhere(tb testing.TB) string {
	tb.Helper()
	l := listen(tb)
	require.NoError(tb, l.Close())
	return "nats://" + l.Addr().String()
}

// listen returns a listener that nobody asks.
func listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

// Open against nothing ends in time and says why.
func TestOpenUnreachable(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url  string
		want error
		text string
	}{
		"nobody listens":   {nowhere(t), nats.ErrNoServers, "natsstore: connecting: nats: no servers available for connection"},
		"two, none there":  {nowhere(t) + "," + nowhere(t), nats.ErrNoServers, "natsstore: connecting: nats: no servers available for connection"},
		"nobody answers":   {"nats://" + listen(t).Addr().String(), context.DeadlineExceeded, "natsstore: connecting: context deadline exceeded"},
		"two, none answer": {"nats://" + listen(t).Addr().String() + ",nats://" + listen(t).Addr().String(), context.DeadlineExceeded, "natsstore: connecting: context deadline exceeded"},
		"no address":       {"nats://127.0.0.1:port", nil, "natsstore: connecting: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{URL: test.url}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := Open(ctx, cfg)
			require.Less(t, time.Since(began), 3*time.Second)
			require.ErrorContains(t, err, test.text)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
		})
	}
}
