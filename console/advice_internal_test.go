package console

import (
	"context"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

func TestAdviceOnAnswers(t *testing.T) {
	t.Parallel()
	for code, text := range map[int]string{
		302: "redirects", 400: "could not read", 401: "authorization", 403: "authorization", 404: "path", 405: "path", 410: "path",
		413: "smaller", 415: "gzip", 418: "refused", 422: "could not read", 429: "limiting", 500: "problem of its own", 503: "problem of its own",
	} {
		require.Contains(t, advice(code, &delivery.Error{}), text, code)
	}
	require.Contains(t, advice(200, nil), "AUDIT_LOG_TEST")
}

// TestAdviceWithoutAnswer makes real deliveries fail.
func TestAdviceWithoutAnswer(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	refused := "https://" + closed.Addr().String()
	require.NoError(t, closed.Close())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	pool := x509.NewCertPool()
	pool.AddCert(secure.Certificate())
	hanging := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees the client go
		<-r.Context().Done()
	}))
	hanging.Config.ErrorLog = log.New(io.Discard, "", 0)
	hanging.StartTLS()
	t.Cleanup(hanging.Close)
	to := func(s *httptest.Server) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
		}
	}
	tests := []struct {
		name string
		cfg  delivery.Config
		text string
	}{
		{"nothing listens", delivery.Config{Endpoint: refused}, "Nothing listens there."},
		{"no such name", delivery.Config{Endpoint: "https://x.example.com", DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true, Name: "x"}}
		}}, "no host of this name"},
		{"no names now", delivery.Config{Endpoint: "https://x.example.com", DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{IsTemporary: true, Name: "x"}
		}}, "could not be looked up now"},
		{"a private address", delivery.Config{Endpoint: refused, Guard: &delivery.Guard{}}, "not on the public internet"},
		{"plain HTTP", delivery.Config{Endpoint: strings.Replace(plain.URL, "http:", "https:", 1)}, "does not speak HTTPS"},
		{"an unknown authority", delivery.Config{Endpoint: secure.URL}, "not from an authority that is trusted"},
		{"another name", delivery.Config{Endpoint: "https://other.test", RootCAs: pool, DialContext: to(secure)}, "for another name"},
		{"no answer in time", delivery.Config{Endpoint: hanging.URL, InsecureSkipVerify: true, Timeout: 200 * time.Millisecond}, "no answer in time"},
		{"a broken connection", delivery.Config{Endpoint: "https://x.example.com", DialContext: func(context.Context, string, string) (net.Conn, error) {
			a, b := net.Pipe()
			return a, b.Close()
		}}, "There was no answer. Check the endpoint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.cfg.Clock = impatient{}
			d, err := delivery.New(tt.cfg)
			require.NoError(t, err)
			t.Cleanup(d.Close)
			result, err := d.Deliver(t.Context(), delivery.Batch{Body: []byte("line")})
			var failed *delivery.Error
			require.ErrorAs(t, err, &failed)
			require.Contains(t, advice(result.LastStatus(), failed), tt.text, "%v", err)
		})
	}
}

// impatient is a clock that does not wait.
type impatient struct{}

func (impatient) Now() time.Time { return time.Now() }

func (impatient) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }
