package konnectapi_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"log/slog"
	"maps"
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
	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Everything secret has the mark: it must appear nowhere.
const (
	secretMark    = "t0k-"
	authorization = "Bearer t0k-authorization"
	endpointURL   = "https://siem.example.com/t0k-path"
)

// Portals of the tenants.
const (
	acmePortal  = "11111111-1111-4111-8111-111111111111"
	otherPortal = "22222222-2222-4222-8222-222222222222"
	nobody      = "99999999-9999-4999-8999-999999999999"
)

// setup is a Handler over a Shipper with a memory store. The tenant acme has the
// users admin and viewer, the tenant other has its own admin.
type setup struct {
	*konnectapi.Handler
	t       testing.TB
	shipper *shipper.Shipper
	store   store.Store
	siem    *siem
	logs    *logs

	shipperConfig func(*shipper.Config) // for start
}

func newSetup(t testing.TB, change ...func(*konnectapi.Config)) *setup {
	t.Helper()
	st, err := memstore.Open(memstore.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	s := &setup{t: t, store: st, siem: newSIEM(t), logs: &logs{}}
	s.start(change...)
	return s
}

// start makes Shipper and Handler, as a start of the process does.
func (s *setup) start(change ...func(*konnectapi.Config)) {
	s.t.Helper()
	logger := s.logger()
	key, err := shipper.NewKey([]byte("a key that outlives each process"))
	require.NoError(s.t, err)
	shipping := shipper.Config{Store: s.store, Keys: []shipper.Key{key}, Delivery: s.siem.config(), Logger: logger}
	if s.shipperConfig != nil {
		s.shipperConfig(&shipping)
	}
	if s.shipper != nil {
		require.NoError(s.t, s.shipper.Close(context.Background()))
	}
	s.shipper, err = shipper.New(shipping)
	require.NoError(s.t, err)
	stopped := s.shipper
	s.t.Cleanup(func() { require.NoError(s.t, stopped.Close(context.Background())) })
	s.t.Cleanup(func() { require.NotContains(s.t, s.logs.String(), secretMark) })
	cfg := konnectapi.Config{
		Shipper: s.shipper, Store: s.store, Logger: logger,
		Authenticate: authenticate, Authorize: authorize, Portal: portal,
	}
	for _, f := range change {
		f(&cfg)
	}
	s.Handler, err = konnectapi.New(cfg)
	require.NoError(s.t, err)
}

func (s *setup) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func authenticate(r *http.Request) (konnectapi.Caller, error) {
	tenant, user, ok := strings.Cut(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "-")
	switch {
	case tenant == "down":
		return konnectapi.Caller{}, konnectapi.ErrUnavailable
	case !ok:
		return konnectapi.Caller{}, errors.New("a bad token")
	}
	return konnectapi.Caller{Tenant: tenant, Principal: user}, nil
}

func authorize(_ context.Context, caller konnectapi.Caller, _ konnectapi.Operation) error {
	if caller.Principal != "admin" {
		return errors.New("no admin")
	}
	return nil
}

func portal(_ context.Context, caller konnectapi.Caller, id string) (string, error) {
	owner, ok := map[string]string{acmePortal: "acme", otherPortal: "other"}[id]
	if !ok || owner != caller.Tenant {
		return "", konnectapi.ErrNotFound
	}
	return "portal " + id, nil
}

// call is a request.
type call struct {
	method string
	path   string
	body   string
	token  string      // acme-admin if empty; "-" for none
	header http.Header // besides the usual ones
}

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   string
}

func (s *setup) do(c call) answer {
	s.t.Helper()
	return s.exchange(c, httptest.NewRequestWithContext(s.t.Context(), c.method, c.path, strings.NewReader(c.body)))
}

// send makes a call with a body that is not at hand.
func (s *setup) send(method, path string, body io.Reader) answer {
	s.t.Helper()
	return s.exchange(call{header: http.Header{"Content-Type": {"application/json"}}},
		httptest.NewRequestWithContext(s.t.Context(), method, path, body))
}

func (s *setup) exchange(c call, r *http.Request) answer {
	s.t.Helper()
	if c.token = cmp.Or(c.token, "acme-admin"); c.token != "-" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(r.Header, c.header)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	got := answer{w.Code, w.Header(), w.Body.String()}
	require.NotContains(s.t, got.body, strings.TrimPrefix(authorization, "Bearer "))
	cached := map[bool]string{true: "public, max-age=300", false: "no-store"}[got.code == 200 && strings.HasSuffix(r.URL.Path, ".json")]
	require.Equal(s.t, cached, got.header.Get("Cache-Control"))
	if got.code >= 400 {
		s.requireProblem(got)
	}
	return got
}

