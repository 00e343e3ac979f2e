package receiver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
)

// running is a server that is stopped with the test.
type running struct {
	*receiver.Server
	stop func() error // ends Serve and returns its error
}

func start(t testing.TB, cfg receiver.ServerConfig) running {
	cfg.Addr = "127.0.0.1:0"
	cfg.SelfSigned = cfg.CertFile == ""
	if cfg.Logger == nil {
		cfg.Logger = discardLogs()
	}
	s, err := receiver.Listen(t.Context(), cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	stopped := false
	stop := func() error {
		cancel()
		stopped = true
		return <-served
	}
	t.Cleanup(func() {
		if !stopped {
			require.NoError(t, stop())
		}
	})
	return running{s, stop}
}

// newClient returns a client that trusts the authority, given in PEM.
func newClient(t testing.TB, authority []byte) *http.Client {
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(authority))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// send posts a body and returns status and protocol of the answer.
func send(t testing.TB, client *http.Client, url, body string, header ...string) (status int, proto string) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", authorization)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	return response.StatusCode, response.Proto
}

func TestServer(t *testing.T) {
	t.Parallel()
	h, taken, _ := setup(t, receiver.Config{})
	s := start(t, receiver.ServerConfig{Handler: h})
	require.Regexp(t, `^https://127\.0\.0\.1:\d+$`, s.URL())
	client := newClient(t, s.Authority())
	status, proto := send(t, client, s.URL()+"/audit-logs", zip(t, threeForm), "Content-Encoding", "gzip")
	require.Equal(t, 200, status)
	require.Equal(t, "HTTP/1.1", proto, "whatever the client would rather speak")
	require.Len(t, taken.lines(), 3)
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, taken.taken()[0].Remote)
	require.NoError(t, s.stop())
	_, err := client.Get(s.URL()) //nolint:noctx // nothing is there any more
	require.Error(t, err)
}

// Requests under way end before the server does, unless they take too long.
func TestServerStops(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		stopTime time.Duration
		finished bool
	}{
		{"in time", time.Minute, true},
		{"too late", time.Millisecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			called, proceed := make(chan struct{}), make(chan struct{})
			h, _, _ := setup(t, receiver.Config{HandOver: func(context.Context, receiver.Batch) error {
				close(called)
				<-proceed
				return nil
			}})
			s := start(t, receiver.ServerConfig{Handler: h, StopTime: test.stopTime})
			client := newClient(t, s.Authority())
			answered := make(chan error, 1)
			go func() {
				r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL(), strings.NewReader(cefLine))
				if err == nil {
					r.Header.Set("Authorization", authorization)
					var response *http.Response
					if response, err = client.Do(r); err == nil {
						err = response.Body.Close()
					}
				}
				answered <- err
			}()
			<-called
			stopped := make(chan error, 1)
			go func() { stopped <- s.stop() }()
			if !test.finished {
				require.ErrorIs(t, <-stopped, context.DeadlineExceeded)
				require.Error(t, <-answered)
				close(proceed)
				return
			}
			waitClosed(t, s.URL())
			close(proceed)
			require.NoError(t, <-answered)
			require.NoError(t, <-stopped)
		})
	}
}

// waitClosed waits until nobody listens any more.
func waitClosed(t testing.TB, url string) {
	address := strings.TrimPrefix(url, "https://")
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, 10*time.Second, time.Millisecond)
}

// writeCertificate makes a certificate and writes it into two files.
func writeCertificate(t testing.TB, certFile, keyFile string) (authority []byte) {
	certificate, authority, err := receiver.NewCertificate("127.0.0.1", "example.com")
	require.NoError(t, err)
	key, err := x509.MarshalECPrivateKey(certificate.PrivateKey.(*ecdsa.PrivateKey))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}), 0o600))
	return authority
}

func TestServerGivenCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	authority := writeCertificate(t, certFile, keyFile)
	h, _, _ := setup(t, receiver.Config{})
	s := start(t, receiver.ServerConfig{Handler: h, CertFile: certFile, KeyFile: keyFile})
	require.Nil(t, s.Authority())
	status, _ := send(t, newClient(t, authority), s.URL(), cefLine)
	require.Equal(t, 200, status)
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, other := filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "other")
	writeCertificate(t, cert, key)
	require.NoError(t, os.WriteFile(other, []byte("rubbish"), 0o600))
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	const both = "receiver: ServerConfig: set both of CertFile and KeyFile, or SelfSigned"
	h := http.NotFoundHandler()
	for _, test := range []struct {
		name string
		cfg  receiver.ServerConfig
		want string
	}{
		{"no handler", receiver.ServerConfig{SelfSigned: true}, "receiver: ServerConfig.Handler: is not set"},
		{"a negative time", receiver.ServerConfig{Handler: h, SelfSigned: true, StopTime: -1}, "receiver: ServerConfig.StopTime: is negative"},
		{"no certificate", receiver.ServerConfig{Handler: h}, both},
		{"no key", receiver.ServerConfig{Handler: h, CertFile: cert}, both},
		{"no key, self-signed", receiver.ServerConfig{Handler: h, CertFile: cert, SelfSigned: true}, both},
		{"a certificate, self-signed", receiver.ServerConfig{Handler: h, CertFile: cert, KeyFile: key, SelfSigned: true}, both},
		{"no such file", receiver.ServerConfig{Handler: h, CertFile: cert + "x", KeyFile: key}, "receiver: ServerConfig.CertFile, KeyFile: "},
		{"not a certificate", receiver.ServerConfig{Handler: h, CertFile: other, KeyFile: key}, "receiver: ServerConfig.CertFile, KeyFile: "},
		{"no address", receiver.ServerConfig{Handler: h, SelfSigned: true, Addr: "rubbish"}, "receiver: listen tcp: "},
		{"an address that is taken", receiver.ServerConfig{Handler: h, SelfSigned: true, Addr: taken.Addr().String()}, "receiver: listen tcp "},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if test.cfg.Addr == "" {
				test.cfg.Addr = "127.0.0.1:0"
			}
			_, err := receiver.Listen(t.Context(), test.cfg)
			require.ErrorContains(t, err, test.want)
		})
	}
}

// A server that was never served, or whose port is gone.
func TestServerClose(t *testing.T) {
	t.Parallel()
	cfg := receiver.ServerConfig{Addr: "127.0.0.1:0", Handler: http.NotFoundHandler(), SelfSigned: true}
	s, err := receiver.Listen(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorContains(t, s.Serve(t.Context()), "receiver: ")

	cfg.Addr = ":0"
	s, err = receiver.Listen(t.Context(), cfg)
	require.NoError(t, err)
	require.Regexp(t, `^https://localhost:\d+$`, s.URL())
	require.NoError(t, s.Close())
}

func TestNewCertificate(t *testing.T) {
	t.Parallel()
	certificate, authority, err := receiver.NewCertificate("example.com", "192.0.2.1")
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(authority))
	for host, valid := range map[string]bool{"example.com": true, "192.0.2.1": true, "www.example.com": false} {
		_, err := leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots})
		require.Equal(t, valid, err == nil, "%s: %v", host, err)
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: "example.com", Roots: x509.NewCertPool()})
	require.Error(t, err)
}
