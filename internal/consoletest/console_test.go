package consoletest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestSetUp(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.signIn("admin")
	s.setUp()
	require.Equal(t, "Active", s.text("#badge"))

	// The saved authorization is nowhere in the page.
	page := see(s, chromedp.OuterHTML(chromedp.CSS("html")))
	require.NotContains(t, page, authorization)
	require.Contains(t, page, `id="authorization"`)
}

// setUp goes from nothing to a webhook that was tested.
func (s *setup) setUp() {
	s.t.Helper()
	require.Equal(s.t, "Unconfigured", s.text("#badge"))

	// A bad endpoint: the error stands at its field, and what was typed stays.
	s.fill("#endpoint", "http://siem.example.com/audit-logs")
	s.fill("#authorization", authorization)
	s.click("button.primary")
	require.NotEmpty(s.t, s.text("#endpoint-error"))
	require.Contains(s.t, s.text("main"), "Enter it once more.")
	require.Equal(s.t, "http://siem.example.com/audit-logs", see(s, chromedp.Value(chromedp.CSS("#endpoint"))))
	require.Len(s.t, see(s, chromedp.Nodes(chromedp.CSS("#endpoint:focus"))), 1)
	require.Zero(s.t, s.config())

	s.fill("#endpoint", s.siem.URL())
	s.fill("#authorization", authorization)
	s.run(chromedp.Click(chromedp.CSS("input[value=json]")))
	s.click("button.primary")
	require.Contains(s.t, s.text(".note.good"), "Saved.")
	cfg := s.config()
	require.Equal(s.t, s.siem.URL(), cfg.Endpoint)
	require.True(s.t, cfg.Authorization.Equal(webhook.NewSecret(authorization)))
	require.Equal(s.t, webhook.JSON, cfg.LogFormat)
	require.True(s.t, cfg.Enabled)

	s.click("button[value=test]:not([hidden])")
	require.Contains(s.t, s.text("#test"), "The test event was delivered.")
	events := s.siem.Events()
	require.Equal(s.t, shipper.TestClass, events[len(events)-1].ClassID)
}

func TestOutageAndRecoverySeenLive(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.signIn("admin")
	require.Equal(t, "Active", s.text("#badge"))

	// Somebody is typing while the page changes.
	s.fill("#endpoint", "https://half-typed")
	s.siem.Otherwise(konnecttest.Step{Status: 401, Body: "unknown token"})
	s.record("Invoice deleted", "Invoice restored")
	s.waitText("#badge", "Inactive")
	s.waitText("#status", "401 Unauthorized")
	s.waitText("#status", "2 events")
	s.wait("inactive", func(r shipper.Report) bool {
		return r.Status.WebhookStatus == status.Inactive && r.Status.LastResponseCode == 401 && r.Unsent.Events == 2
	})

	s.siem.Otherwise(konnecttest.Step{})
	s.waitText("#badge", "Active")
	s.waitText("#status", "Nothing")
	s.wait("active", func(r shipper.Report) bool {
		return r.Status.WebhookStatus == status.Active && r.Unsent.Events == 0
	})
	require.Len(t, s.siem.Events(), 2)

	require.Equal(t, "https://half-typed", see(s, chromedp.Value(chromedp.CSS("#endpoint"))))
}

func TestRedriveAndPurge(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.bury("Invoice deleted")
	s.bury("Invoice restored")
	require.Equal(t, 2, s.letters())
	s.signIn("admin")
	s.visit("deliveries")

	s.click("button[value=redrive]")
	require.Contains(t, s.text(".note.good"), "waits for delivery again")
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	require.Equal(t, 1, s.letters())

	// Nothing is deleted before somebody was asked.
	require.False(t, see(s, chromedp.Evaluate[bool]("document.querySelector('button[value=purge]').checkVisibility()")))
	s.run(chromedp.Click(chromedp.CSS(".letters .confirm > summary")))
	s.click("button[value=purge]")
	require.Zero(t, s.letters())
	require.Contains(t, s.text("#letters"), "None.")
	var names []string
	for e, err := range s.shipper.Events(t.Context(), hook, store.From{}) {
		require.NoError(t, err)
		if e.Event.ClassID == "audit-log-management" {
			action, _ := e.Event.Get("action")
			names = append(names, action.String())
		}
	}
	require.Equal(t, []string{"redrive", "delete"}, names)
}

