package console_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/console"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// bury makes dead letters of events of these names: each is refused alone, then
// another one is taken.
func (s *setup) bury(names ...string) []shipper.DeadLetter {
	s.t.Helper()
	for _, name := range names {
		s.siem.Script(konnecttest.Step{Status: 422, Body: "no such field"})
		require.NoError(s.t, s.shipper.Record(s.t.Context(), hook, event(name), event("taken after "+name)))
		require.NoError(s.t, s.shipper.Drain(s.t.Context(), hook))
	}
	return s.letters()
}

func (s *setup) letters() []shipper.DeadLetter {
	s.t.Helper()
	var all []shipper.DeadLetter
	for d, err := range s.shipper.DeadLetters(s.t.Context(), hook) {
		require.NoError(s.t, err)
		all = append(all, d)
	}
	return all
}

// did returns what the events of the management tell about dead letters.
func (s *setup) did() []string {
	var all []string
	for _, e := range s.recorded() {
		if e.Name == "Authz.audit-log-dead-letter" {
			action, _ := e.Get("action")
			all = append(all, action.String())
		}
	}
	return all
}

func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	a := s.get(at("deliveries"))
	require.Equal(t, 200, a.code)
	requireSafe(t, a)
	require.Contains(t, a.body, "No attempt has been made yet.")
	require.Contains(t, a.body, "Nothing was accepted or sent in the last hour.")
	require.Contains(t, a.body, "None. Events that the receiver refuses")

	s.configure()
	s.bury("<b>bad & ugly</b>")
	a = s.get(at("deliveries"))
	require.Equal(t, 200, a.code)
	require.Contains(t, a.body, `>422 Unprocessable Entity<span class="detail">no such field</span><`)
	require.Contains(t, a.body, ">200 OK<")
	require.Contains(t, a.body, "&lt;b&gt;bad &amp; ugly&lt;/b&gt;")
	require.NotContains(t, a.body, "<b>bad")
	require.Contains(t, a.body, "no such field")
	require.Contains(t, a.body, "CEF:0|Example|Test|1|test|")
	require.Contains(t, a.body, `aria-label="Events by the minute in the last hour: 2 accepted, 1 delivered, 1 failed attempt`)
	require.Contains(t, a.body, `<rect class="failed"`)
	require.Equal(t, 2, strings.Count(a.body, `<td class="time">`))
	require.NotContains(t, a.body, "Send all again", "there is one only")
}

func TestRedrive(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	letters := s.bury("bad")
	require.Len(t, letters, 1)

	redrive := url.Values{"do": {"redrive"}, "letter": {letters[0].ID}}
	a := s.post("deliveries", redrive)
	require.Equal(t, 303, a.code)
	require.Equal(t, "deliveries?done=redriven&webhook=acme%2Feu", a.header.Get("Location"))
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	require.Empty(t, s.letters())
	require.Equal(t, []string{"redrive"}, s.did())
	names := map[string]bool{}
	for _, e := range s.siem.Events() {
		names[e.Name] = true
	}
	require.True(t, names["bad"])

	a = s.post("deliveries", redrive)
	require.Contains(t, a.header.Get("Location"), "done=gone")
}

func TestRedriveAll(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	require.Len(t, s.bury("one", "two", "three"), 3)
	require.Contains(t, s.get(at("deliveries")).body, "Send all again")

	require.Contains(t, s.post("deliveries", url.Values{"do": {"redrive-all"}}).header.Get("Location"), "done=all")
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	require.Empty(t, s.letters())
	require.Len(t, s.siem.Events(), 7, "three taken at once, three sent again, and what tells who did it")
	require.Equal(t, []string{"redrive"}, s.did())
	require.Contains(t, s.post("deliveries", url.Values{"do": {"redrive-all"}}).header.Get("Location"), "done=gone")
}

func TestPurge(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	letters := s.bury("bad")
	a := s.post("deliveries", url.Values{"do": {"purge"}, "letter": {letters[0].ID}})
	require.Contains(t, a.header.Get("Location"), "done=purged")
	require.Empty(t, s.letters())
	require.Equal(t, []string{"delete"}, s.did())
	require.Contains(t, s.post("deliveries", url.Values{"do": {"purge"}, "letter": {"x"}}).header.Get("Location"), "done=gone")
}

