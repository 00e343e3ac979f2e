package delivery_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// newRawServer serves each TLS connection with serve, and closes it then.
func newRawServer(t *testing.T, serve func(conn *tls.Conn, request *http.Request)) *receiver {
	r := newReceiver(t, status(200)) // for its certificate and CA
	listener, err := tls.Listen("tcp", "127.0.0.1:0", r.TLS)
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				_, _ = io.Copy(io.Discard, request.Body)
				serve(conn.(*tls.Conn), request)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	r.URL = "https://" + listener.Addr().String()
	return r
}

// reset closes the connection so that the peer sees it reset.
func reset(conn net.Conn) {
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// Whatever fails before the end of the answer's header is a connection error, and retried.
func TestConnectionErrorsAreRetried(t *testing.T) {
	t.Parallel()

	raw := func(answer string) func(t *testing.T) delivery.Config {
		return func(t *testing.T) delivery.Config {
			return newRawServer(t, func(conn *tls.Conn, r *http.Request) {
				value := r.Header.Get("Authorization")
				echo := strings.NewReplacer("{authorization}", value, "{token}", strings.TrimPrefix(value, "Bearer "))
				_, _ = echo.WriteString(conn, answer)
			}).config()
		}
	}
	failingDialer := func(err error) func(t *testing.T) delivery.Config {
		return func(*testing.T) delivery.Config {
			return delivery.Config{
				Endpoint:    "https://siem.example" + path + query,
				DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err },
			}
		}
	}
	tests := []struct {
		name   string
		config func(t *testing.T) delivery.Config
		cause  error // nil where there is none to find
		text   string
	}{
		{"refused", func(t *testing.T) delivery.Config {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			require.NoError(t, listener.Close())
			return delivery.Config{Endpoint: "https://" + listener.Addr().String() + path + query}
		}, syscall.ECONNREFUSED, "connection refused"},
		{"reset before the request", func(t *testing.T) delivery.Config {
			r := newUnstarted(status(200))
			r.Listener = &resettingListener{r.Listener}
			r.start(t)
			return r.config()
		}, syscall.ECONNRESET, "connection reset"},
		{"reset after the request was read", func(t *testing.T) delivery.Config {
			return newRawServer(t, func(conn *tls.Conn, _ *http.Request) { reset(conn.NetConn()) }).config()
		}, syscall.ECONNRESET, "connection reset"},
		{"closed after the request was read", raw(""), io.EOF, "EOF"},
		{"closed in the header", raw("HTTP/1.1 200 OK\r\nX: y\r\n"), io.ErrUnexpectedEOF, "unexpected EOF"},
		{"no HTTP, with an echo", raw("220-{token}\r\n"), nil, `malformed HTTP response "220-[redacted]"`},
		{"no status, with an echo", raw("HTTP/1.1 {token} x\r\n"), nil, `malformed HTTP status code "[redacted]"`},
		{"no header, with an echo", raw("HTTP/1.1 200 OK\r\n{authorization}\r\n\r\n"), nil, `[redacted]`},
		{"a header without end", raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20)), nil, "exceeded 1048576 bytes"},
		{"a status below 100", raw("HTTP/1.1 000 Nothing\r\nContent-Length: 0\r\n\r\n"), nil, "the answer has no valid status"},
		{"a length that is none", raw("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n"), nil, "bad Content-Length"},
		{"name not found", failingDialer(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "siem.example"}}), nil, "no such host"},
		{"an error that quotes the token", failingDialer(errors.New("tunnel for /t0k-path-of-the-endpoint?key=t0k-query")), nil, "tunnel for [redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := tt.config(t)
			cfg.Clock = newFakeClock()
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)

			failed := failure(t, err, delivery.ReasonExhausted)
			require.True(t, failed.Retryable)
			require.Equal(t, seconds(1, 2, 4, 8), waits(result))
			require.Zero(t, result.LastStatus())
			for _, a := range result.Attempts {
				require.ErrorContains(t, a.Err, tt.text)
				require.NotContains(t, fmt.Sprintf("%+v %#v", a, a.Err), secretMark)
			}
			if tt.cause != nil {
				require.ErrorIs(t, err, tt.cause)
			}
		})
	}
}

type resettingListener struct{ net.Listener }

func (l *resettingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		reset(conn)
	}
	return conn, err
}

