package status_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/status"
)

// at returns the nth second of the tests' time.
func at(n int) time.Time {
	return time.Date(2023, time.April, 4, 18, 11, 0, 0, time.UTC).Add(time.Duration(n) * time.Second)
}

func attempt(n, code int, message string) status.Attempt {
	return status.Attempt{At: at(n), Code: code, Message: message}
}

// TestTable walks the rows of the documented table, one history each.
func TestTable(t *testing.T) {
	t.Parallel()
	set := status.State{}.Configure(at(0))
	for _, row := range []struct {
		name  string
		state status.State
		want  status.Status
	}{
		{
			"true/active: no attempts made yet",
			set.Enable(),
			status.Status{WebhookEnabled: true, WebhookStatus: status.Active},
		},
		{
			"true/active: last attempt successful",
			set.Enable().AttemptFinished(attempt(1, 200, "")).DeliverySucceeded(at(1)),
			status.Status{LastAttemptAt: at(1), LastResponseCode: 200, WebhookEnabled: true, WebhookStatus: status.Active},
		},
		{
			"true/active: recovered",
			set.Enable().DeliveryFailed(at(1)).AttemptFinished(attempt(2, 204, "")).DeliverySucceeded(at(2)),
			status.Status{LastAttemptAt: at(2), LastResponseCode: 204, WebhookEnabled: true, WebhookStatus: status.Active},
		},
		{
			"true/inactive: last attempt failed",
			set.Enable().AttemptFinished(attempt(1, 401, "Unauthorized")).DeliveryFailed(at(1)),
			status.Status{
				LastAttemptAt: at(1), LastResponseCode: 401, LastResponseMessage: "Unauthorized",
				WebhookEnabled: true, WebhookStatus: status.Inactive,
			},
		},
		{
			"true/inactive: no answer at all",
			set.Enable().AttemptFinished(attempt(1, 0, "connection refused")).DeliveryFailed(at(1)),
			status.Status{
				LastAttemptAt: at(1), LastResponseMessage: "connection refused",
				WebhookEnabled: true, WebhookStatus: status.Inactive,
			},
		},
		{
			"true/inactive: switched off and on again, wants data to resume",
			set.Enable().DeliveryFailed(at(1)).Disable().Enable(),
			status.Status{WebhookEnabled: true, WebhookStatus: status.Inactive},
		},
		{
			"true/inactive: reconfigured, until the next delivery",
			set.Enable().DeliveryFailed(at(1)).Configure(at(2)),
			status.Status{WebhookEnabled: true, WebhookStatus: status.Inactive},
		},
		{
			"false/active: configuration saved, not shipping",
			set,
			status.Status{WebhookStatus: status.Active},
		},
		{
			"false/active: switched off after a success",
			set.Enable().AttemptFinished(attempt(1, 200, "")).DeliverySucceeded(at(1)).Disable(),
			status.Status{LastAttemptAt: at(1), LastResponseCode: 200, WebhookStatus: status.Active},
		},
		{
			"false/inactive: last attempt failed, switched off",
			set.Enable().AttemptFinished(attempt(1, 503, "Service Unavailable")).DeliveryFailed(at(1)).Disable(),
			status.Status{
				LastAttemptAt: at(1), LastResponseCode: 503, LastResponseMessage: "Service Unavailable",
				WebhookStatus: status.Inactive,
			},
		},
		{
			"false/unconfigured: never configured",
			status.State{},
			status.Status{WebhookStatus: status.Unconfigured},
		},
		{
			"false/unconfigured: removed",
			set.Enable().AttemptFinished(attempt(1, 500, "x")).DeliveryFailed(at(1)).Remove(),
			status.Status{WebhookStatus: status.Unconfigured},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, cmp.Diff(row.want, row.state.Status()))
		})
	}
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	on := status.State{}.Configure(at(10)).Enable()
	failing := on.AttemptFinished(attempt(20, 500, "Internal Server Error")).DeliveryFailed(at(20))
	for _, c := range []struct {
		name      string
		got, want status.State
	}{
		{"enabling an unconfigured webhook is ignored", status.State{}.Enable(), status.State{}},
		{"disabling an unconfigured webhook is ignored", status.State{}.Disable(), status.State{}},
		{"an attempt of an unconfigured webhook is ignored", status.State{}.AttemptFinished(attempt(1, 500, "x")), status.State{}},
		{"a success of an unconfigured webhook is ignored", status.State{}.DeliverySucceeded(at(1)), status.State{}},
		{"a failure of an unconfigured webhook is ignored", status.State{}.DeliveryFailed(at(1)), status.State{}},
		{"a removed webhook ignores its late reports", failing.Remove().AttemptFinished(attempt(30, 500, "x")).DeliveryFailed(at(30)), status.State{}},
		{"removing keeps nothing", failing.Remove(), status.State{}},
		{"configuring anew keeps everything", failing.Configure(at(30)), failing},
		{"a failed attempt alone does not turn the webhook", on.AttemptFinished(attempt(20, 500, "x")), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, LastAttempt: attempt(20, 500, "x"),
		}},
		{"a successful attempt alone does not turn it either", failing.AttemptFinished(attempt(21, 200, "")), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, Failing: true, LastDeliveryAt: at(20), LastAttempt: attempt(21, 200, ""),
		}},
		{"a delivery moves no attempt", on.DeliveryFailed(at(20)), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, Failing: true, LastDeliveryAt: at(20),
		}},
		{"a late attempt is ignored", failing.AttemptFinished(attempt(19, 200, "")), failing},
		{"a late success is ignored", failing.DeliverySucceeded(at(19)), failing},
		{"a late failure is ignored", failing.DeliverySucceeded(at(21)).DeliveryFailed(at(20)), failing.DeliverySucceeded(at(21))},
		{"a delivery is compared with deliveries only", on.AttemptFinished(attempt(30, 200, "")).DeliveryFailed(at(20)), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, Failing: true, LastDeliveryAt: at(20), LastAttempt: attempt(30, 200, ""),
		}},
		{"an attempt is compared with attempts only", on.DeliverySucceeded(at(30)).AttemptFinished(attempt(20, 500, "x")), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, LastDeliveryAt: at(30), LastAttempt: attempt(20, 500, "x"),
		}},
		{"of two attempts at one time the later report counts", failing.AttemptFinished(attempt(20, 502, "Bad Gateway")), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, Failing: true, LastDeliveryAt: at(20), LastAttempt: attempt(20, 502, "Bad Gateway"),
		}},
		{"of two deliveries at one time the later report counts", failing.DeliverySucceeded(at(20)), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, LastDeliveryAt: at(20), LastAttempt: failing.LastAttempt,
		}},
		{"a new webhook ignores the attempts of the removed one", failing.Remove().Configure(at(40)).AttemptFinished(attempt(39, 500, "x")), status.State{Configured: true, ConfiguredAt: at(40)}},
		{"a new webhook ignores the failures of the removed one", failing.Remove().Configure(at(40)).DeliveryFailed(at(39)), status.State{Configured: true, ConfiguredAt: at(40)}},
		{"a disabled webhook still hears of attempts under way", on.Disable().DeliveryFailed(at(20)), status.State{
			Configured: true, ConfiguredAt: at(10), Failing: true, LastDeliveryAt: at(20),
		}},
		{"the message of a success is dropped", on.AttemptFinished(attempt(20, 202, "Accepted")), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, LastAttempt: attempt(20, 202, ""),
		}},
		{"the message of a redirect is kept", on.AttemptFinished(attempt(20, 302, "Found")), status.State{
			Configured: true, ConfiguredAt: at(10), Enabled: true, LastAttempt: attempt(20, 302, "Found"),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, cmp.Diff(c.want, c.got))
		})
	}
}

