package webhook_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestReplayJobJSON(t *testing.T) {
	t.Parallel()
	job := webhook.ReplayJob{StartAt: before(), EndAt: before().Add(time.Hour), Status: webhook.JobRunning, UpdatedAt: before().Add(2 * time.Hour)}
	for _, c := range []struct {
		name, json string
		job        webhook.ReplayJob
	}{
		{
			"none yet", `{"start_at":"0001-01-01T00:00:00Z","end_at":"0001-01-01T00:00:00Z","status":"unconfigured","updated_at":"0001-01-01T00:00:00Z"}`,
			webhook.ReplayJob{Status: webhook.JobUnconfigured},
		},
		{"running", `{"start_at":"2023-04-01T00:00:01Z","end_at":"2023-04-01T01:00:01Z","status":"running","updated_at":"2023-04-01T02:00:01Z"}`, job},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.job)
			require.NoError(t, err)
			require.Equal(t, c.json, string(data))
			var back webhook.ReplayJob
			require.NoError(t, json.Unmarshal(data, &back))
			require.Empty(t, cmp.Diff(c.job, back))
		})
	}
	data, err := json.Marshal(webhook.ReplayJob{})
	require.NoError(t, err)
	require.Contains(t, string(data), `"status":"unconfigured"`)

	for _, lenient := range []string{`{}`, `{"status":null,"start_at":null}`, `{"start_at":"0001-01-01T00:00:0Z","end_at":"0001-01-01T00:00:0Z","updated_at":"0001-01-01T00:00:0Z"}`} {
		got := job
		require.NoError(t, json.Unmarshal([]byte(lenient), &got))
		require.Empty(t, cmp.Diff(webhook.ReplayJob{Status: webhook.JobUnconfigured}, got), lenient)
	}
	for _, bad := range []string{`[]`, `{"status":1}`, `{"start_at":"x"}`, `{"end_at":"x"}`, `{"updated_at":"x"}`} {
		got := job
		require.ErrorContains(t, json.Unmarshal([]byte(bad), &got), "webhook: ")
		require.Empty(t, cmp.Diff(job, got), "an error changes nothing")
	}
}

func TestJobStatusEnded(t *testing.T) {
	t.Parallel()
	for status, want := range map[webhook.JobStatus]bool{
		webhook.JobUnconfigured: false, webhook.JobAccepted: false, webhook.JobPending: false, webhook.JobRunning: false,
		webhook.JobCompleted: true, webhook.JobFailed: true, "paused": false,
	} {
		require.Equal(t, want, status.Ended(), status)
	}
}

func TestValidateReplay(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	now := before()
	for _, c := range []struct {
		name       string
		start, end time.Duration // from now
		want       string
	}{
		{"a day", -24 * time.Hour, 0, ""},
		{"an instant", -time.Hour, -time.Hour, ""},
		{"all that is kept, with clocks a minute apart", -week - time.Minute, time.Minute, ""},
		{"too early", -week - time.Minute - time.Second, 0, "webhook: start_at: must be within the last 7 days"},
		{"too late", -time.Hour, time.Minute + time.Second, "webhook: end_at: must not be in the future"},
		{"the wrong way round", -time.Hour, -2 * time.Hour, "webhook: end_at: must not be before start_at"},
		{"all of it", 3 * time.Hour, 2 * time.Hour, "webhook: end_at: must not be in the future; end_at: must not be before start_at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := webhook.ValidateReplay(now.Add(c.start), now.Add(c.end), now)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
}

func TestReplayBody(t *testing.T) {
	t.Parallel()
	start, end := before().In(time.FixedZone("", 7200)), before().Add(1500*time.Millisecond)
	body := webhook.EncodeReplay(start, end)
	require.Equal(t, `{"start_at":"2023-04-01T00:00:01Z","end_at":"2023-04-01T00:00:02.5Z"}`, string(body))
	gotStart, gotEnd, err := webhook.DecodeReplay(body)
	require.NoError(t, err)
	require.True(t, gotStart.Equal(start))
	require.True(t, gotEnd.Equal(end))

	for _, c := range []struct{ name, body, want string }{
		{"empty", ``, "webhook: end_at: cannot be blank; start_at: cannot be blank"},
		{"null", `{"start_at":null,"end_at":"2023-04-01T00:00:01Z"}`, "webhook: start_at: cannot be blank"},
		{"no times", `{"start_at":"yesterday","end_at":1680307201}`, "webhook: start_at: must be a date and time after RFC 3339; end_at: must be a date and time after RFC 3339"},
		{"read-only", `{"start_at":"2023-04-01T00:00:01Z","end_at":"2023-04-01T00:00:01Z","status":"running"}`, "webhook: status: is not a known property"},
		{"no object", `[]`, "webhook: body: request format is invalid"},
	} {
		start, end, err := webhook.DecodeReplay([]byte(c.body))
		require.EqualError(t, err, c.want, c.name)
		require.True(t, start.IsZero() || end.IsZero(), c.name)
	}
}