// What is left of a webhook that was deleted stays until it can be told who has done
// what with it.
func TestLettersOfADeletedWebhook(t *testing.T) {
	t.Parallel()
	for _, do := range []string{"redrive", "purge", "redrive-all"} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.configure()
			letters := s.bury("bad")
			require.Len(t, letters, 1)
			require.NoError(t, s.shipper.Delete(t.Context(), hook))
			form := url.Values{"do": {do}, "letter": {letters[0].ID}}
			a := s.post("deliveries", form)
			require.Equal(t, 409, a.code)
			require.Contains(t, a.body, "The webhook is not set up")
			require.Len(t, s.letters(), 1)
			require.Empty(t, s.did())

			s.configure()
			require.Equal(t, 303, s.post("deliveries", form).code)
			require.Len(t, s.did(), 1)
		})
	}
}

func TestManyLetters(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	letter := []byte(`{"version":1,"recorded":"2026-01-02T03:04:05Z","refused":"2026-01-02T03:04:06Z","code":413,"reason":"too large","batch":"b"}` + "\nx")
	for _, i := range "abcdefghijklmnopqrstuvwxyz" {
		for _, j := range "abcd" {
			_, err := s.store.Put(t.Context(), "dead/7/"+hook+"/"+string(i)+string(j), letter, 0)
			require.NoError(t, err)
		}
	}
	a := s.get(at("deliveries"))
	require.Equal(t, 100, strings.Count(a.body, `value="redrive"`))
	require.Contains(t, a.body, "100+")
	require.Contains(t, a.body, "The event cannot be read.")
	require.Contains(t, a.body, "There are more.")
}

func TestStatusOfAnOutage(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	s.siem.Otherwise(konnecttest.Step{Status: 401, Body: "unknown token " + authorization})
	require.NoError(t, s.shipper.Record(t.Context(), hook, event("one"), event("two")))
	_, err := s.siem.WaitRequests(t.Context(), 1)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		r, err := s.shipper.Report(context.Background(), hook)
		return err == nil && !r.NextProbe.IsZero()
	}, 10*time.Second, time.Millisecond)
	for _, tab := range tabs {
		a := s.get(at(tab))
		require.Contains(t, a.body, ">Inactive<")
		require.Contains(t, a.body, "sending is switched on and will be resumed")
		require.Contains(t, a.body, "401 Unauthorized")
		require.Contains(t, a.body, "2 events")
		require.Contains(t, a.body, "failing since")
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	clock := &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	history := console.NewHistory(clock)
	s := newSetup(t, func(o *options) {
		o.console = func(c *console.Config) { c.History = history }
	})
	ctx := t.Context()
	ok := delivery.Result{Events: 5, Attempts: []delivery.Attempt{{Status: 200}}}
	refused := delivery.Result{Events: 5, Attempts: []delivery.Attempt{{Status: 500}}}
	history.Recorded(ctx, hook, 1200, 1, 0)
	history.Recorded(ctx, "other", 7, 1, 0)
	clock.now = clock.now.Add(59 * time.Minute)
	history.AttemptFinished(ctx, hook, ok)
	history.AttemptFinished(ctx, hook, refused)
	history.DeliveryFinished(ctx, hook, ok, time.Time{}, nil)
	history.DeliveryFinished(ctx, hook, refused, time.Time{}, errors.New("refused"))
	require.Contains(t, s.get(at("deliveries")).body, ": 1,200 accepted, 5 delivered, 1 failed attempt, at most 1,200 events a minute")

	clock.now = clock.now.Add(time.Minute)
	require.Contains(t, s.get(at("deliveries")).body, ": 0 accepted, 5 delivered, 1 failed attempt", "the first minute has gone")

	clock.now = clock.now.Add(2 * time.Hour)
	history.Recorded(ctx, "other", 7, 1, 0) // which forgets the rest
	require.Contains(t, s.get(at("deliveries")).body, "Nothing was accepted or sent in the last hour.")
}

func TestNoHistory(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(o *options) { o.console = func(c *console.Config) { c.History = nil } })
	require.NotContains(t, s.get(at("deliveries")).body, "Last hour")
}

// clock stands still.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time                           { return c.now }
func (*clock) Sleep(context.Context, time.Duration) error { return nil }

var _ store.Clock = (*clock)(nil)
