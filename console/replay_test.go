package console_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// job is what is stored of the replay job.
func (s *setup) job() shipper.Replay {
	s.t.Helper()
	job, err := s.shipper.Replay(s.t.Context(), hook)
	require.NoError(s.t, err)
	return job
}

func TestReplay(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	require.NoError(t, s.shipper.Record(t.Context(), hook, event("one"), event("two")))
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	require.Contains(t, s.get(at("replay")).body, "Nothing was replayed yet.")

	before := time.Now()
	a := s.post("replay", url.Values{"range": {"15m"}})
	require.Equal(t, 303, a.code)
	require.Contains(t, a.header.Get("Location"), "done=replay")
	require.Eventually(t, func() bool { return s.job().Job.Status == webhook.JobCompleted }, 10*time.Second, time.Millisecond)
	job := s.job()
	require.WithinDuration(t, before, job.Job.EndAt, time.Minute)
	require.Equal(t, 15*time.Minute, job.Job.EndAt.Sub(job.Job.StartAt))
	require.GreaterOrEqual(t, job.Sent, int64(2))

	a = s.get(at("replay"))
	require.Contains(t, a.body, `<span class="badge good">Completed</span>`)
	require.Contains(t, a.body, "<progress")
	require.Contains(t, a.body, " sent</p>")
	told := false
	for _, e := range s.recorded() {
		told = told || e.Name == "Authz.audit-log-replay-job"
	}
	require.True(t, told)
}

func TestReplayOfACustomRange(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	start := time.Now().UTC().Add(-50 * time.Hour).Truncate(time.Minute)
	end := start.Add(time.Hour)
	a := s.post("replay", url.Values{"range": {"custom"}, "start_at": {start.Format("2006-01-02T15:04")}, "end_at": {end.Format("2006-01-02T15:04")}})
	require.Equal(t, 303, a.code)
	job := s.job()
	require.Equal(t, start, job.Job.StartAt)
	require.Equal(t, end, job.Job.EndAt)
	require.Eventually(t, func() bool { return s.job().Job.Status == webhook.JobCompleted }, 10*time.Second, time.Millisecond)
	require.Contains(t, s.get(at("replay")).body, "There were no events in this range.")
}

func TestReplayErrors(t *testing.T) {
	t.Parallel()
	const old, older = "2020-01-02T03:04", "2020-01-01T03:04"
	tests := []struct {
		name  string
		form  url.Values
		code  int
		field string
		texts []string
	}{
		{"no range", url.Values{}, 400, "", []string{"could not be read"}},
		{"no times", url.Values{"range": {"custom"}}, 422, "start_at", []string{"Enter a date and a time.", `id="end_at-error"`}},
		{"too old", url.Values{"range": {"custom"}, "start_at": {older}, "end_at": {old}}, 422, "start_at", []string{`value="` + older, `value="` + old, `value="custom" checked`}},
		{"in the wrong order", url.Values{"range": {"custom"}, "start_at": {soon(-time.Hour)}, "end_at": {soon(-2 * time.Hour)}}, 422, "", nil},
		{"in the future", url.Values{"range": {"custom"}, "start_at": {soon(0)}, "end_at": {soon(time.Hour)}}, 422, "end_at", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			s.configure()
			a := s.post("replay", tt.form)
			require.Equal(t, tt.code, a.code)
			if tt.field != "" {
				require.Contains(t, a.body, `id="`+tt.field+`-error"`)
			}
			for _, text := range tt.texts {
				require.Contains(t, a.body, text)
			}
			require.Equal(t, webhook.JobUnconfigured, s.job().Job.Status)
		})
	}
}

func soon(d time.Duration) string { return time.Now().UTC().Add(d).Format("2006-01-02T15:04") }

func TestReplayWhileSwitchedOff(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure(func(p *webhook.Patch) { p.Enabled = webhook.Set(false) })
	a := s.get(at("replay"))
	require.Contains(t, a.body, "only while the webhook is enabled")
	require.NotContains(t, a.body, "Send Replay")
	a = s.post("replay", url.Values{"range": {"1h"}})
	require.Equal(t, 422, a.code)
	require.Contains(t, a.body, "Must be true: the webhook is switched off.")
	require.Equal(t, webhook.JobUnconfigured, s.job().Job.Status)
}

func TestReplayWhileOneRuns(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	require.NoError(t, s.shipper.Record(t.Context(), hook, event("one")))
	require.NoError(t, s.shipper.Drain(t.Context(), hook))
	s.siem.Otherwise(konnecttest.Step{Delay: konnecttest.Hang})
	require.Equal(t, 303, s.post("replay", url.Values{"range": {"1h"}}).code)
	require.Eventually(t, func() bool { return s.job().Job.Status == webhook.JobRunning }, 10*time.Second, time.Millisecond)
	first := s.job().Job
	a := s.post("replay", url.Values{"range": {"24h"}})
	require.Equal(t, 409, a.code)
	require.Contains(t, a.body, "A replay is running already.")
	require.Contains(t, a.body, `value="24h" checked`)
	require.Contains(t, a.body, ">Running<")
	require.Equal(t, first.StartAt, s.job().Job.StartAt)
}

func TestReplayToReceiversThatForget(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure(func(p *webhook.Patch) {
		p.Endpoint = webhook.Set("https://http-intake.logs.datadoghq.com/api/v2/logs?dd-api-key=" + secretMark + "key")
	})
	a := s.as("viewer", "GET", at("replay"), nil)
	require.NotContains(t, a.body, "<form")
	a = s.get(at("replay"))
	require.Contains(t, a.body, "The endpoint looks like Datadog Logs: events older than 18 hours are dropped there")
	require.Equal(t, 1, strings.Count(a.body, "The endpoint looks like"))
}
