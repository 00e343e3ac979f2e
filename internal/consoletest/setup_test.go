package consoletest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/console"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	hook          = "eu"
	authorization = "Bearer example-token"

	// patience bounds a test, most of which is the start of the browser.
	patience = 90 * time.Second
)

// needed tells what is missing: the test is skipped, or fails where that is
// demanded.
func needed(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("AUDITLOG_REQUIRE_BROWSER") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// chromium returns the browser's path.
func chromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("AUDITLOG_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	needed(t, "there is no Chromium: install it, or name it in AUDITLOG_CHROMIUM")
	return ""
}

// setup is a Shipper, a SIEM, the page on a loopback port, and a browser.
type setup struct {
	t       *testing.T
	tab     context.Context //nolint:containedctx // a tab of the browser is one
	shipper *shipper.Shipper
	siem    *konnecttest.SIEM
	server  *httptest.Server

	history *console.History
	clock   clock // of the history

	down atomic.Bool // the session has ended

	mu       sync.Mutex
	requests []request
	errors   []string // of scripts, and of what the policy has refused
}

// request is one that the page has sent.
type request struct {
	at   time.Time
	path string
}

// clock is the system's, or some time before.
type clock struct{ behind atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(-time.Duration(c.behind.Load())) }

func (*clock) Sleep(context.Context, time.Duration) error { return nil }

// newSetup starts everything. The webhook is not configured yet.
func newSetup(t *testing.T) *setup {
	t.Helper()
	browser := chromium(t)
	s := &setup{t: t, siem: konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: authorization})}
	logger := slog.New(slog.DiscardHandler)
	events, err := memstore.Open(memstore.Config{Logger: logger})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, events.Close()) })
	s.history = console.NewHistory(&s.clock)
	s.shipper, err = shipper.New(shipper.Config{
		Store: events, Logger: logger, Batch: delivery.Limits{Events: 1}, ProbeFirst: time.Second, ProbeMax: time.Second,
		Hooks: []shipper.Hook{s.history},
		Delivery: delivery.Config{
			RootCAs: s.siem.RootCAs(),
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.shipper.Close(ended) // what is under way is cut off
	})
	page, err := console.New(console.Config{
		Shipper: s.shipper, History: s.history, Logger: logger, Authenticate: authenticate, Webhooks: webhooks,
	})
	require.NoError(t, err)
	s.serve(page)
	s.open(browser)
	return s
}

// authenticate takes the user's name from a cookie.
func authenticate(r *http.Request) (console.User, error) {
	cookie, err := r.Cookie("user")
	if err != nil {
		return console.User{}, errors.New("no session")
	}
	return console.User{Tenant: "acme", Principal: cookie.Value, PrincipalName: cookie.Value + "@example.com"}, nil
}

func webhooks(_ context.Context, user console.User) ([]console.Webhook, error) {
	if user.Principal == "operator" {
		all := []console.Webhook{{ID: hook, Title: "Region EU"}}
		for i := range 100 {
			all = append(all, console.Webhook{ID: fmt.Sprintf("tenant-%d", i)})
		}
		return all, nil
	}
	role := console.Reader
	if user.Principal == "admin" {
		role = console.Admin
	}
	return []console.Webhook{{ID: hook, Title: "Region EU", Role: role}}, nil
}

// serve serves the page, with a way to sign in beside it.
func (s *setup) serve(page http.Handler) {
	mux := http.NewServeMux()
	mux.HandleFunc("/audit-logs/", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, request{at: time.Now(), path: r.URL.String()})
		s.mu.Unlock()
		if s.down.Load() {
			r.Header.Del("Cookie")
		}
		page.ServeHTTP(w, r)
	})
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		// SameSite=None needs https; without it a browser sends the cookie with
		// forms of other sites for two minutes, which is what a test needs.
		http.SetCookie(w, &http.Cookie{Name: "user", Value: r.URL.Query().Get("as"), Path: "/", HttpOnly: true})
		http.Redirect(w, r, "/audit-logs/", http.StatusSeeOther)
	})
	s.server = httptest.NewServer(mux)
	s.t.Cleanup(s.server.Close)
}

