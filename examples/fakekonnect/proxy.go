package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// proxy answers CONNECT for Konnect's hosts itself, and for no others: it is no
// way into the network.
type proxy struct {
	behind *http.Server
	conns  chan net.Conn
	done   chan struct{}
	close  func()
}

func newProxy(certificate tls.Certificate, handler http.Handler) *proxy {
	p := &proxy{conns: make(chan net.Conn), done: make(chan struct{})}
	p.close = sync.OnceFunc(func() { close(p.done) })
	p.behind = &http.Server{
		Handler:           handler,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: time.Minute,
	}
	return p
}

// serve serves the connections that were made through the proxy.
func (p *proxy) serve() error { return p.behind.ServeTLS(p, "", "") }

// ServeHTTP implements [http.Handler].
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, port, err := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || err != nil || port != "443" || !strings.HasSuffix(host, ".api.konghq.com") {
		http.Error(w, "this proxy is for https://*.api.konghq.com only", http.StatusForbidden)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "not over HTTP/2", http.StatusInternalServerError)
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	select {
	case p.conns <- &tunnel{conn, buffered.Reader}:
	case <-p.done:
		_ = conn.Close()
	}
}

// tunnel reads first what came together with the CONNECT.
type tunnel struct {
	net.Conn
	reader interface{ Read(p []byte) (int, error) }
}

func (t *tunnel) Read(p []byte) (int, error) { return t.reader.Read(p) }

// Accept implements [net.Listener].
func (p *proxy) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (p *proxy) Close() error {
	p.close()
	return nil
}

// Addr implements [net.Listener].
func (p *proxy) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }
