package shipper

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
	GaveUp   uint64       `json:"gave_up,omitzero"` // the stored.drain that failed: it is not sent any more
	Trials   int          `json:"trials,omitzero"`  // events that may be refused before the webhook is held; 0 before the first
	Attempts []Attempt    `json:"-"`                // the oldest first
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

	since int // number of the first flight of this session that began afterwards
}

// What is kept of texts, in bytes, so that a status stays below
// store.MaxDocument however much endpoints say.
const (
	maxReason  = 512
	maxSuspect = 128 // of the reason of a suspect: there may be many
)

// clip shortens a text to about n bytes of UTF-8.
func clip(s string, n int) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
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
	var head bytes.Buffer
	enc := json.NewEncoder(&head)
	enc.SetEscapeHTML(false)              // answers are often HTML
	if err := enc.Encode(p); err != nil { // its times are those of a clock
		panic(err)
	}
	return appendAttempts(head.Bytes(), p.Attempts) // Encode adds the line break
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

// until moves times of the future to now: they come from a clock that was set
// back, and would keep the status as it is until the clock has caught up.
func (p *progress) until(now time.Time) {
	for _, at := range [...]*time.Time{&p.Status.LastAttempt.At, &p.Status.LastDeliveryAt} {
		if at.After(now) {
			*at = now
		}
	}
}

// keep forgets the suspects that retention has taken, or that were acknowledged.
func (p *progress) keep(all []store.Frozen) {
	p.Suspects = slices.DeleteFunc(p.Suspects, func(x suspect) bool {
		return !slices.ContainsFunc(all, func(f store.Frozen) bool { return f.ID == x.Batch && !f.Acked })
	})
	if len(p.Suspects) == 0 {
		p.Trials = 0
	}
}

const (
	// fewestTrials is how many events may be refused alone, one after the other,
	// before the webhook is held. With each probe it doubles, up to mostTrials.
	fewestTrials = 2
	mostTrials   = 128

	// manySuspects is from when on each probe tries only one event more, and
	// maxSuspects from when on no more of them are noted: then retention has to
	// make room.
	manySuspects = 1000
	maxSuspects  = 1500
)

// try sets the number of trials if none has begun, and reports whether it did:
// then one suspect is tried again.
func (p *progress) try() bool {
	if p.Trials > 0 {
		return false
	}
	n := len(p.Suspects)
	p.Trials = max(fewestTrials, min(n, mostTrials, manySuspects-n))
	return true
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
	return clip(a.String(), maxReason)
}

// reason is why an attempt failed, with the beginning of the answer.
func reason(a delivery.Attempt) string {
	text := a.String()
	if a.Snippet != "" {
		text += ": " + a.Snippet
	}
	return clip(text, maxReason)
}
