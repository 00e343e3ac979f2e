package natsstore

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync/atomic"
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

// losing is a connection that ends with a request to the JetStream API.
type losing struct {
	net.Conn
	requests *atomic.Int64
	lost     int64 // which
}

func (c losing) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("PUB $JS.API.")) && c.requests.Add(1) == c.lost {
		return len(b), c.Close()
	}
	return c.Conn.Write(b)
}

// dialer makes such connections.
type dialer struct {
	requests atomic.Int64
	lost     int64
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address) //nolint:noctx // the interface has none
	return losing{conn, &d.requests, d.lost}, err
}

// A request of Open that gets no answer, for its server has just gone, is made
// again.
func TestOpenLosesARequest(t *testing.T) {
	t.Parallel()
	for name, there := range map[string]bool{"creating": false, "opening": true} {
		requests, err := openLosing(t, there, 0)
		require.NoError(t, err)
		require.Greater(t, requests, int64(6), "four streams, a consumer, two buckets")
		for lost := range requests {
			t.Run(fmt.Sprint(name, ", request ", lost+1), func(t *testing.T) {
				t.Parallel()
				_, err := openLosing(t, there, lost+1)
				require.NoError(t, err)
			})
		}
	}
}

// openLosing opens a store, which may be there already, while a request is lost.
// It returns the number of requests.
func openLosing(t *testing.T, there bool, lost int64) (int64, error) {
	t.Helper()
	cfg := config(t, single(t), 1)
	cfg.Sweep = time.Hour
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	if there {
		s, err := open(t.Context(), cfg)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	d := &dialer{lost: lost}
	cfg.Options = []nats.Option{nats.SetCustomDialer(d)}
	s, err := open(t.Context(), cfg)
	if err != nil {
		return 0, err
	}
	requests := d.requests.Load()
	return requests, s.Close()
}
