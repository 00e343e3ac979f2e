package shipper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Replay is a replay job and how far it has come: see [Shipper.StartReplay].
type Replay struct {
	Job webhook.ReplayJob

	// Total is how many events the job is about, 0 until it is running.
	Total int64

	// Sent is how many of them the endpoint took, Refused how many it refused
	// alone, while it took others, or could not be encoded.
	Sent    int64
	Refused int64

	// Reason is why the job has failed, or why the endpoint takes nothing now.
	Reason string
}

// StartReplay begins to send the webhook's events again that were recorded from
// start to end, both included, whether they were delivered or not. Only one job
// at a time is kept for a webhook: while it has not begun to send it is
// replaced, while it is running the error is [ErrReplayRunning].
//
// A job is accepted, then pending while its events are counted, then running,
// at last completed or failed. It goes on after a restart. Its batches have ids
// of their own, which they keep over restarts, and go to the webhook as it is
// configured when they are sent, beside the live events: neither waits for the
// other, and the job moves neither the status nor the delivery log. While the
// endpoint takes nothing the job is held and probed like a webhook, and fails
// after Config.ReplayPatience; a change of the configuration releases it, and
// a webhook that is switched off makes it fail. Batches that are refused with
// a 400, 413 or 422 are split. An event that is refused alone is passed over,
// but 16 of them in a row make the job fail.
//
// Events given are recorded in the webhook's stream, to tell who began it.
//
// Errors: [*webhook.ValidationError] for a range that is not within the last
// seven days (see [webhook.ValidateReplay]), and for a webhook that is not
// switched on; ErrReplayRunning; [*EventError]; those of the store.
func (s *Shipper) StartReplay(ctx context.Context, id string, start, end time.Time, events ...auditlog.Event) (Replay, error) {
	if err := s.begin(ctx, id); err != nil {
		return Replay{}, err
	}
	for recorded := false; ; {
		old, err := s.loadReplay(ctx, id)
		if err != nil {
			return Replay{}, err
		}
		now := s.cfg.Clock.Now().UTC()
		if err := webhook.ValidateReplay(start, end, now); err != nil {
			return old.public(), err
		}
		if old.Status == webhook.JobRunning {
			return old.public(), ErrReplayRunning
		}
		if !recorded {
			if err := s.recordReplay(ctx, id, events); err != nil {
				return old.public(), err
			}
			recorded = true
		}
		next := &replayJob{
			Version: replayVersion, ID: delivery.NewID(), StartAt: start.UTC(), EndAt: end.UTC(),
			Status: webhook.JobAccepted, revision: old.revision,
		}
		// The name first: whoever is handed it waits for the job, for some time. So a job
		// that is stored does not stay without somebody who works on it where this
		// process dies, or the write is done though it returned an error.
		began := time.Now()
		if err := s.callReplay(ctx, id, next.ID); err != nil {
			return old.public(), err
		}
		err = s.putReplay(ctx, id, next)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if time.Since(began) > recently/2 { // the name may be gone when the job is there
			s.callReplayLater(id, next.ID)
		}
		if err != nil {
			return old.public(), err
		}
		_ = s.store.Wake(ctx, replayStreams+id) // without it the job is found a second later
		return next.public(), nil
	}
}

// recordReplay records the events, if the webhook is switched on.
func (s *Shipper) recordReplay(ctx context.Context, id string, events []auditlog.Event) error {
	_, err := s.Change(ctx, id, func(w Webhook) (Change, error) {
		if !w.Config.Enabled {
			return Change{}, invalid("enabled", "must be true: the webhook is switched off")
		}
		return Change{Events: events}, nil
	})
	return err
}

// Replay returns the webhook's last replay job, an unconfigured one if there
// was none.
func (s *Shipper) Replay(ctx context.Context, id string) (Replay, error) {
	if err := s.begin(ctx, id); err != nil {
		return Replay{}, err
	}
	job, err := s.loadReplay(ctx, id)
	return job.public(), err
}

const (
	// replayJobs is what the keys of the jobs' documents begin with.
	replayJobs = "replay/"

	// replayStreams is what the names of the streams begin with by which the
	// store hands jobs out to one process at a time: their only events are the
	// names of jobs.
	replayStreams = "$replay/"
)

// replayJob is how a job is stored.
type replayJob struct {
	Version   int               `json:"version"`
	ID        string            `json:"id"`
	StartAt   time.Time         `json:"start_at"`
	EndAt     time.Time         `json:"end_at"`
	Status    webhook.JobStatus `json:"status"`
	UpdatedAt time.Time         `json:"updated_at"`
	Total     int64             `json:"total,omitzero"`
	Sent      int64             `json:"sent,omitzero"`
	Refused   int64             `json:"refused,omitzero"`
	Reason    string            `json:"reason,omitzero"`

	// Next is the position of the next event, End is behind the last one.
	Next store.Position `json:"next,omitzero"`
	End  store.Position `json:"end,omitzero"`

	// Batches are frozen: the first one begins at Next, each other one where
	// the one before ends.
	Batches []replayBatch `json:"batches,omitempty"`

	// InARow is how many events were refused alone, one after the other.
	InARow int `json:"in_a_row,omitzero"`

	// Failing is set while the endpoint takes nothing.
	Failing *replayHold `json:"failing,omitempty"`

	revision uint64
}

