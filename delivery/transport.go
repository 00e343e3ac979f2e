package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

const (
	// maxResponseHeader is in bytes. There is nothing in an answer's header
	// that a delivery needs but Retry-After.
	maxResponseHeader = 64 << 10

	maxIdleConns    = 16
	idleConnTimeout = 90 * time.Second

	// net/http dials apart from the context of the request, since the next
	// request may use the connection, so that dials need a timeout of their
	// own. It is longer than that of an attempt, which has something to say.
	dialGrace = time.Second

	// An HTTP/2 connection that died in silence would otherwise take every
	// attempt to its timeout: after so long without a frame it is pinged, and
	// closed when there is no answer, within the time of one attempt.
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

// newTransport returns a transport for deliveries to endpoint alone. proxy is
// nil for none.
func newTransport(cfg *Config, endpoint, proxy *url.URL) *http.Transport {
	t := &http.Transport{
		DialContext: newDialer(cfg, endpoint, proxy != nil),
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			RootCAs:            cfg.RootCAs,
			Certificates:       cfg.Certificates,
			InsecureSkipVerify: cfg.InsecureSkipVerify, //nolint:gosec // the option's doc warns
		},
		TLSHandshakeTimeout:    cfg.AttemptTimeout + dialGrace,
		ForceAttemptHTTP2:      true, // net/http gives it up where TLS or dialling is custom
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		DisableCompression:     true, // a small answer may unpack to a huge one
		MaxResponseHeaderBytes: maxResponseHeader,
		MaxIdleConnsPerHost:    maxIdleConns,
		IdleConnTimeout:        idleConnTimeout,
	}
	if proxy != nil {
		t.Proxy = http.ProxyURL(proxy)
	}
	return t
}

// findProxy returns the proxy that deliveries to endpoint go through, nil for
// none.
func findProxy(cfg *Config, endpoint *url.URL) (*url.URL, error) {
	if cfg.Proxy != nil || cfg.Guard != nil || !cfg.ProxyFromEnvironment {
		return cfg.Proxy, nil
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: endpoint})
	if err != nil { // not err: it might quote the variable, which may hold a password
		return nil, errors.New("delivery: ProxyFromEnvironment: the proxy in the environment cannot be used")
	}
	return proxy, nil
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// newDialer returns the function that dials the endpoint or the proxy, with the
// guard in it.
func newDialer(cfg *Config, endpoint *url.URL, viaProxy bool) dialFunc {
	timeout := cfg.AttemptTimeout + dialGrace
	if cfg.DialContext != nil {
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return cfg.DialContext(ctx, network, address)
		}
	}
	dialer := &net.Dialer{Timeout: timeout}
	switch {
	case cfg.Guard == nil:
		return dialer.DialContext
	case viaProxy:
		return func(ctx context.Context, network, address string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			if err := cfg.Guard.checkHost(ctx, endpoint); err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, address)
		}
	}
	dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		addr, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("dial guard: %w", err)
		}
		return cfg.Guard.Check(addr)
	}
	return dialer.DialContext
}

// checkHost resolves the host of endpoint and checks every address it has, for
// it is not known which one a proxy will take.
func (g *Guard) checkHost(ctx context.Context, endpoint *url.URL) error {
	port := uint64(443)
	if p := endpoint.Port(); p != "" {
		port, _ = strconv.ParseUint(p, 10, 16) // checkEndpoint has
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", endpoint.Hostname())
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		if err := g.Check(netip.AddrPortFrom(addr, uint16(port))); err != nil {
			return err
		}
	}
	return nil
}