// Certificates, host names and ports without TLS do not heal in seconds.
func TestPermanentConnectionErrors(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		config func(t *testing.T) delivery.Config
		is     func(error) bool
	}{
		{"another name", func(t *testing.T) delivery.Config {
			cfg := newReceiver(t, status(200)).config()
			cfg.Endpoint = strings.Replace(cfg.Endpoint, "127.0.0.1", "localhost", 1)
			return cfg
		}, isType[x509.HostnameError]},
		{"an authority not known", func(t *testing.T) delivery.Config {
			cfg := newReceiver(t, status(200)).config()
			cfg.RootCAs = nil
			return cfg
		}, isType[x509.UnknownAuthorityError]},
		{"expired", func(t *testing.T) delivery.Config {
			certificate := newCertificate(t, time.Unix(0, 0), time.Unix(1, 0))
			r := newUnstarted(status(200))
			r.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
			r.start(t)
			return r.config()
		}, isType[x509.CertificateInvalidError]},
		{"plain HTTP", func(t *testing.T) delivery.Config {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			return delivery.Config{Endpoint: strings.Replace(server.URL, "http:", "https:", 1)}
		}, isType[tls.RecordHeaderError]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			result, err := newDeliverer(t, tt.config(t)).Deliver(t.Context(), batch)
			failed := failure(t, err, delivery.ReasonConnection)
			require.False(t, failed.Retryable)
			require.True(t, tt.is(err), "%v", err)
			require.Len(t, result.Attempts, 1)
			require.Zero(t, result.LastStatus())
		})
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// A large header does not hide the status.
func TestLargeHeader(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Content-Security-Policy", strings.Repeat("x", 1_000_000))
		w.WriteHeader(http.StatusAccepted)
	})
	_, err := newDeliverer(t, receiver.config()).Deliver(t.Context(), batch)
	require.NoError(t, err)
}

// The status alone decides, whatever happens to the rest of the answer.
func TestAnswersThatDoNotEnd(t *testing.T) {
	t.Parallel()

	flush := func(w http.ResponseWriter, code int, body string) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
	}
	answers := []struct {
		name   string
		answer answer
		took   time.Duration // of each attempt
	}{
		{"slow", func(w http.ResponseWriter, r *http.Request, n int) {
			flush(w, []int{503, 202}[n], "half an ")
			hang(w, r, n)
		}, time.Second},
		{"trickling", func(w http.ResponseWriter, r *http.Request, n int) {
			for flush(w, []int{503, 202}[n], "half an "); r.Context().Err() == nil; {
				_ = delivery.SystemClock{}.Sleep(r.Context(), 100*time.Millisecond)
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
			}
		}, time.Second},
		{"huge", func(w http.ResponseWriter, r *http.Request, n int) {
			for flush(w, []int{503, 202}[n], "half an "); r.Context().Err() == nil; {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, 0},
		{"broken off", func(w http.ResponseWriter, _ *http.Request, n int) {
			w.Header().Set("Content-Length", "1000")
			flush(w, []int{503, 202}[n], "half an ")
			panic(http.ErrAbortHandler)
		}, 0},
	}
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				receiver := newPipeReceiver(t, tt.answer)
				result, err := newDeliverer(t, receiver.config()).Deliver(t.Context(), batch)
				require.NoError(t, err)
				require.Len(t, result.Attempts, 2)
				require.Equal(t, 503, result.Attempts[0].Status)
				require.Equal(t, tt.took, result.Attempts[0].Duration)
				require.Equal(t, tt.took, result.Attempts[1].Duration)
				if tt.name != "huge" {
					require.Equal(t, "half an", result.Attempts[0].Snippet)
				} else {
					require.Equal(t, "[binary]", result.Attempts[0].Snippet)
				}
			})
		})
	}
}

// Each attempt has its timeout, wherever it hangs.
func TestAttemptTimeout(t *testing.T) {
	t.Parallel()

	for _, tt := range hangs() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				result, err := newDeliverer(t, tt.config(t)).Deliver(t.Context(), large)
				failure(t, err, delivery.ReasonExhausted)
				require.ErrorIs(t, err, os.ErrDeadlineExceeded)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				require.Len(t, result.Attempts, 5)
				for _, a := range result.Attempts {
					require.Equal(t, delivery.DefaultAttemptTimeout, a.Duration)
					require.EqualError(t, a.Err, "no answer within 20s: i/o timeout")
				}
				require.Equal(t, 5*20*time.Second+15*time.Second, time.Since(start))
			})
		})
	}
}

// large does not fit the buffers between a client and a server.
var large = delivery.Batch{ID: "large", Body: []byte(strings.Repeat("x", 1<<20))}

// hangs are the places where an attempt can hang before there is an answer.
func hangs() []hanging {
	return []hanging{
		{"in the dial", func(*testing.T) delivery.Config {
			return delivery.Config{
				Endpoint: "https://siem.example" + path,
				DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				},
			}
		}},
		{"in the handshake", func(t *testing.T) delivery.Config {
			listener := newPipeListener()
			var conns []net.Conn
			done := make(chan struct{})
			go func() {
				defer close(done)
				for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
					conns = append(conns, conn)
				}
			}()
			t.Cleanup(func() {
				_ = listener.Close()
				<-done
				for _, conn := range conns {
					_ = conn.Close()
				}
			})
			return delivery.Config{Endpoint: "https://siem.example" + path, DialContext: listener.dial}
		}},
		{"in the body of the request", func(t *testing.T) delivery.Config {
			r := newUnstarted(status(200))
			r.usePipes()
			r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack() // and read no further
				if err == nil {
					t.Cleanup(func() { _ = conn.Close() })
				}
			})
			r.start(t)
			cfg := r.config()
			cfg.Encoding = delivery.EncodingNone
			return cfg
		}},
		{"before the answer", func(t *testing.T) delivery.Config { return newPipeReceiver(t, hang).config() }},
	}
}

type hanging struct {
	name   string
	config func(t *testing.T) delivery.Config
}
