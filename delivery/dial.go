package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
)

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// newDialer returns the function that dials the endpoint or the proxy, with the
// guard in it, and TLS with an https proxy.
func newDialer(cfg *Config, endpoint, proxy *url.URL) dialFunc {
	dial := newPlainDialer(cfg, endpoint, proxy != nil)
	if proxy == nil || proxy.Scheme != "https" {
		return dial
	}
	return overTLS(dial, cfg, proxy)
}

// newPlainDialer returns newDialer's function without the TLS.
func newPlainDialer(cfg *Config, endpoint *url.URL, viaProxy bool) dialFunc {
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
	return cfg.Guard.dialBy(dialer)
}

// errPartlyRefused stands in for the refusal of an address when another one was
// allowed.
var errPartlyRefused = errors.New("dial: no address that the dial guard allows could be connected to")

// dialBy returns the function that dials by d, which has no control function,
// those addresses that the guard allows. It fails with a [*GuardError] only
// where it allows none.
func (g *Guard) dialBy(d *net.Dialer) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var allowed atomic.Bool
		dialer := *d
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			addr, err := netip.ParseAddrPort(address)
			if err != nil {
				return fmt.Errorf("dial guard: %w", err)
			}
			if err := g.Check(addr); err != nil {
				return err
			}
			allowed.Store(true)
			return nil
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil && allowed.Load() && is[*GuardError](err) {
			return nil, errPartlyRefused // of the errors of several addresses a Dialer gives the first
		}
		return conn, err
	}
}

// overTLS returns dial with the TLS handshake with an https proxy. net/http would
// use for it what is meant for the endpoint: the client certificates,
// InsecureSkipVerify, which would give away the proxy's password, and the offer
// of HTTP/2, which it then cannot speak with a proxy.
func overTLS(dial dialFunc, cfg *Config, proxy *url.URL) dialFunc {
	tlsConfig := &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    cfg.RootCAs,
		ServerName: proxy.Hostname(),
		NextProtos: []string{"http/1.1"},
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, cfg.AttemptTimeout+dialGrace)
		defer cancel()
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, tlsConfig)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		return conn, nil
	}
}

// withoutTLS returns the URL of the proxy as net/http is to see it, when the
// dialler does the TLS.
func withoutTLS(proxy *url.URL) *url.URL {
	if proxy.Scheme != "https" {
		return proxy
	}
	plain := *proxy
	plain.Scheme = "http"
	if proxy.Port() == "" {
		plain.Host = net.JoinHostPort(proxy.Hostname(), "443")
	}
	return &plain
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
