package shipper_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token         = "t0k-authorization"
	authorization = "Bearer " + token
	path          = "/t0k-path-of-the-endpoint"
	secretMark    = "t0k-"
	hook          = "hook" // the webhook's id

	http200 = http.StatusOK
	http503 = http.StatusServiceUnavailable
)

// request is what the endpoint was sent.
type request struct {
	time  time.Time
	id    string
	auth  string
	host  string
	lines []string
	code  int // what it was answered
}

// names returns the name of each event of a request, by the attribute n.
func (r request) names() []string {
	var names []string
	for _, line := range r.lines {
		e, _, err := auditlog.Parse([]byte(line))
		if err != nil {
			names = append(names, "?")
			continue
		}
		if v, ok := e.Get("n"); ok {
			names = append(names, v.String())
		} else {
			names = append(names, e.ClassID)
		}
	}
	return names
}

// answer is a status; 0 breaks the connection, hang waits until the client gives up.
const hang = -1

// endpoint is an HTTPS server in memory that keeps what it is sent.
type endpoint struct {
	server  *httptest.Server
	pipes   *pipeListener
	delay   time.Duration               // of each answer
	delayOf func(request) time.Duration // instead of it
	body    string                      // of each answer

	mu       sync.Mutex
	answer   func(r request, n int) int // n counts from 0
	requests []request
	taken    []string // names of the events of requests that got a 2xx
}

func newEndpoint(t testing.TB, answer func(r request, n int) int) *endpoint {
	e := &endpoint{pipes: newPipeListener(), answer: answer}
	e.server = httptest.NewUnstartedServer(http.HandlerFunc(e.serve))
	_ = e.server.Listener.Close()
	e.server.Listener = e.pipes
	e.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	e.server.StartTLS()
	t.Cleanup(e.server.Close)
	return e
}

func (e *endpoint) serve(w http.ResponseWriter, req *http.Request) {
	zipped, err := gzip.NewReader(req.Body)
	if err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	body, err := io.ReadAll(zipped)
	if err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	r := request{
		time: time.Now(), id: req.Header.Get("Webhook-Id"), auth: req.Header.Get("Authorization"), host: req.Host,
		lines: strings.Split(string(body), "\n"),
	}
	e.mu.Lock()
	n := len(e.requests)
	e.requests = append(e.requests, r)
	delay := e.delay
	if e.delayOf != nil {
		delay = e.delayOf(r)
	}
	e.mu.Unlock()
	if !wait(req.Context(), delay) {
		panic(http.ErrAbortHandler)
	}
	e.mu.Lock()
	code := http.StatusOK
	if e.answer != nil {
		code = e.answer(r, n)
	}
	e.requests[n].code = code
	if code >= 200 && code < 300 {
		e.taken = append(e.taken, r.names()...)
	}
	e.mu.Unlock()
	switch code {
	case 0:
		panic(http.ErrAbortHandler)
	case hang:
		<-req.Context().Done()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, e.body)
}

// wait waits for d, unless ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	return store.SystemClock{}.Sleep(ctx, d) == nil
}

// set changes the answers.
func (e *endpoint) set(answer func(r request, n int) int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *endpoint) received() []request {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.requests)
}

func (e *endpoint) names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.taken)
}

// always answers with the code.
func always(code int) func(request, int) int { return func(request, int) int { return code } }

// refusing refuses requests with one of the events, with the code.
func refusing(code int, names ...string) func(request, int) int {
	return func(r request, _ int) int {
		for _, name := range r.names() {
			if slices.Contains(names, name) {
				return code
			}
		}
		return http.StatusOK
	}
}

func (e *endpoint) config() delivery.Config {
	pool := x509.NewCertPool()
	pool.AddCert(e.server.Certificate())
	return delivery.Config{RootCAs: pool, DialContext: e.pipes.dial}
}

// logs keeps what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// setup is a Shipper, its store and its endpoint.
type setup struct {
	*shipper.Shipper
	t        testing.TB
	endpoint *endpoint
	store    store.Store
	logs     *logs
}

// newSetup returns a Shipper over a memory store, with a webhook that is
// configured and switched on.
func newSetup(t testing.TB, e *endpoint, change ...func(*shipper.Config)) *setup {
	s := bare(t, e, change...)
	s.configure()
	return s
}

// bare is newSetup without the webhook.
func bare(t testing.TB, e *endpoint, change ...func(*shipper.Config)) *setup {
	return start(t, e, memory(t), change...)
}

// memory returns a memory store that is closed with the test.
func memory(t testing.TB, change ...func(*memstore.Config)) store.Store {
	cfg := memstore.Config{Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&cfg)
	}
	st, err := memstore.Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

// start returns a Shipper over the store.
func start(t testing.TB, e *endpoint, st store.Store, change ...func(*shipper.Config)) *setup {
	s := &setup{t: t, endpoint: e, store: st, logs: &logs{}}
	cfg := shipper.Config{
		Store: st, Delivery: e.config(), Logger: slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	s.Shipper, err = shipper.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	t.Cleanup(func() { require.NotContains(t, s.logs.String(), secretMark) })
	return s
}

// configure sets the webhook up.
func (s *setup) configure() {
	s.t.Helper()
	s.update(webhook.Patch{
		Endpoint:      webhook.Set("https://example.com" + path),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		Enabled:       webhook.Set(true),
	})
}

func (s *setup) update(patch webhook.Patch) webhook.Config {
	s.t.Helper()
	cfg, err := s.Update(s.t.Context(), hook, patch)
	require.NoError(s.t, err)
	return cfg
}

// record records an event for each name.
func (s *setup) record(names ...string) {
	s.t.Helper()
	require.NoError(s.t, s.Record(s.t.Context(), hook, events(names...)...))
}

// status returns the report.
func (s *setup) report() shipper.Report {
	s.t.Helper()
	r, err := s.Report(s.t.Context(), hook)
	require.NoError(s.t, err)
	return r
}

func (s *setup) snapshot() shipper.Snapshot {
	s.t.Helper()
	got, err := s.Snapshot(s.t.Context())
	require.NoError(s.t, err)
	return got
}

// ended returns a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// requireStatus asserts the status document, without its times.
func (s *setup) requireStatus(enabled bool, condition status.Condition, code int) {
	s.t.Helper()
	got := s.report().Status
	require.Equal(s.t, enabled, got.WebhookEnabled, "enabled")
	require.Equal(s.t, condition, got.WebhookStatus)
	require.Equal(s.t, code, got.LastResponseCode)
}

// letters returns the names of the dead letters.
func (s *setup) letters() []string {
	s.t.Helper()
	var names []string
	for d, err := range s.DeadLetters(s.t.Context(), hook) {
		require.NoError(s.t, err)
		require.NoError(s.t, d.Err)
		v, _ := d.Event.Get("n")
		names = append(names, v.String())
	}
	return names
}

// events returns events that carry names.
func events(names ...string) []auditlog.Event {
	var all []auditlog.Event
	for _, name := range names {
		e := auditlog.Event{Attributes: []auditlog.Attribute{auditlog.String("n", name)}}
		e.Vendor, e.Product, e.Version, e.ClassID, e.Name = "Acme", "Test", "1", "class", "name"
		all = append(all, e)
	}
	return all
}

// numbered returns n names.
func numbered(n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint(i))
	}
	return names
}

// pass lets time go by and waits until nothing moves.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // on virtual time
	synctest.Wait()
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