// ok makes a call that must succeed with the code, and decodes the answer.
func (s *setup) ok(code int, method, path, body string) map[string]any {
	s.t.Helper()
	got := s.do(call{method: method, path: path, body: body})
	require.Equal(s.t, code, got.code, got.body)
	if code == http.StatusNoContent {
		require.Empty(s.t, got.body)
		return nil
	}
	require.Equal(s.t, "application/json", got.header.Get("Content-Type"))
	var document map[string]any
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &document))
	return document
}

// requireProblem asserts what all problem documents have in common.
func (s *setup) requireProblem(got answer) webhook.Problem {
	s.t.Helper()
	require.Equal(s.t, webhook.ProblemMediaType, got.header.Get("Content-Type"))
	var p webhook.Problem
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &p))
	require.Equal(s.t, got.code, p.Status)
	require.NotEmpty(s.t, p.Title)
	require.NotEmpty(s.t, p.Detail)
	require.Regexp(s.t, `^konnect:trace:\d{1,19}$`, p.Instance)
	require.Contains(s.t, s.logs.String(), p.Instance)
	require.Equal(s.t, got.code == http.StatusBadRequest, len(p.InvalidParameters) > 0)
	require.NotContains(s.t, got.body, secretMark)
	return p
}

// refused makes a call that must fail with the code.
func (s *setup) refused(code int, method, path, body string) webhook.Problem {
	s.t.Helper()
	got := s.do(call{method: method, path: path, body: body})
	require.Equal(s.t, code, got.code, got.body)
	return s.requireProblem(got)
}

// recorded returns the events of a stream.
func (s *setup) recorded(stream string) []auditlog.Event {
	s.t.Helper()
	var all []auditlog.Event
	for r, err := range s.shipper.Events(s.t.Context(), stream, store.From{}) {
		require.NoError(s.t, err)
		all = append(all, r.Event)
	}
	return all
}

// changes returns the events that tell of changes, in short.
func (s *setup) changes(stream string) []string {
	s.t.Helper()
	var all []string
	for _, e := range s.recorded(stream) {
		if e.ClassID == konnectapi.EventService {
			all = append(all, text(e, "principal_id")+" "+text(e, "action")+" "+e.Name+" "+text(e, konnectapi.ChangedFieldsKey))
		}
	}
	return all
}

func text(e auditlog.Event, key string) string {
	v, _ := e.Get(key)
	return v.String()
}

// pass lets time go by and waits until nothing moves.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // on virtual time
	synctest.Wait()
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

// siem is an HTTPS receiver in memory.
type siem struct {
	server *httptest.Server
	conns  chan net.Conn
	closed chan struct{}
	close  func()

	mu     sync.Mutex
	code   int
	auths  []string
	hosts  []string
	events []auditlog.Event
}

func newSIEM(t testing.TB) *siem {
	m := &siem{conns: make(chan net.Conn), closed: make(chan struct{})}
	m.close = sync.OnceFunc(func() { close(m.closed) })
	m.server = httptest.NewUnstartedServer(m)
	_ = m.server.Listener.Close()
	m.server.Listener = m
	m.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	m.server.StartTLS()
	t.Cleanup(m.server.Close)
	return m
}

func (m *siem) config() delivery.Config {
	pool := x509.NewCertPool()
	pool.AddCert(m.server.Certificate())
	return delivery.Config{RootCAs: pool, DialContext: m.dial}
}

func (m *siem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.code != 0 {
		w.WriteHeader(m.code)
		return
	}
	zipped, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	body, err := io.ReadAll(zipped)
	if err != nil {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	m.auths = append(m.auths, r.Header.Get("Authorization"))
	m.hosts = append(m.hosts, r.Host)
	for line := range strings.SplitSeq(string(body), "\n") {
		e, _, err := auditlog.Parse([]byte(line))
		if err != nil {
			e.Name = err.Error()
		}
		m.events = append(m.events, e)
	}
}

// answer sets what is answered from now on, 0 for good answers.
func (m *siem) answer(code int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.code = code
}

func (m *siem) received() []auditlog.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// last returns the authorization and the host of the last request taken.
func (m *siem) last() (auth, host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.auths[len(m.auths)-1], m.hosts[len(m.hosts)-1]
}

func (m *siem) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case m.conns <- server:
		return client, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (m *siem) Accept() (net.Conn, error) {
	select {
	case conn := <-m.conns:
		return conn, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *siem) Close() error {
	m.close()
	return nil
}

func (m *siem) Addr() net.Addr { return &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)} }
