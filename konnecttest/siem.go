package konnecttest

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
	"slices"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
)

// SIEMConfig says how a SIEM is set up. The zero SIEMConfig takes everything
// that anybody sends.
type SIEMConfig struct {
	// Authorization is the value that the Authorization header must have; a
	// request with another one gets 401 and takes no step. Empty: any.
	Authorization string

	// Hosts are names that the certificate is for as well, beside localhost
	// and the loopback addresses. See [SIEM.DialContext].
	Hosts []string

	// DisableHTTP2 leaves HTTP/1.1 only.
	DisableHTTP2 bool
}

// SIEM is a receiver of audit logs: an HTTPS server on a loopback port with an
// authority of its own. It does what its script says with each request, then,
// when the script is through, answers 200, or what [SIEM.Otherwise] says. It
// keeps every request. It is safe for concurrent use.
type SIEM struct {
	config    SIEMConfig
	authority *authority
	server    *http.Server
	listener  net.Listener
	serving   sync.WaitGroup // for the listener and, while it is not closed, for requests
	cancel    context.CancelFunc

	mu        sync.Mutex
	script    []Step
	otherwise Step
	requests  []*Request
	changed   chan struct{} // closed at each change of requests
	closed    bool
}

// NewSIEM starts a SIEM for a test, which is closed when the test ends.
func NewSIEM(t TB, config SIEMConfig) *SIEM {
	t.Helper()
	s, err := StartSIEM(config)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(s.Close)
	return s
}

// StartSIEM starts a SIEM. Close it.
func StartSIEM(config SIEMConfig) (*SIEM, error) {
	authority, err := newAuthority(config.Hosts)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("konnecttest: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &SIEM{config: config, authority: authority, listener: listener, cancel: cancel, changed: make(chan struct{})}
	s.server = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{authority.certificate}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // broken connections are its trade
	}
	if config.DisableHTTP2 {
		s.server.Protocols = new(http.Protocols)
		s.server.Protocols.SetHTTP1(true)
	}
	s.serving.Go(func() {
		if err := s.server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("konnecttest: %v", err)) // nothing else ends it
		}
	})
	return s, nil
}

// Close stops the server, breaks its connections and waits for its requests.
func (s *SIEM) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	_ = s.server.Close()
	s.serving.Wait()
}

// URL returns the endpoint to configure: https, by the loopback address.
func (s *SIEM) URL() string { return "https://" + s.listener.Addr().String() + "/audit-logs" }

// RootCAs returns a pool with the SIEM's authority only.
func (s *SIEM) RootCAs() *x509.CertPool { return s.authority.pool.Clone() }

// CertificatePEM returns the certificate of the SIEM's authority.
func (s *SIEM) CertificatePEM() []byte { return slices.Clone(s.authority.pem) }

// Client returns a client that trusts the SIEM. Close its idle connections.
func (s *SIEM) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.RootCAs(), MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
	}}
}

// DialContext connects to the SIEM whatever the address is, so that it can stand
// in for a host of another name.
func (s *SIEM) DialContext(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, s.listener.Addr().String())
}

// Script adds steps for the next requests, one each, after those that are left.
// It panics if a step's status is none that ends an answer, 200 to 599.
func (s *SIEM) Script(steps ...Step) {
	for _, step := range steps {
		step.check()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, steps...)
}

// Otherwise sets the step for requests beyond the script. It panics as Script
// does.
func (s *SIEM) Otherwise(step Step) {
	step.check()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.otherwise = step
}

// next returns the step for the next request.
func (s *SIEM) next() Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return s.otherwise
	}
	step := s.script[0]
	s.script = s.script[1:]
	return step
}

// enter reports whether another request may be served.
func (s *SIEM) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.serving.Add(1)
	return true
}

func (s *SIEM) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.serving.Done()
	request := &Request{
		Time: time.Now(), Method: r.Method, Path: r.URL.RequestURI(), Proto: r.Proto, Header: r.Header.Clone(),
	}
	if want := s.config.Authorization; want != "" && r.Header.Get("Authorization") != want {
		request.Status = http.StatusUnauthorized
		s.record(request)
		http.Error(w, "wrong authorization", http.StatusUnauthorized)
		return
	}
	step := s.next()
	if step.Break == BreakBeforeReading {
		s.record(request)
		breakConnection(w, true)
		return
	}
	request.read(r.Body)
	if step.Delay > 0 && !wait(r, step.Delay) {
		s.record(request)
		return // the client has gone; nothing was taken
	}
	// The request is on record before its sender can know of an answer.
	request.Taken = step.takes() && request.Err == nil
	if step.Break == NoBreak || step.Break == BreakAfterStatus {
		request.Status = step.status()
	}
	if request.Err != nil && step.status()/100 == 2 {
		step = Step{Status: http.StatusBadRequest, Body: request.Err.Error()}
		request.Status = step.Status
	}
	s.record(request)
	step.answer(w, r)
}

func (s *SIEM) record(r *Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Requests returns the requests received so far, in the order in which they
// were complete. Do not modify what they point to.
func (s *SIEM) Requests() []Request {
	requests, _ := s.snapshot()
	return requests
}

func (s *SIEM) snapshot() ([]Request, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make([]Request, len(s.requests))
	for i, r := range s.requests {
		requests[i] = *r
	}
	return requests, s.changed
}

// Events returns the events taken so far, in their order, duplicates and all.
func (s *SIEM) Events() []auditlog.Event {
	return takenEvents(s.Requests())
}

func takenEvents(requests []Request) []auditlog.Event {
	var events []auditlog.Event
	for _, r := range requests {
		if r.Taken {
			events = append(events, r.Events...)
		}
	}
	return events
}

// WaitEvents waits until at least n events have been taken and returns all of
// them. If ctx ends before, the error wraps its cause and says how many there
// are; they are returned as well.
func (s *SIEM) WaitEvents(ctx context.Context, n int) ([]auditlog.Event, error) {
	for {
		requests, changed := s.snapshot()
		events := takenEvents(requests)
		if len(events) >= n {
			return events, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return events, fmt.Errorf("konnecttest: %d of %d events taken: %w", len(events), n, context.Cause(ctx))
		}
	}
}

// WaitRequests waits as WaitEvents does, until at least n requests have been
// received, whatever became of them.
func (s *SIEM) WaitRequests(ctx context.Context, n int) ([]Request, error) {
	for {
		requests, changed := s.snapshot()
		if len(requests) >= n {
			return requests, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return requests, fmt.Errorf("konnecttest: %d of %d requests received: %w", len(requests), n, context.Cause(ctx))
		}
	}
}
