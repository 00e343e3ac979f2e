package delivery_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// proxy is a CONNECT proxy that takes every target to one receiver.
type proxy struct {
	*httptest.Server
	connects      atomic.Int32
	target        atomic.Value // of the last CONNECT
	authorization atomic.Value
	certificates  atomic.Int32 // that the client has shown
}

func newProxy(t *testing.T, to *receiver) *proxy {
	p := newUnstartedProxy(to)
	p.Start()
	t.Cleanup(p.Close)
	return p
}

func newUnstartedProxy(to *receiver) *proxy {
	p := &proxy{}
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.connects.Add(1)
		if r.TLS != nil {
			p.certificates.Add(int32(len(r.TLS.PeerCertificates)))
		}
		p.target.Store(r.Host)
		p.authorization.Store(r.Header.Get("Proxy-Authorization"))
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		upstream, err := new(net.Dialer).DialContext(r.Context(), "tcp", to.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = upstream.Close() }()
		client, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = client.Close() }()
		_, _ = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { // ends when the receiver closes
			_, _ = io.Copy(client, upstream)
			_ = client.Close()
		}()
		_, _ = io.Copy(upstream, client)
	}))
	return p
}

func (p *proxy) url(t *testing.T) *url.URL {
	u, err := url.Parse(p.URL)
	require.NoError(t, err)
	return u
}

// With a proxy the target's own address is checked, and the proxy's is not.
func TestProxy(t *testing.T) {
	t.Parallel()

	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	tests := []struct {
		name  string
		guard *delivery.Guard
		host  string
		rule  string // empty: delivered
	}{
		{"no guard", nil, "127.0.0.1", ""},
		{"no guard, a name unknown here", nil, "example.com", ""},
		{"guard, a public target", &delivery.Guard{}, "93.184.216.34", ""},
		{"guard, a private target", &delivery.Guard{}, "127.0.0.1", "loopback"},
		{"guard, a name of a private target", &delivery.Guard{}, "localhost", "loopback"},
		{"guard, allowed", &delivery.Guard{Allow: loopback}, "127.0.0.1", ""},
		{"guard, another port", &delivery.Guard{Allow: loopback, Ports: []uint16{8088}}, "127.0.0.1", "port"},
		{"guard, a port of its own", &delivery.Guard{Ports: []uint16{8088}}, "93.184.216.34:8088", ""},
		{"guard, the default port", &delivery.Guard{Ports: []uint16{443}}, "93.184.216.34", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, status(200))
			p := newProxy(t, receiver)
			cfg := receiver.config()
			cfg.Endpoint = "https://" + tt.host + path
			cfg.InsecureSkipVerify = tt.host != "127.0.0.1" // the certificate has other names
			cfg.Guard = tt.guard
			cfg.Proxy = p.url(t)
			cfg.Proxy.User = url.UserPassword("user", "t0k-proxy")
			deliverer := newDeliverer(t, cfg)
			cfg.Proxy.Host = "127.0.0.1:1" // New has made a copy
			result, err := deliverer.Deliver(t.Context(), batch)
			if tt.rule == "" {
				require.NoError(t, err)
				require.Contains(t, []string{tt.host, tt.host + ":443"}, p.target.Load())
				require.Equal(t, "Basic dXNlcjp0MGstcHJveHk=", p.authorization.Load())
				require.Empty(t, receiver.received()[0].header["Proxy-Authorization"])
				return
			}
			requireGuarded(t, err, tt.rule)
			require.Len(t, result.Attempts, 1)
			require.Zero(t, p.connects.Load())
		})
	}
}

// An https proxy is spoken to in HTTP/1.1, also where it would speak HTTP/2, and
// gets nothing of what is for the endpoint.
func TestProxyOverTLS(t *testing.T) {
	t.Parallel()

	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			t.Parallel()
			receiver := newUnstarted(status(200))
			receiver.EnableHTTP2 = true
			receiver.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
			receiver.start(t)
			p := newUnstartedProxy(receiver)
			p.EnableHTTP2 = http2
			p.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
			p.Config.ErrorLog = log.New(io.Discard, "", 0)
			p.StartTLS()
			t.Cleanup(p.Close)

			cfg := receiver.config()
			cfg.Clock = newFakeClock()
			cfg.Certificates = []tls.Certificate{newCertificate(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))}
			cfg.Proxy = p.url(t)
			cfg.Proxy.User = url.UserPassword("user", "t0k-proxy")
			_, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
			require.NoError(t, err)
			require.EqualValues(t, 1, p.connects.Load())
			require.Equal(t, "Basic dXNlcjp0MGstcHJveHk=", p.authorization.Load())
			require.Zero(t, p.certificates.Load())
			require.Equal(t, "HTTP/2.0", receiver.received()[0].proto)

			cfg.RootCAs = nil
			cfg.InsecureSkipVerify = true // the endpoint's certificate
			_, err = newDeliverer(t, cfg).Deliver(t.Context(), batch)
			failure(t, err, delivery.ReasonConnection)
			_, ok := errors.AsType[x509.UnknownAuthorityError](err)
			require.True(t, ok, "%v", err)
			require.EqualValues(t, 1, p.connects.Load())
		})
	}
}

func TestProxyThatWantsACertificate(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(200))
	p := newUnstartedProxy(receiver)
	p.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	cfg := receiver.config()
	cfg.Proxy = p.url(t)
	_, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonConnection)
	require.ErrorContains(t, err, "proxyconnect: remote error: tls: ")
}

func TestProxyOverTLSByDefaultPort(t *testing.T) {
	t.Parallel()

	for proxy, want := range map[string]string{
		"https://proxy.example":      "proxy.example:443",
		"https://proxy.example:8443": "proxy.example:8443",
		"https://[2001:db8::1]":      "[2001:db8::1]:443",
		"http://proxy.example":       "proxy.example:80",
	} {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(proxy)
			require.NoError(t, err)
			var dialled string
			cfg := delivery.Config{Endpoint: "https://siem.example", Proxy: u, Clock: newFakeClock()}
			cfg.DialContext = func(_ context.Context, _, address string) (net.Conn, error) {
				dialled = address
				return nil, x509.HostnameError{Certificate: new(x509.Certificate)} // final
			}
			_, err = newDeliverer(t, cfg).Deliver(t.Context(), batch)
			failure(t, err, delivery.ReasonConnection)
			require.Equal(t, want, dialled)
		})
	}
}

// What cannot be resolved cannot be checked.
func TestGuardedProxyNeedsTheName(t *testing.T) {
	t.Parallel()

	p := newProxy(t, newReceiver(t, status(200)))
	cfg := delivery.Config{Endpoint: "https://no-such-host.invalid/", Guard: &delivery.Guard{}, Proxy: p.url(t), Clock: newFakeClock()}
	_, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonExhausted)
	_, ok := errors.AsType[*net.DNSError](err)
	require.True(t, ok, "%v", err)
	require.Zero(t, p.connects.Load())
}

// The text of a proxy's refusal is the proxy's, and may echo its password.
func TestProxyThatRefuses(t *testing.T) {
	t.Parallel()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 407 %s is not t0k-proxy\r\n\r\n", r.Header.Get("Proxy-Authorization"))
			_ = conn.Close()
		}
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })

	cfg := delivery.Config{
		Endpoint: "https://siem.example" + path,
		Proxy:    &url.URL{Scheme: "http", Host: listener.Addr().String(), User: url.UserPassword("user", "t0k-proxy")},
		Clock:    newFakeClock(),
	}
	_, err = newDeliverer(t, cfg).Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonExhausted)
	require.ErrorContains(t, err, "[redacted] is not [redacted]")
}

// The environment is read once in a process, so that it is set for another one:
// this test, run again.
func TestProxyFromEnvironment(t *testing.T) {
	t.Parallel()

	if mode := os.Getenv("DELIVERY_TEST_MODE"); mode != "" {
		cfg := delivery.Config{Endpoint: "https://siem.example/", InsecureSkipVerify: true, Clock: newFakeClock()}
		cfg.ProxyFromEnvironment = mode != "off"
		if mode == "guard" {
			cfg.Guard = &delivery.Guard{}
			cfg.Endpoint = "https://no-such-host.invalid/"
		}
		if mode == "off" {
			cfg.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialled itself") }
		}
		d, err := delivery.New(cfg)
		if err == nil {
			_, err = d.Deliver(t.Context(), batch)
			d.Close()
		}
		fmt.Printf("<%v>\n", err)
		return
	}

	tests := []struct {
		mode, want string
		connects   int32
	}{
		{"on", "<nil>", 1},
		{"off", "dialled itself>", 0},
		{"guard", "no-such-host.invalid", 0},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, newReceiver(t, status(200)))
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxyFromEnvironment$")
			cmd.Env = append(os.Environ(), "DELIVERY_TEST_MODE="+tt.mode, "HTTPS_PROXY="+p.URL, "NO_PROXY=")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Contains(t, string(out), tt.want)
			require.Equal(t, tt.connects, p.connects.Load())
		})
	}
}
