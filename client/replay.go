package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const replayPath = "/audit-log-replay-job"

// ReplayService is the job that sends past events again, to the webhook that is
// configured when it runs. A region has one, and so has each developer portal.
type ReplayService struct {
	client *Client
	path   string
}

// Get returns the job, how far it has come, or that there is none yet.
func (s *ReplayService) Get(ctx context.Context) (webhook.ReplayJob, error) {
	return answered[webhook.ReplayJob](ctx, s.client.get(s.path))
}

// Start starts a job that sends the events from startAt to endAt again, and
// takes the place of one that does not run yet. While one runs the error
// matches [ErrConflict]. The webhook has to be enabled.
//
// The server judges the range; [webhook.ValidateReplay] does so beforehand.
// Receivers may refuse events of some age or store them under another time:
// package preset knows which.
func (s *ReplayService) Start(ctx context.Context, startAt, endAt time.Time) (webhook.ReplayJob, error) {
	body := webhook.EncodeReplay(startAt, endAt)
	return answered[webhook.ReplayJob](ctx, s.client.write(http.MethodPut, s.path, body))
}

// ErrReplayFailed is the error of a replay job that has failed.
var ErrReplayFailed = errors.New("client: the replay job has failed")

// The waits between looks at a replay job: the first, which doubles, and the
// longest.
const (
	firstLook   = time.Second
	longestLook = 30 * time.Second
)

// Wait returns when the job has ended, and returns it: without an error if it
// has completed, with [ErrReplayFailed] if it has failed. It looks at the job
// at once, after a second, and then at growing intervals up to 30 seconds, and
// soon again where the job has moved on. It calls progress, unless it is nil,
// with what it sees each time.
//
// Where there is no job the error says so. When ctx ends, or a look fails for
// good, Wait returns the job as it was seen last; the job itself goes on.
func (s *ReplayService) Wait(ctx context.Context, progress func(webhook.ReplayJob)) (webhook.ReplayJob, error) {
	var last webhook.ReplayJob
	for wait := firstLook; ; wait = min(2*wait, longestLook) {
		job, err := s.Get(ctx)
		if err != nil {
			return last, err
		}
		if progress != nil {
			progress(job)
		}
		switch {
		case job.Status == webhook.JobFailed:
			return job, ErrReplayFailed
		case job.Status.Ended():
			return job, nil
		case job.Status == webhook.JobUnconfigured:
			return job, errors.New("client: there is no replay job to wait for")
		case job.Status != last.Status:
			wait = firstLook
		}
		last = job
		if err := s.client.clock.Sleep(ctx, wait); err != nil {
			return last, fmt.Errorf("client: the wait for the replay job was stopped: %w", withContextError(ctx, err))
		}
	}
}