// open opens a browser.
func (s *setup) open(browser string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browser), chromedp.WindowSize(1280, 900),
		chromedp.Flag("lang", "en-US"), chromedp.Env("TZ=America/New_York"),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	s.t.Cleanup(cancel)
	s.tab, cancel = chromedp.NewContext(ctx)
	s.t.Cleanup(cancel)
	require.NoError(s.t, chromedp.Listen(s.tab, func(event any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			s.errors = append(s.errors, e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Source != log.EntrySourceNetwork && e.Entry.Level != log.EntryLevelVerbose { // refusals are wanted
				s.errors = append(s.errors, e.Entry.Text)
			}
		}
	}))
	s.t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Empty(s.t, s.errors, "in the browser")
	})
}

// run does things in the browser.
func (s *setup) run(steps ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	require.NoError(s.t, chromedp.Do(s.tab, steps...))
}

// see returns what it finds in the browser.
func see[T any](s *setup, action chromedp.Action[T]) T {
	s.t.Helper()
	found, err := chromedp.Run(s.tab, action)
	require.NoError(s.t, err)
	return found
}

// signIn opens the page as a user.
func (s *setup) signIn(user string) {
	s.t.Helper()
	s.run(chromedp.Navigate(s.server.URL+"/login?as="+url.QueryEscape(user)), chromedp.WaitVisible(chromedp.CSS("h1")))
}

// at is the address of a tab.
func (s *setup) at(tab string) string {
	return s.server.URL + "/audit-logs/" + tab + "?webhook=" + hook
}

// visit opens a tab of the page.
func (s *setup) visit(tab string) {
	s.t.Helper()
	s.run(chromedp.Navigate(s.at(tab)), chromedp.WaitVisible(chromedp.CSS("h1")))
}

// click clicks a button that sends a form, and waits for the next page.
func (s *setup) click(selector chromedp.CSS) *network.Response {
	s.t.Helper()
	response, err := chromedp.RunResponse(s.tab, chromedp.Click(selector))
	require.NoError(s.t, err)
	s.run(chromedp.WaitVisible(chromedp.CSS("h1")))
	return response
}

// fill replaces what stands in a field.
func (s *setup) fill(selector chromedp.CSS, text string) {
	s.t.Helper()
	s.run(chromedp.Clear(selector), chromedp.SendKeys(selector, text))
}

// text returns what a user reads.
func (s *setup) text(selector chromedp.CSS) string {
	s.t.Helper()
	return strings.Join(strings.Fields(see(s, chromedp.Text(selector))), " ")
}

// waitText waits until a user reads the text, without the page being loaded
// again.
func (s *setup) waitText(selector, text string) {
	s.t.Helper()
	see(s, chromedp.Poll[chromedp.Void](fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text),
		chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(patience)))
}

// evaluate runs a script for its effects.
func evaluate(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](script)
}

// configure sets the webhook up, past the page.
func (s *setup) configure() {
	s.t.Helper()
	_, err := s.shipper.Update(s.t.Context(), hook, webhook.Patch{
		Endpoint:      webhook.Set(s.siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		Enabled:       webhook.Set(true),
	})
	require.NoError(s.t, err)
}

// config is what is stored.
func (s *setup) config() webhook.Config {
	s.t.Helper()
	cfg, err := s.shipper.Get(s.t.Context(), hook)
	require.NoError(s.t, err)
	return cfg
}

// record records events of these names.
func (s *setup) record(names ...string) {
	s.t.Helper()
	var all []auditlog.Event
	for _, name := range names {
		all = append(all, auditlog.Event{Header: cef.Header{
			Time: time.Now(), Vendor: "Example", Product: "Test", Version: "1", ClassID: "test", Name: name, Severity: 1,
		}})
	}
	require.NoError(s.t, s.shipper.Record(s.t.Context(), hook, all...))
}

// bury makes a dead letter of an event of this name: it is refused alone, then
// another one is taken.
func (s *setup) bury(name string) {
	s.t.Helper()
	s.siem.Script(konnecttest.Step{Status: 422, Body: "unknown field in event"})
	s.record(name, "Invoice read")
	require.NoError(s.t, s.shipper.Drain(s.t.Context(), hook))
}

// letters counts the dead letters.
func (s *setup) letters() int {
	s.t.Helper()
	n := 0
	for _, err := range s.shipper.DeadLetters(s.t.Context(), hook) {
		require.NoError(s.t, err)
		n++
	}
	return n
}

// wait waits until what is stored is so.
func (s *setup) wait(what string, so func(shipper.Report) bool) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		r, err := s.shipper.Report(context.Background(), hook)
		return err == nil && so(r)
	}, patience, 20*time.Millisecond, what)
}

// held tells that the endpoint takes nothing.
func held(r shipper.Report) bool { return !r.NextProbe.IsZero() }
