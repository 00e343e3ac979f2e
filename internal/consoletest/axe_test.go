package consoletest_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// tabs are the pages of a webhook.
var tabs = []string{"setup", "replay", "deliveries"}

// schemes are the colours that a viewer can prefer.
var schemes = []string{"light", "dark"}

// prefer makes the viewer prefer a scheme.
func (s *setup) prefer(scheme string) {
	s.t.Helper()
	_, err := chromedp.Call(s.tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	require.NoError(s.t, err)
}

// states are the situations that pages are looked at in.
var states = []struct {
	name string
	make func(*setup)
}{
	{"unconfigured", func(*setup) {}},
	{"busy", (*setup).busy},
}

// busy makes a webhook about which there is much to tell.
func (s *setup) busy() {
	s.t.Helper()
	s.configure()
	s.past()
	for _, e := range konnecttest.Events(7, 40, time.Now()) {
		require.NoError(s.t, s.shipper.Record(s.t.Context(), hook, e))
	}
	require.NoError(s.t, s.shipper.Drain(s.t.Context(), hook))
	s.bury("Invoice deleted")
	s.bury("User invited")
	_, err := s.shipper.StartReplay(s.t.Context(), hook, time.Now().Add(-time.Hour), time.Now())
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool {
		job, err := s.shipper.Replay(context.Background(), hook)
		return err == nil && job.Job.Status.Ended()
	}, patience, 20*time.Millisecond)
	s.siem.Otherwise(konnecttest.Step{Status: 401, Body: "unknown token"})
	for _, e := range konnecttest.Events(8, 12, time.Now()) {
		require.NoError(s.t, s.shipper.Record(s.t.Context(), hook, e))
	}
	s.wait("held", held)
}

// past makes up the last hour: a receiver that was down for some minutes.
func (s *setup) past() {
	s.t.Helper()
	for ago := 59; ago > 0; ago-- {
		s.clock.behind.Store(int64(time.Duration(ago) * time.Minute))
		events := 30 + (ago*ago*7+ago*13)%45
		down := ago > 30 && ago < 38
		s.history.Recorded(s.t.Context(), hook, events, 0, 0)
		switch {
		case down:
			s.history.AttemptFinished(s.t.Context(), hook, delivery.Result{Attempts: []delivery.Attempt{{Status: 503}}})
			continue
		case ago == 30:
			events *= 5 // the backlog drains
		}
		s.history.DeliveryFinished(s.t.Context(), hook, delivery.Result{Events: events}, time.Time{}, nil)
	}
	s.clock.behind.Store(0)
}

// TestAccessibility lets axe-core look for violations, of best practices too.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	path := os.Getenv("AUDITLOG_AXE")
	if path == "" {
		needed(t, "AUDITLOG_AXE does not name axe.min.js")
	}
	axe, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			state.make(s)
			for _, user := range []string{"admin", "viewer"} {
				s.signIn(user)
				for _, tab := range tabs {
					for _, scheme := range schemes {
						s.prefer(scheme)
						s.visit(tab)
						s.requireAccessible(string(axe), user+", "+tab+", "+scheme)
					}
				}
			}
			for _, scheme := range schemes {
				s.prefer(scheme)
				s.signIn("operator")
				require.Contains(s.t, s.text("main"), "Page 1 of 3, 101 webhooks")
				s.requireAccessible(string(axe), "list, "+scheme)
			}
			s.signIn("admin")
			s.visit("setup")
			s.run(evaluate("document.querySelectorAll('details').forEach(d => d.open = true)"))
			s.fill("#endpoint", "no address")
			s.click("button.primary")
			s.requireAccessible(string(axe), "errors")
			s.run(chromedp.SetValue(chromedp.CSS("#preset"), "splunk"))
			s.click("button[value=preset]")
			s.requireAccessible(string(axe), "preset")
		})
	}
}

// requireAccessible asserts that axe finds nothing in the page shown.
func (s *setup) requireAccessible(axe, where string) {
	s.t.Helper()
	s.run(evaluate(axe))
	found := see(s, chromedp.Evaluate[string](`axe.run().then(r => JSON.stringify(r.violations.map(
		v => ({id: v.id, help: v.help, nodes: v.nodes.map(n => n.html + " " + n.failureSummary)})), null, 1))`, chromedp.EvalAwaitPromise))
	require.Equal(s.t, "[]", found, where)
}

// TestScreenshots takes a picture of each tab.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("AUDITLOG_SCREENSHOTS")
	if dir == "" {
		t.Skip("AUDITLOG_SCREENSHOTS names no folder")
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, state := range states {
		t.Run(state.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			state.make(s)
			s.signIn("admin")
			for _, size := range []struct {
				name          string
				width, height int64
			}{{"wide", 1280, 900}, {"phone", 390, 844}} {
				for _, scheme := range schemes {
					for _, tab := range tabs {
						s.prefer(scheme)
						s.run(chromedp.EmulateViewport(size.width, size.height))
						s.visit(tab)
						s.picture(filepath.Join(dir, state.name+"-"+tab+"-"+scheme+"-"+size.name+".png"))
					}
				}
			}
			s.prefer("light")
			s.run(chromedp.EmulateViewport(1280, 900))
			s.signIn("operator")
			s.picture(filepath.Join(dir, state.name+"-list.png"))
			s.signIn("admin")
			s.visit("setup")
			s.run(chromedp.SetValue(chromedp.CSS("#preset"), "splunk"))
			s.click("button[value=preset]")
			s.picture(filepath.Join(dir, state.name+"-preset.png"))
			s.click("button.primary")
			s.picture(filepath.Join(dir, state.name+"-errors.png"))
		})
	}
}

func (s *setup) picture(path string) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(path, see(s, chromedp.FullScreenshot(100)), 0o644))
}
