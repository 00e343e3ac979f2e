package interop_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const authorization = "Bearer example-token"

// collector is the HTTP layer of the OpenTelemetry Collector, with a handler that
// keeps the bodies.
type collector struct {
	url   string
	roots *x509.CertPool

	mu     sync.Mutex
	bodies []string
}

func newCollector(t *testing.T) *collector {
	certificate, authority, err := receiver.NewCertificate("127.0.0.1")
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, certificate)

	c := &collector{roots: x509.NewCertPool()}
	require.True(t, c.roots.AppendCertsFromPEM(authority))
	cfg := confighttp.NewDefaultServerConfig()
	cfg.NetAddr.Endpoint = "127.0.0.1:0"
	cfg.TLS = configoptional.Some(configtls.ServerConfig{Config: configtls.Config{CertFile: certFile, KeyFile: keyFile}})
	listener, err := cfg.ToListener(t.Context())
	require.NoError(t, err)
	server, err := cfg.ToServer(t.Context(), nil, componenttest.NewNopTelemetrySettings(), http.HandlerFunc(c.take))
	require.NoError(t, err)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // until it is closed
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	c.url = "https://" + listener.Addr().String() + "/"
	return c
}

func (c *collector) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Authorization") != authorization {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies = append(c.bodies, string(body))
}

// What a Deliverer sends, plain and compressed, arrives line by line.
func TestIntoCollector(t *testing.T) {
	t.Parallel()
	for _, encoding := range []delivery.Encoding{delivery.EncodingNone, delivery.EncodingGzip} {
		t.Run(string(encoding), func(t *testing.T) {
			t.Parallel()
			c := newCollector(t)
			d, err := delivery.New(delivery.Config{
				Endpoint: c.url, Authorization: webhook.NewSecret(authorization), Encoding: encoding, RootCAs: c.roots,
			})
			require.NoError(t, err)
			defer d.Close()
			var want []string
			for _, format := range []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS} {
				var lines []string
				for _, e := range konnecttest.Events(1, 500, time.Unix(1_750_000_000, 0)) {
					line, err := format.Append(nil, &e)
					require.NoError(t, err)
					lines = append(lines, string(line))
				}
				want = append(want, strings.Join(lines, "\n"))
				result, err := d.Deliver(t.Context(), delivery.Batch{Body: []byte(want[len(want)-1])})
				require.NoError(t, err)
				require.Equal(t, 500, result.Events)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			require.Equal(t, want, c.bodies)
		})
	}
}

// The name that Konnect's documentation gives gzip is one that the Collector
// does not know.
func TestDocumentedEncodingIsRefused(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	d, err := delivery.New(delivery.Config{
		Endpoint: c.url, Authorization: webhook.NewSecret(authorization), Encoding: delivery.EncodingApplicationGzip, RootCAs: c.roots,
	})
	require.NoError(t, err)
	defer d.Close()
	result, err := d.Deliver(t.Context(), delivery.Batch{Body: []byte("CEF:0|a|b|c|d|e|1|")})
	require.Error(t, err)
	require.Equal(t, http.StatusBadRequest, result.LastStatus())
}

func writeFile(t *testing.T, dir, name string, content []byte) string {
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}
