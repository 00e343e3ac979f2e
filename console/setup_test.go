package console_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/console"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Everything secret has the mark: it must appear in no page and no log.
const (
	secretMark    = "t0k-"
	authorization = "Bearer t0k-authorization"
	hook          = "acme/eu" // a webhook's id, with a character that URLs escape
)

// setup is a Handler over a Shipper with a memory store and a SIEM. The user
// admin may change the webhook, viewer only look.
type setup struct {
	t       testing.TB
	handler *console.Handler
	shipper *shipper.Shipper
	store   store.Store
	siem    *konnecttest.SIEM
	history *console.History
	logs    *logs
}

// options change what newSetup makes.
type options struct {
	shipper func(*shipper.Config)
	console func(*console.Config)
	store   store.Store
}

func newSetup(t testing.TB, with ...func(*options)) *setup {
	t.Helper()
	o := options{shipper: func(*shipper.Config) {}, console: func(*console.Config) {}}
	for _, f := range with {
		f(&o)
	}
	s := &setup{t: t, store: o.store, siem: konnecttest.NewSIEM(t, konnecttest.SIEMConfig{}), logs: &logs{}}
	var err error
	if s.store == nil {
		s.store = memory(t)
	}
	key, err := shipper.NewKey([]byte("a key that outlives each process"))
	require.NoError(t, err)
	s.history = console.NewHistory(nil)
	logger := slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	shipping := shipper.Config{
		Store: s.store, Keys: []shipper.Key{key}, Logger: logger, Batch: delivery.Limits{Events: 1}, Hooks: []shipper.Hook{s.history},
		Delivery: delivery.Config{
			RootCAs: s.siem.RootCAs(),
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
	}
	o.shipper(&shipping)
	s.shipper, err = shipper.New(shipping)
	require.NoError(t, err)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.shipper.Close(ended) // what is under way is cut off
	})
	t.Cleanup(func() { require.NotContains(t, s.logs.String(), secretMark) })
	cfg := console.Config{
		Shipper: s.shipper, Authenticate: authenticate, Webhooks: webhooks, History: s.history, Logger: logger,
	}
	o.console(&cfg)
	s.handler, err = console.New(cfg)
	require.NoError(t, err)
	return s
}

func memory(t testing.TB) store.Store {
	t.Helper()
	st, err := memstore.Open(memstore.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

func authenticate(r *http.Request) (console.User, error) {
	user := r.Header.Get("User")
	switch user {
	case "":
		return console.User{}, errors.New("no session")
	case "down":
		return console.User{}, console.ErrUnavailable
	}
	return console.User{Tenant: "acme", Principal: user, PrincipalName: strings.ToUpper(user)}, nil
}

func webhooks(_ context.Context, user console.User) ([]console.Webhook, error) {
	switch user.Principal {
	case "admin":
		return []console.Webhook{{ID: hook, Title: "Europe", Role: console.Admin}, {ID: "acme/us"}}, nil
	case "viewer":
		return []console.Webhook{{ID: hook, Title: "Europe"}}, nil
	case "lost":
		return nil, errors.New("broken")
	case "slow":
		return nil, console.ErrUnavailable
	}
	return nil, nil
}

// configure sets the webhook up, past the page.
func (s *setup) configure(change ...func(*webhook.Patch)) webhook.Config {
	s.t.Helper()
	patch := webhook.Patch{
		Endpoint:      webhook.Set(s.siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		Enabled:       webhook.Set(true),
	}
	for _, f := range change {
		f(&patch)
	}
	cfg, err := s.shipper.Update(s.t.Context(), hook, patch)
	require.NoError(s.t, err)
	return cfg
}

// config is what is stored.
func (s *setup) config() webhook.Config {
	s.t.Helper()
	cfg, err := s.shipper.Get(s.t.Context(), hook)
	require.NoError(s.t, err)
	return cfg
}

// recorded returns the names and attributes of what was recorded.
func (s *setup) recorded() []auditlog.Event {
	s.t.Helper()
	var all []auditlog.Event
	for e, err := range s.shipper.Events(s.t.Context(), hook, store.From{}) {
		require.NoError(s.t, err)
		all = append(all, e.Event)
	}
	return all
}

// event is one that a test records.
func event(name string) auditlog.Event {
	return auditlog.Event{Header: cef.Header{
		Time: time.Now(), Vendor: "Example", Product: "Test", Version: "1", ClassID: "test", Name: name, Severity: 1,
	}}
}

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	body   string
}

// get gets a page as admin.
func (s *setup) get(path string) answer { return s.as("admin", http.MethodGet, path, nil) }

// post sends a form as admin.
func (s *setup) post(tab string, form url.Values) answer {
	return s.as("admin", http.MethodPost, at(tab), form)
}

// at is the address of a tab.
func at(tab string) string { return "/audit-logs/" + tab + "?webhook=" + url.QueryEscape(hook) }

// as sends a request as a user.
func (s *setup) as(user, method, path string, form url.Values, header ...string) answer {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "https://console.example.com"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User", user)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	require.NoError(s.t, err)
	require.NotContains(s.t, string(body), secretMark, "a secret in a page")
	return answer{code: w.Code, header: w.Header(), body: string(body)}
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