// TestTimesAreWallClock shows that a state does not change by being stored:
// the monotonic reading and the zone of a time are left behind.
func TestTimesAreWallClock(t *testing.T) {
	t.Parallel()
	now := time.Now().In(time.FixedZone("east", 5*3600))
	s := status.State{}.Configure(now).AttemptFinished(status.Attempt{At: now, Code: 500}).DeliveryFailed(now)
	for name, got := range map[string]time.Time{
		"configured": s.ConfiguredAt, "attempt": s.LastAttempt.At, "delivery": s.LastDeliveryAt,
	} {
		require.True(t, got.Equal(now), name)
		require.Equal(t, now.UTC().Round(0), got, name)
	}
	require.Equal(t, s, stored(t, s))
}

// event is one random event of the property test, with what it does to a State.
type event struct {
	kind    string
	at      time.Time
	attempt status.Attempt
}

func (e event) apply(s status.State) status.State {
	switch e.kind {
	case "configure":
		return s.Configure(e.at)
	case "enable":
		return s.Enable()
	case "disable":
		return s.Disable()
	case "remove":
		return s.Remove()
	case "attempt":
		return s.AttemptFinished(e.attempt)
	case "success":
		return s.DeliverySucceeded(e.at)
	case "failure":
		return s.DeliveryFailed(e.at)
	}
	panic("unknown kind " + e.kind)
}

func randomEvent(r *rand.Rand) event {
	kinds := []string{
		"configure", "configure", "enable", "enable", "disable", "remove",
		"attempt", "attempt", "attempt", "success", "success", "failure", "failure",
	}
	e := event{kind: kinds[r.IntN(len(kinds))], at: at(r.IntN(40))}
	if e.kind == "attempt" {
		e.attempt = []status.Attempt{
			{At: e.at, Code: 200},
			{At: e.at, Code: 500, Message: "Internal Server Error"},
			{At: e.at, Message: "connection reset"},
		}[r.IntN(3)]
	}
	return e
}

