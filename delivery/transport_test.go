package delivery_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

func TestHTTP2(t *testing.T) {
	t.Parallel()

	r := newUnstarted(status(503, 200))
	r.EnableHTTP2 = true
	r.start(t)
	cfg := r.config()
	cfg.Clock = newFakeClock()
	_, err := newDeliverer(t, cfg).Deliver(t.Context(), large)
	require.NoError(t, err)
	for _, req := range r.received() {
		require.Equal(t, "HTTP/2.0", req.proto)
		require.Equal(t, string(large.Body), req.body(t))
	}
	require.Equal(t, 1, r.connections())
}

// silentConn loses what is written to it from when it dies, as when a router on
// the way has forgotten the connection.
type silentConn struct {
	net.Conn
	dead *atomic.Bool
}

func (c silentConn) Write(b []byte) (int, error) {
	if c.dead.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// An HTTP/2 connection that died in silence fails one attempt, not all.
func TestHTTP2ConnectionThatDies(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		r := newUnstarted(status(200))
		r.EnableHTTP2 = true
		r.usePipes()
		r.start(t)
		cfg := r.config()
		conns := make([]atomic.Bool, 2)
		dialled := 0
		cfg.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := r.dial(ctx, network, address)
			dialled++
			return silentConn{conn, &conns[dialled-1]}, err
		}
		deliverer := newDeliverer(t, cfg)
		_, err := deliverer.Deliver(t.Context(), batch)
		require.NoError(t, err)

		conns[0].Store(true)
		result, err := deliverer.Deliver(t.Context(), batch)
		require.NoError(t, err)
		require.Len(t, result.Attempts, 2)
		require.Less(t, result.Attempts[0].Duration, delivery.DefaultAttemptTimeout)
		require.Error(t, result.Attempts[0].Err)
	})
}

// Connections are kept: one delivery after the other uses one, whatever the
// answers, and so do the attempts of one. (On virtual time, since net/http
// gives a connection up when this machine is slow.)
func TestConnectionReuse(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		receiver := newPipeReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
			w.WriteHeader([]int{200, 503, 401}[n%3])
			_, _ = w.Write(make([]byte, n*1000))
		})
		deliverer := newDeliverer(t, receiver.config())
		for range 20 {
			_, _ = deliverer.Deliver(t.Context(), batch)
		}
		require.Equal(t, 1, receiver.connections())

		deliverer.Close()
		before := len(receiver.received())
		_, _ = deliverer.Deliver(t.Context(), batch) // works after Close
		require.Greater(t, len(receiver.received()), before)
		require.Equal(t, 2, receiver.connections())
	})
}

func TestConcurrentDeliveriesKeepTheirConnections(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		const n = 8
		var round sync.WaitGroup
		receiver := newPipeReceiver(t, func(http.ResponseWriter, *http.Request, int) {
			round.Done()
			round.Wait() // all of a round are under way at once
		})
		deliverer := newDeliverer(t, receiver.config())
		for range 3 {
			round.Add(n)
			var all sync.WaitGroup
			for range n {
				all.Go(func() { _, _ = deliverer.Deliver(t.Context(), batch) })
			}
			all.Wait()
			synctest.Wait() // until the connections are idle
		}
		require.Equal(t, n, receiver.connections())
	})
}

// A connection that the server closed while it was idle costs no attempt.
func TestIdleConnectionClosedByTheServer(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		receiver := newUnstarted(status(200))
		receiver.usePipes()
		receiver.Config.IdleTimeout = time.Second
		receiver.start(t)
		deliverer := newDeliverer(t, receiver.config())
		for range 3 {
			result, err := deliverer.Deliver(t.Context(), batch)
			require.NoError(t, err)
			require.Len(t, result.Attempts, 1)
			require.NoError(t, delivery.SystemClock{}.Sleep(t.Context(), 2*time.Second))
		}
		require.Equal(t, 3, receiver.connections())
	})
}

// A client certificate that is missing is told in the handshake of TLS 1.2, and
// after that of TLS 1.3.
func TestClientCertificate(t *testing.T) {
	t.Parallel()

	certificate := newCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	pool := x509.NewCertPool()
	pool.AddCert(certificate.Leaf)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			r := newUnstarted(func(w http.ResponseWriter, r *http.Request, _ int) {
				if !r.TLS.PeerCertificates[0].Equal(certificate.Leaf) {
					w.WriteHeader(403)
				}
			})
			r.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MaxVersion: version}
			r.start(t)

			cfg := r.config()
			cfg.Clock = newFakeClock()
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
			require.False(t, failure(t, err, delivery.ReasonConnection).Retryable)
			require.ErrorContains(t, err, "remote error: tls: ")
			if version == tls.VersionTLS12 { // else the request may cross the alert, and be lost first
				require.Len(t, result.Attempts, 1)
			}

			cfg.Certificates = []tls.Certificate{certificate}
			_, err = newDeliverer(t, cfg).Deliver(t.Context(), batch)
			require.NoError(t, err)
		})
	}
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()

	for version, ok := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			t.Parallel()
			r := newUnstarted(status(200))
			r.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: version}
			r.start(t)
			cfg := r.config()
			cfg.Clock = newFakeClock()
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
			require.Len(t, result.Attempts, 1)
			require.Equal(t, ok, len(r.received()) > 0)
			if ok {
				require.NoError(t, err)
				return
			}
			failure(t, err, delivery.ReasonConnection)
		})
	}
}

func TestInsecureSkipVerify(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(200))
	cfg := receiver.config()
	cfg.RootCAs = nil
	cfg.InsecureSkipVerify = true
	_, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	require.NoError(t, err)
}

// An answer may come before the body was read, and net/http goes on sending:
// its buffer must not be used again meanwhile.
func TestEarlyAnswers(t *testing.T) {
	t.Parallel()

	for _, http2 := range []bool{false, true} {
		var mu sync.Mutex
		bodies := map[string]string{}
		r := newUnstarted(nil)
		r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(200)
			_ = http.NewResponseController(w).EnableFullDuplex()
			_ = http.NewResponseController(w).Flush()
			buf := make([]byte, 64<<10)
			n, _ := req.Body.Read(buf)
			mu.Lock()
			defer mu.Unlock()
			bodies[req.Header.Get("Webhook-Id")] += string(buf[:n])
		})
		r.EnableHTTP2 = http2
		r.start(t)
		cfg := r.config()
		cfg.Encoding = delivery.EncodingNone
		deliverer := newDeliverer(t, cfg)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				id := string(rune('a' + i))
				body := make([]byte, 1<<20)
				for j := range body {
					body[j] = id[0]
				}
				_, _ = deliverer.Deliver(t.Context(), delivery.Batch{ID: id, Body: body})
				clear(body) // the caller's again
			})
		}
		all.Wait()
		mu.Lock()
		for id, body := range bodies {
			require.Empty(t, strings.Trim(body, id))
		}
		mu.Unlock()
	}
}