type replayBatch struct {
	ID  string         `json:"id"`
	End store.Position `json:"end"` // behind its last event
}

type replayHold struct {
	Since    time.Time     `json:"since"`
	Until    time.Time     `json:"until"`    // when the next probe is due
	Interval time.Duration `json:"interval"` // until then
	Change   string        `json:"change"`   // that made the configuration
}

const replayVersion = 1

// public is what others are shown.
func (j *replayJob) public() Replay {
	if j == nil {
		return Replay{}
	}
	return Replay{
		Job:   webhook.ReplayJob{StartAt: j.StartAt, EndAt: j.EndAt, Status: j.Status, UpdatedAt: j.UpdatedAt},
		Total: j.Total, Sent: j.Sent, Refused: j.Refused, Reason: j.Reason,
	}
}

// loadReplay reads the webhook's job: a new unconfigured one if there is none.
func (s *Shipper) loadReplay(ctx context.Context, id string) (*replayJob, error) {
	doc, err := s.store.Get(ctx, replayJobs+id)
	if errors.Is(err, store.ErrNotFound) {
		return &replayJob{Status: webhook.JobUnconfigured}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseReplay(id, doc)
}

func parseReplay(id string, doc store.Document) (*replayJob, error) {
	job := &replayJob{revision: doc.Revision}
	if err := json.Unmarshal(doc.Value, job); err != nil {
		return nil, fmt.Errorf("shipper: the stored replay job of webhook %q is malformed: %w", id, err)
	}
	if job.Version != replayVersion {
		return nil, fmt.Errorf("shipper: the stored replay job of webhook %q has version %d; this program reads %d", id, job.Version, replayVersion)
	}
	return job, nil
}

// putReplay stores the job if it still has the revision.
func (s *Shipper) putReplay(ctx context.Context, id string, job *replayJob) error {
	job.UpdatedAt = s.cfg.Clock.Now().UTC()
	value, err := json.Marshal(job)
	if err != nil {
		return err
	}
	revision, err := s.store.Put(ctx, replayJobs+id, value, job.revision)
	if err == nil {
		job.revision = revision
	}
	return err
}

// callReplay gives the store the webhook's job to hand out. A second name does no
// harm.
func (s *Shipper) callReplay(ctx context.Context, id, name string) error {
	_, err := s.store.Append(ctx, replayStreams+id, delivery.NewID(), store.Block{[]byte(name)})
	return err
}

// callReplayLater does so without waiting for it, however long the store fails.
func (s *Shipper) callReplayLater(id, name string) {
	s.chores.add("replay/"+name, func(ctx context.Context) bool {
		err := s.callReplay(ctx, id, name)
		if err == nil || s.ended(err) {
			return true
		}
		s.cfg.Logger.ErrorContext(ctx, "a replay job cannot be handed out", "webhook", id, "error", err)
		return false
	})
}

// resuming returns the chore of a start: see resumeReplays. What fails is tried
// again less and less often.
func (s *Shipper) resuming() chore {
	var due time.Time
	wait := retryStore
	return func(ctx context.Context) bool {
		if time.Now().Before(due) {
			return false
		}
		err := s.resumeReplays(ctx)
		if err == nil || s.ended(err) {
			return true
		}
		s.cfg.Logger.ErrorContext(ctx, "replay jobs cannot be resumed", "error", err)
		due, wait = time.Now().Add(wait), min(2*wait, s.cfg.ProbeMax)
		return false
	}
}

// resumeReplays hands the jobs out whose names were lost, as a store on a single
// server can lose the last events with its power. Its error tells of all that it
// could not look at.
func (s *Shipper) resumeReplays(ctx context.Context) error {
	var errs []error
	for doc, err := range s.store.List(ctx, replayJobs) {
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		id := strings.TrimPrefix(doc.Key, replayJobs)
		job, err := parseReplay(id, doc)
		if err != nil {
			s.cfg.Logger.ErrorContext(ctx, "a replay job cannot be resumed", "webhook", id, "error", err)
			continue // it is of a later version
		}
		if job.Status.Ended() {
			continue
		}
		state, err := s.store.State(ctx, replayStreams+id)
		if err == nil && state.Events == 0 {
			err = s.callReplay(ctx, id, job.ID)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("webhook %q: %w", id, err))
		}
	}
	return errors.Join(errs...)
}
