package delivery

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"time"
)

const (
	// maxResponseHeader is in bytes. It is generous, since with a header that is
	// too large the status is lost as well.
	maxResponseHeader = 1 << 20

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
		DialContext: newDialer(cfg, endpoint, proxy),
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
		t.Proxy = http.ProxyURL(withoutTLS(proxy))
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
