package shipper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// MaxAttempts is how many attempts the delivery log of a webhook has.
const MaxAttempts = 100

// Attempt is an entry of a webhook's delivery log: one HTTP request.
type Attempt struct {
	Time     time.Time
	Duration time.Duration
	Code     int // the HTTP status; 0 if there was no answer
	Events   int
	Bytes    int    // of the body before compression
	Batch    string // the Webhook-Id
	Reason   string // why it failed, with the beginning of the answer
}

// OK reports whether the attempt delivered its batch.
func (a Attempt) OK() bool { return a.Code >= 200 && a.Code <= 299 }

// progress is what is stored with a stream besides the events: what became of
// deliveries. It is JSON, a line break, then the attempts, which are many and
// change with each of them, in a form that costs less.
type progress struct {
	Version  int          `json:"version"`
	Webhook  string       `json:"webhook"` // as stored.created
	Status   status.State `json:"status"`  // Configured is true: whether it is, the configuration knows
	Skipped  time.Time    `json:"skipped,omitzero"`
	Hold     *hold        `json:"hold,omitempty"`
	Suspects []suspect    `json:"suspects,omitempty"`
	Attempts []Attempt    `json:"-"` // the oldest first
}

const progressVersion = 1

// hold is a webhook whose endpoint has failed.
type hold struct {
	Since    time.Time     `json:"since"`
	Until    time.Time     `json:"until"` // the next probe
	Interval time.Duration `json:"interval"`
	Change   string        `json:"change"` // that made the configuration that failed
	Reason   string        `json:"reason"`
}

// suspect is an event that was refused alone, while it is not known whether the
// endpoint takes others.
type suspect struct {
	Batch    string         `json:"batch"`
	Position store.Position `json:"position"`
	Refused  time.Time      `json:"refused"` // first
	Change   string         `json:"change"`  // as of a hold
	Code     int            `json:"code"`
	Reason   string         `json:"reason"`
}

// newProgress is that of a webhook to which nothing was sent.
func newProgress(webhook string) progress {
	return progress{Version: progressVersion, Webhook: webhook, Status: status.State{Configured: true}}
}

// parseProgress reads the status of a stream.
func parseProgress(id string, data []byte) (progress, error) {
	if data == nil {
		return newProgress(""), nil
	}
	head, attempts, _ := bytes.Cut(data, []byte("\n"))
	var p progress
	if err := json.Unmarshal(head, &p); err != nil {
		return progress{}, fmt.Errorf("shipper: the stored status of webhook %q is malformed: %w", id, err)
	}
	if p.Version != progressVersion {
		return progress{}, fmt.Errorf("shipper: the stored status of webhook %q has version %d; this program reads %d", id, p.Version, progressVersion)
	}
	var err error
	if p.Attempts, err = parseAttempts(attempts); err != nil {
		return progress{}, fmt.Errorf("shipper: the stored status of webhook %q: %w", id, err)
	}
	return p, nil
}

// encode returns the stored form.
func (p *progress) encode() []byte {
	data, err := json.Marshal(p)
	if err != nil { // its times are those of a clock
		panic(err)
	}
	return appendAttempts(append(data, '\n'), p.Attempts)
}

// clone returns a copy that later changes do not touch.
func (p *progress) clone() progress {
	c := *p
	c.Suspects, c.Attempts = slices.Clone(p.Suspects), slices.Clone(p.Attempts)
	return c
}

// of forgets what belongs to another configuration, and everything of a webhook
// that was deleted.
func (p *progress) of(st *stored) {
	if p.Webhook != st.created {
		*p = newProgress(st.created)
	}
	if p.Hold != nil && p.Hold.Change != st.change {
		p.Hold = nil
	}
	p.Suspects = slices.DeleteFunc(p.Suspects, func(x suspect) bool { return x.Change != st.change })
}

// keep forgets the suspects that retention has taken, or that were acknowledged.
func (p *progress) keep(all []store.Frozen) {
	p.Suspects = slices.DeleteFunc(p.Suspects, func(x suspect) bool {
		return !slices.ContainsFunc(all, func(f store.Frozen) bool { return f.ID == x.Batch && !f.Acked })
	})
}

// attempt adds an attempt to the log and the status.
func (p *progress) attempt(r delivery.Result) {
	last := r.Last()
	p.Status = p.Status.AttemptFinished(status.Attempt{At: last.Time, Code: last.Status, Message: message(last)})
	a := Attempt{
		Time: last.Time.UTC().Round(0), Duration: last.Duration, Code: last.Status,
		Events: r.Events, Bytes: r.Bytes, Batch: r.BatchID,
	}
	if !last.OK() {
		a.Reason = reason(last)
	}
	if len(p.Attempts) >= MaxAttempts {
		p.Attempts = slices.Delete(p.Attempts, 0, len(p.Attempts)-MaxAttempts+1)
	}
	p.Attempts = append(p.Attempts, a)
}

// message is what the status document says of an attempt.
func message(a delivery.Attempt) string {
	if text := http.StatusText(a.Status); a.Err == nil && text != "" {
		return text
	}
	return a.String()
}

// reason is why an attempt failed, with the beginning of the answer.
func reason(a delivery.Attempt) string {
	if a.Snippet == "" {
		return a.String()
	}
	return a.String() + ": " + a.Snippet
}
