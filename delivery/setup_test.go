package delivery_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The token in the authorization, the path and the query of every endpoint
// here: none may appear in anything printed.
const (
	token         = "t0k-authorization"
	authorization = "Bearer " + token
	path          = "/t0k-path-of-the-endpoint"
	query         = "?key=t0k-query"
	secretMark    = "t0k-"
)

// request is what a receiver was sent.
type request struct {
	time   time.Time
	method string
	uri    string
	proto  string
	header http.Header
	wire   []byte // the body as sent
}

// body is the decoded body.
func (r request) body(t testing.TB) string {
	if !strings.HasSuffix(r.header.Get("Content-Encoding"), "gzip") {
		return string(r.wire)
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(r.wire))
	require.NoError(t, err)
	plain, err := io.ReadAll(unzipped)
	require.NoError(t, err)
	return string(plain)
}

// receiver is an HTTPS server that records its requests.
type receiver struct {
	*httptest.Server
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil on loopback

	mu       sync.Mutex
	requests []request
	conns    int
}

// answer answers the n-th request, counted from 0, after it was read.
type answer func(w http.ResponseWriter, r *http.Request, n int)

// status answers every request with the statuses, the last one again and again.
func status(codes ...int) answer {
	return func(w http.ResponseWriter, _ *http.Request, n int) { w.WriteHeader(codes[min(n, len(codes)-1)]) }
}

// hang answers nothing until the client has gone, and nothing then: the client
// may still read while it closes.
func hang(_ http.ResponseWriter, r *http.Request, _ int) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// newReceiver returns a receiver on a loopback socket.
func newReceiver(t testing.TB, answer answer) *receiver {
	r := newUnstarted(answer)
	r.start(t)
	return r
}

// newPipeReceiver returns a receiver that is reached by its dial function alone
// and has no sockets, so that it can be used on virtual time.
func newPipeReceiver(t testing.TB, answer answer) *receiver {
	r := newUnstarted(answer)
	r.usePipes()
	r.start(t)
	return r
}

// newUnstarted returns a receiver that can still be changed.
func newUnstarted(answer answer) *receiver {
	r := &receiver{}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer(w, req, r.record(req))
	}))
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.conns++
		}
	}
	return r
}

func (r *receiver) usePipes() {
	_ = r.Listener.Close()
	listener := newPipeListener()
	r.Listener, r.dial = listener, listener.dial
}

func (r *receiver) start(t testing.TB) {
	r.StartTLS()
	t.Cleanup(r.Close)
	if r.dial != nil {
		r.URL = "https://example.com" // which the certificate of httptest is for
	}
}

// record keeps the request and returns its number.
func (r *receiver) record(req *http.Request) int {
	wire, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request{
		time: time.Now(), method: req.Method, uri: req.RequestURI, proto: req.Proto, header: req.Header, wire: wire,
	})
	return len(r.requests) - 1
}

func (r *receiver) received() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

func (r *receiver) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns
}

// config returns the configuration to reach the receiver with.
func (r *receiver) config() delivery.Config {
	return delivery.Config{
		Endpoint:      r.URL + path + query,
		Authorization: webhook.NewSecret(authorization),
		RootCAs:       rootCAs(r.Server),
		DialContext:   r.dial,
	}
}

// newDeliverer returns a Deliverer that is closed with the test.
func newDeliverer(t testing.TB, cfg delivery.Config) *delivery.Deliverer {
	d, err := delivery.New(cfg)
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// failure asserts that err is an *Error for reason, whose text has no secret.
func failure(t testing.TB, err error, reason delivery.Reason) *delivery.Error {
	t.Helper()
	require.Error(t, err)
	failed, ok := errors.AsType[*delivery.Error](err)
	require.True(t, ok, "%T", err)
	require.Equal(t, reason, failed.Reason, "%v", err)
	require.NotContains(t, err.Error(), secretMark)
	return failed
}

// waits returns the waits that the result tells of.
func waits(result delivery.Result) []time.Duration {
	var all []time.Duration
	for _, a := range result.Attempts {
		if a.Wait > 0 {
			all = append(all, a.Wait)
		}
	}
	return all
}

func seconds(all ...float64) []time.Duration {
	var durations []time.Duration
	for _, s := range all {
		durations = append(durations, time.Duration(s*float64(time.Second)))
	}
	return durations
}

var batch = delivery.Batch{ID: "batch-1", Body: []byte("one\ntwo\nthree")}

func rootCAs(server *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return pool
}

// fakeClock waits in no time. It is not for use on virtual time.
type fakeClock struct {
	mu    sync.Mutex
	now   time.Time
	slept []time.Duration
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return context.Cause(ctx)
}

// pipeListener is a listener whose connections are pipes in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newPipeListener() *pipeListener {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.close()
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)} }