// expected says what the document must be after a history, from the words of
// the rules and not from a state: it looks at the whole history each time.
func expected(history []event) status.Status {
	born := -1 // the event that configured the webhook there is now
	for i, e := range history {
		switch {
		case e.kind == "remove":
			born = -1
		case e.kind == "configure" && born < 0:
			born = i
		}
	}
	if born < 0 {
		return status.Status{WebhookStatus: status.Unconfigured}
	}
	want := status.Status{WebhookStatus: status.Active}
	var newest time.Time
	for _, e := range history[born+1:] {
		heard := !e.at.Before(history[born].at)
		switch {
		case e.kind == "enable":
			want.WebhookEnabled = true
		case e.kind == "disable":
			want.WebhookEnabled = false
		case e.kind == "attempt" && heard && !e.at.Before(want.LastAttemptAt):
			want.LastAttemptAt, want.LastResponseCode, want.LastResponseMessage = e.at, e.attempt.Code, e.attempt.Message
		case (e.kind == "success" || e.kind == "failure") && heard && !e.at.Before(newest):
			newest = e.at
			want.WebhookStatus = status.Active
			if e.kind == "failure" {
				want.WebhookStatus = status.Inactive
			}
		}
	}
	return want
}

type row struct {
	enabled bool
	status  status.Condition
}

func rows() map[row]bool {
	return map[row]bool{
		{true, status.Active}:        true,
		{true, status.Inactive}:      true,
		{false, status.Active}:       true,
		{false, status.Inactive}:     true,
		{false, status.Unconfigured}: true,
	}
}

// TestRandomHistories drives the machine with random events at random, often
// late and often equal, times. After each event the document must be the one
// the rules ask for, in one of the five rows, and the state must survive being
// stored. All five rows must have been seen.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	allowed, seen := rows(), map[row]bool{}
	for range 200 {
		var s status.State
		var history []event
		for range 40 {
			e := randomEvent(r)
			history = append(history, e)
			before := s
			next := e.apply(s)
			require.Equal(t, before, s, "the machine is not pure")
			s = next

			got := s.Status()
			if diff := cmp.Diff(expected(history), got); diff != "" {
				t.Fatalf("after %+v:\n%s", history, diff)
			}
			at := row{got.WebhookEnabled, got.WebhookStatus}
			require.True(t, allowed[at], "no such row: %+v", at)
			seen[at] = true
			require.Equal(t, s, stored(t, s))
		}
	}
	require.Equal(t, allowed, seen)
}

// TestOrderOfReportsDoesNotMatter shuffles reports of different times: the
// document is the same whatever the order in which they come in.
func TestOrderOfReportsDoesNotMatter(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var reports []event
		for n := range 12 {
			for e := randomEvent(r); ; e = randomEvent(r) {
				if e.kind == "attempt" || e.kind == "success" || e.kind == "failure" {
					e.at, e.attempt.At = at(n), at(n)
					reports = append(reports, e)
					break
				}
			}
		}
		run := func() status.Status {
			s := status.State{}.Configure(at(r.IntN(3) - 3)).Enable()
			for _, e := range reports {
				s = e.apply(s)
			}
			return s.Status()
		}
		inOrder := run()
		r.Shuffle(len(reports), func(i, j int) { reports[i], reports[j] = reports[j], reports[i] })
		require.Equal(t, inOrder, run(), "reports in the order %+v", reports)
	}
}

// TestAnyStateIsInTheTable gives the machine states that it cannot reach, as a
// damaged store might: even so no document outside the table comes out.
func TestAnyStateIsInTheTable(t *testing.T) {
	t.Parallel()
	allowed := rows()
	for _, configured := range []bool{false, true} {
		for _, enabled := range []bool{false, true} {
			for _, failing := range []bool{false, true} {
				s := status.State{Configured: configured, Enabled: enabled, Failing: failing}.Status()
				require.True(t, allowed[row{s.WebhookEnabled, s.WebhookStatus}], "%+v", s)
			}
		}
	}
}

// stored returns the state as a store would give it back.
func stored(t *testing.T, s status.State) status.State {
	t.Helper()
	data, err := json.Marshal(s)
	require.NoError(t, err)
	var back status.State
	require.NoError(t, json.Unmarshal(data, &back))
	return back
}

// TestStoredForm pins the member names: stores keep them.
func TestStoredForm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		state status.State
		want  string
	}{
		{"zero", status.State{}, `{"configured":false,"enabled":false,"failing":false}`},
		{
			"full",
			status.State{}.Configure(at(0)).Enable().AttemptFinished(attempt(1, 503, "Service Unavailable")).DeliveryFailed(at(1)),
			`{"configured":true,"configured_at":"2023-04-04T18:11:00Z","enabled":true,"failing":true,` +
				`"last_delivery_at":"2023-04-04T18:11:01Z",` +
				`"last_attempt":{"at":"2023-04-04T18:11:01Z","code":503,"message":"Service Unavailable"}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.state)
			require.NoError(t, err)
			require.Equal(t, c.want, string(data))
		})
	}
}