func TestReplayWithProgress(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	const events = 3000
	s.record(slices.Repeat([]string{"Invoice read"}, events)...)
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	require.Len(t, s.siem.Events(), events)

	s.siem.Otherwise(konnecttest.Step{Delay: 700 * time.Millisecond}) // for a batch
	s.signIn("admin")
	s.visit("replay")
	start := time.Now().Add(-2 * time.Hour)
	s.run(chromedp.Click(chromedp.CSS("input[value=custom]")))
	// In the viewer's zone, as the page has it.
	s.run(evaluate(fmt.Sprintf("document.querySelector('#start_at').value = %q", start.In(newYork(t)).Format("2006-01-02T15:04"))))
	s.click("button.primary")
	require.Contains(t, s.text(".note.good"), "The replay was accepted.")
	job, err := s.shipper.Replay(t.Context(), hook)
	require.NoError(t, err)
	require.Equal(t, start.UTC().Truncate(time.Minute), job.Job.StartAt)

	see(s, chromedp.Poll[chromedp.Void]("(p => p && p.value > 0 && p.value < p.max)(document.querySelector('progress'))",
		chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	job, err = s.shipper.Replay(t.Context(), hook)
	require.NoError(t, err)
	require.NotZero(t, job.Sent)
	s.siem.Otherwise(konnecttest.Step{})
	s.waitText("#job .badge", "Completed")
	job, err = s.shipper.Replay(t.Context(), hook)
	require.NoError(t, err)
	require.Equal(t, webhook.JobCompleted, job.Job.Status)
	require.Equal(t, job.Total, job.Sent)
	require.GreaterOrEqual(t, job.Sent, int64(events))
}

// newYork is the zone that the browser is in.
func newYork(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	return zone
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.bury("Invoice deleted")
	s.signIn("viewer")
	for _, tab := range tabs {
		s.visit(tab)
		require.Zero(t, see(s, chromedp.Evaluate[int]("document.querySelectorAll('form, button, input, select').length")), tab)

		// A form that the page does not have.
		send := fmt.Sprintf("fetch(%q, {method: 'POST', body: new URLSearchParams({do: 'save', endpoint: 'https://evil.example.com/'})}).then(a => a.status)", s.at(tab))
		require.Equal(t, http.StatusForbidden, see(s, chromedp.Evaluate[int](send, chromedp.EvalAwaitPromise)))
	}
	require.Equal(t, s.siem.URL(), s.config().Endpoint)
	require.Equal(t, 1, s.letters())
}

func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	_, err := chromedp.Call(s.tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(t, err)
	s.signIn("admin")
	s.setUp()

	// The script's doings are not there: times are in UTC.
	s.bury("Invoice deleted")
	s.visit("deliveries")
	require.Contains(t, s.text("#attempts"), "UTC")
	s.click("button[value=redrive]")
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	require.Zero(t, s.letters())

	// Ranges of one's own are in UTC, too.
	start := time.Now().Add(-time.Hour).UTC().Truncate(time.Minute)
	s.visit("replay")
	s.run(chromedp.Click(chromedp.CSS("input[value=custom]")))
	require.Contains(t, s.text("label[for=start_at]"), "UTC")
	s.click("button.primary")
	job, err := s.shipper.Replay(t.Context(), hook)
	require.NoError(t, err)
	require.WithinDuration(t, start, job.Job.StartAt, 2*time.Minute)

	s.visit("setup")
	s.run(chromedp.Click(chromedp.CSS("label.switch")))
	s.click("button.primary")
	require.False(t, s.config().Enabled)
	require.Equal(t, "Disabled", s.text("#badge"))
}

func TestTimesAreTheViewers(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.record("Invoice read")
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	s.signIn("admin")
	s.visit("deliveries")
	r, err := s.shipper.Report(t.Context(), hook)
	require.NoError(t, err)
	at := r.Attempts[0].Time
	require.Contains(t, s.text("#attempts td.time"), at.In(newYork(t)).Format("3:04:05"))
	title := strings.Join(strings.Fields(see(s, chromedp.AttributeValue(chromedp.CSS("#attempts time"), "title")).Value), " ")
	require.Equal(t, at.In(newYork(t)).Format("Jan 2, 2006, 3:04:05 PM")+" · "+at.UTC().Format("2006-01-02 15:04:05 UTC"), title)
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.signIn("admin")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<h1>Win</h1><form method=post action=%q><input name=do value=save><input name=endpoint value=https://evil.example.com/>`+
			`<input name=authorization value=x><input name=log_format value=cef><button>Win</button></form>`, s.at("setup"))
	}))
	t.Cleanup(evil.Close)
	// Another name for the same address is another site.
	s.run(chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)), chromedp.WaitVisible(chromedp.CSS("h1")))
	before := s.config()
	require.EqualValues(t, http.StatusForbidden, s.click("button").Status)
	require.Contains(t, s.text("main"), "another site")
	require.Equal(t, before.UpdatedAt, s.config().UpdatedAt)
	require.Equal(t, s.siem.URL(), s.config().Endpoint)
}

func TestPagesThatAreNotUpToDateSaySo(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.signIn("admin")
	require.False(t, see(s, chromedp.Evaluate[bool]("document.querySelector('#stale').checkVisibility()")))
	s.down.Store(true)
	s.run(chromedp.WaitVisible(chromedp.CSS("#stale")))
	s.down.Store(false)
	s.run(chromedp.WaitNotVisible(chromedp.CSS("#stale")))
}

func TestIdlePagesCostLittle(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.signIn("admin")
	s.visit("deliveries")
	var polls []request
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		polls = polls[:0]
		for _, r := range s.requests {
			u, err := url.Parse(r.path)
			if err == nil && u.Query().Has("live") && strings.HasSuffix(u.Path, "/deliveries") {
				polls = append(polls, r)
			}
		}
		return len(polls) >= 4
	}, patience, 50*time.Millisecond)
	span := polls[3].at.Sub(polls[0].at)
	require.Greater(t, span, 3*time.Second, "three intervals: under one request a second")
}
