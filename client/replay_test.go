package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// jobs are steps that answer with a job of each of the statuses.
func jobs(statuses ...string) []http.HandlerFunc {
	var steps []http.HandlerFunc
	for _, s := range statuses {
		steps = append(steps, answer(200, `{"status":"`+s+`"}`))
	}
	return steps
}

func TestWait(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		statuses []string
		waits    []float64
		err      string
	}{
		{"done already", []string{"completed"}, nil, ""},
		{"step by step", []string{"accepted", "pending", "running", "completed"}, []float64{1, 1, 1}, ""},
		{
			"long", []string{"running", "running", "running", "running", "running", "running", "running", "running", "completed"},
			[]float64{1, 2, 4, 8, 16, 30, 30, 30}, "",
		},
		{"soon again where it has moved on", []string{"pending", "pending", "pending", "running", "running", "completed"}, []float64{1, 2, 4, 1, 2}, ""},
		{"a status of tomorrow", []string{"paused", "completed"}, []float64{1}, ""},
		{"failed", []string{"running", "failed"}, []float64{1}, "client: the replay job has failed"},
		{"none", []string{"unconfigured"}, nil, "client: there is no replay job to wait for"},
		{"gone", []string{"running", "unconfigured"}, []float64{1}, "client: there is no replay job to wait for"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, jobs(c.statuses...)...)
			var seen []string
			job, err := api.client.Replay.Wait(t.Context(), func(job webhook.ReplayJob) { seen = append(seen, string(job.Status)) })
			require.Equal(t, c.statuses, seen)
			require.Equal(t, c.waits, api.clock.seconds())
			require.Equal(t, webhook.JobStatus(c.statuses[len(c.statuses)-1]), job.Status)
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.err)
			require.Equal(t, c.name == "failed", errors.Is(err, client.ErrReplayFailed))
		})
	}
}

func TestWaitWithoutProgress(t *testing.T) {
	t.Parallel()
	p, err := serve(t, jobs("running", "completed")...).client.Portal(portalID)
	require.NoError(t, err)
	job, err := p.Replay.Wait(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, webhook.JobCompleted, job.Status)
}

func TestWaitEndsWithAnError(t *testing.T) {
	t.Parallel()
	api := serve(t, append(jobs("running"), answer(503, ``), answer(200, `{"status":"pending"}`), answer(403, ``))...)
	job, err := api.client.Replay.Wait(t.Context(), nil)
	require.ErrorIs(t, err, client.ErrForbidden)
	require.Equal(t, webhook.JobPending, job.Status, "as it was seen last")
	require.Equal(t, []float64{1, 1, 1}, api.clock.seconds(), "a wait, a retry, a wait")
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	stopping := errors.New("the service is stopping")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(stopping) })
		c := withTransport(t, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"status":"running"}`))}, nil
		})
		start := time.Now()
		job, err := c.Replay.Wait(ctx, nil)
		require.ErrorIs(t, err, stopping)
		require.ErrorIs(t, err, context.Canceled)
		require.EqualError(t, err, "client: the wait for the replay job was stopped: context canceled: the service is stopping")
		require.Equal(t, webhook.JobRunning, job.Status)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}
