package receiver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// pipeListener is a listener whose connections are pipes in memory, so that a
// server can run on virtual time.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newPipeListener() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.close()
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// dial returns a connection to the server, its TLS handshake done.
func (l *pipeListener) dial(t *testing.T) net.Conn {
	client, server := net.Pipe()
	l.conns <- server
	conn := tls.Client(client, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	require.NoError(t, conn.HandshakeContext(t.Context()))
	t.Cleanup(func() { _ = client.Close() })
	return conn
}

// servePipes serves the handler on virtual time until the test ends.
func servePipes(t *testing.T, handler http.Handler) *pipeListener {
	s, err := Listen(t.Context(), ServerConfig{Addr: "127.0.0.1:0", Handler: handler, SelfSigned: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.NoError(t, s.listener.Close())
	l := newPipeListener()
	s.listener = l
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		_, _ = <-served, s.Close() // connections that are left hanging are broken off
	})
	return l
}

// Whoever is slow is cut off: at which point in the request decides when, and
// whether there is an answer.
func TestSlowSenders(t *testing.T) {
	t.Parallel()
	const head = "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer example-token\r\n"
	for _, test := range []struct {
		name  string
		sent  string
		drip  string // sent every second from then on
		after time.Duration
		want  string // the status line
	}{
		{"says nothing", "", "", 10 * time.Second, ""},
		{"header without end", "POST / HTTP/1.1\r\n", "X: y\r\n", 10 * time.Second, ""},
		{"body that does not come", head + "Content-Length: 1000\r\n\r\n", "", 30 * time.Second, "HTTP/1.1 408 Request Timeout"},
		{"body in drops", head + "Content-Length: 1000\r\n\r\n", "x", 30 * time.Second, "HTTP/1.1 408 Request Timeout"},
		{"body in chunks without end", head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 30 * time.Second, "HTTP/1.1 408 Request Timeout"},
		{"gzip in drops", head + "Content-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", "\x00", 30 * time.Second, "HTTP/1.1 "},
		{"body of nobody that is authorized", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "x", time.Second, "HTTP/1.1 401 Unauthorized"},
		{"idle after a request", head + "Content-Length: 14\r\n\r\nCEF:0|||||||0|", "", 2 * time.Minute, "HTTP/1.1 200 OK"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, err := New(Config{
					Senders:  []Sender{{Authorizations: []webhook.Secret{webhook.NewSecret("Bearer example-token")}}},
					HandOver: func(context.Context, Batch) error { return nil },
				})
				require.NoError(t, err)
				conn := servePipes(t, h).dial(t)
				start := time.Now()
				stop := make(chan struct{})
				defer close(stop)
				go func() {
					if _, err := io.WriteString(conn, test.sent); err != nil || test.drip == "" {
						return
					}
					drops := time.NewTicker(time.Second)
					defer drops.Stop()
					for {
						select {
						case <-drops.C:
						case <-stop:
							return
						}
						if _, err := io.WriteString(conn, test.drip); err != nil {
							return
						}
					}
				}()
				answer, _ := io.ReadAll(conn)
				line, _, _ := strings.Cut(string(answer), "\r\n")
				require.Contains(t, line, test.want)
				require.GreaterOrEqual(t, time.Since(start), test.after)
				require.LessOrEqual(t, time.Since(start), test.after+2*time.Second)
			})
		})
	}
}

// The deadline for the body does not strike while the batch is handed over, and
// not in the next request either.
func TestDeadlineOfTheBodyEndsWithIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var ended error
		h, err := New(Config{
			Senders: []Sender{{Authorizations: []webhook.Secret{webhook.NewSecret("Bearer example-token")}}},
			Limits:  Limits{HandOverTime: time.Minute},
			HandOver: func(ctx context.Context, _ Batch) error {
				timer := time.NewTimer(50 * time.Second)
				select {
				case <-timer.C:
				case <-ctx.Done():
					ended = context.Cause(ctx)
				}
				return nil
			},
		})
		require.NoError(t, err)
		gone := false
		watch := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h.ServeHTTP(w, r)
			gone = gone || r.Context().Err() != nil
		})
		conn := servePipes(t, watch).dial(t)
		answers := bufio.NewReader(conn)
		for n := range 3 {
			_, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer example-token\r\nContent-Length: 15\r\n\r\nCEF:0||||||%d|0|", n)
			require.NoError(t, err)
			answer, err := http.ReadResponse(answers, nil)
			require.NoError(t, err)
			require.Equal(t, 200, answer.StatusCode)
			require.NoError(t, answer.Body.Close())
		}
		require.NoError(t, ended)
		require.False(t, gone)
	})
}

// A certificate is read again when its files change, and stays while they are no
// good.
func TestCertificateChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
		changed := time.Now()
		write := func(name, kind string, der []byte) {
			data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
			require.NoError(t, os.WriteFile(name, data, 0o600))
			changed = changed.Add(time.Hour) // whatever the clock of the disk
			require.NoError(t, os.Chtimes(name, changed, changed))
		}
		create := func() (tls.Certificate, []byte) {
			certificate, _, err := NewCertificate("example.com")
			require.NoError(t, err)
			key, err := x509.MarshalECPrivateKey(certificate.PrivateKey.(*ecdsa.PrivateKey))
			require.NoError(t, err)
			return certificate, key
		}
		first, firstKey := create()
		second, secondKey := create()
		write(certFile, "CERTIFICATE", first.Certificate[0])
		write(keyFile, "EC PRIVATE KEY", firstKey)
		var logged bytes.Buffer
		c, err := openCertificate(certFile, keyFile, slog.New(slog.NewTextHandler(&logged, nil)))
		require.NoError(t, err)
		served := func() []byte {
			got, err := c.get(nil)
			require.NoError(t, err)
			return got.Certificate[0]
		}
		require.Equal(t, first.Certificate[0], served())

		write(certFile, "CERTIFICATE", second.Certificate[0])
		require.Equal(t, first.Certificate[0], served(), "it was looked at a moment ago")
		pass := func() { <-time.NewTimer(checkInterval).C }
		pass()
		require.Equal(t, first.Certificate[0], served(), "the key does not belong to it yet")
		require.Contains(t, logged.String(), "cannot read the changed certificate")
		write(keyFile, "EC PRIVATE KEY", secondKey)
		pass()
		require.Equal(t, second.Certificate[0], served())
		logged.Reset()
		pass()
		require.Equal(t, second.Certificate[0], served())
		require.Empty(t, logged.String())

		require.NoError(t, os.Remove(keyFile))
		pass()
		require.Equal(t, second.Certificate[0], served(), "it stays while a file is gone")
		require.Contains(t, logged.String(), "cannot read the changed certificate")
	})
}

// What wraps a ResponseWriter does not hide it.
func TestInnermost(t *testing.T) {
	t.Parallel()
	server := httptest.NewRecorder()
	require.Same(t, server, innermost(server))
	require.Same(t, server, innermost(wrapper{wrapper{server}}))
}

type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }
