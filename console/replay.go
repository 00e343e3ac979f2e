package console

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/preset"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// replay is the tab on which events of the past are sent again.
type replay struct {
	Job shipper.Replay

	// Range is the range that is chosen, Start and End what was typed of one's
	// own, in UTC.
	Range      string
	Start, End string

	// Errors are what is wrong, by the names of the fields.
	Errors map[string]string

	// Receivers are those that the endpoint may be one of and that drop old
	// events.
	Receivers []preset.Preset
}

// spans are the ranges to choose from, all of which end now.
var spans = []span{
	{"15m", "15 minutes", 15 * time.Minute},
	{"1h", "1 hour", time.Hour},
	{"3h", "3 hours", 3 * time.Hour},
	{"6h", "6 hours", 6 * time.Hour},
	{"12h", "12 hours", 12 * time.Hour},
	{"24h", "24 hours", 24 * time.Hour},
}

type span struct {
	Name, Label string
	length      time.Duration
}

// custom is the range whose ends are typed.
const custom = "custom"

// typed is how a browser sends times: those of a form are in UTC.
const typed = "2006-01-02T15:04"

// Spans are the ranges to choose from.
func (*replay) Spans() []span { return spans }

// Done is how many events the job is through with.
func (r *replay) Done() int64 { return r.Job.Sent + r.Job.Refused }

// Class is what the badge of the job looks like.
func (r *replay) Class() string {
	switch r.Job.Job.Status {
	case webhook.JobCompleted:
		return "good"
	case webhook.JobFailed:
		return "bad"
	}
	return "new"
}

// State is the job's status in one word.
func (r *replay) State() string {
	text := sentence(string(r.Job.Job.Status))
	return text[:len(text)-1]
}

func (h *Handler) getReplay(c *call, p *page) error {
	if err := h.loadReplay(c, p); err != nil {
		return err
	}
	p.Replay.Range = spans[1].Name
	now := c.now.Truncate(time.Minute).Add(time.Minute) // the present minute is part of it
	p.Replay.Start, p.Replay.End = now.Add(-time.Hour).Format(typed), now.Format(typed)
	return nil
}

// loadReplay fills in what the tab shows beside its form.
func (h *Handler) loadReplay(c *call, p *page) error {
	if err := h.begin(c, p); err != nil {
		return err
	}
	job, err := h.cfg.Shipper.Replay(c.Context(), p.Webhook.ID)
	if err != nil {
		return err
	}
	cfg, err := h.cfg.Shipper.Get(c.Context(), p.Webhook.ID)
	if err != nil && !unreadable(err) {
		return err
	}
	p.Status.Unreadable = err != nil
	p.Replay = &replay{Job: job, Receivers: forgetful(cfg)}
	return nil
}

// forgetful returns the receivers that drop old events and whose endpoints look
// like the webhook's.
func forgetful(cfg webhook.Config) []preset.Preset {
	if !cfg.Configured() {
		return nil
	}
	return slices.DeleteFunc(preset.All(), func(p preset.Preset) bool {
		if p.ReplayAge == 0 {
			return true
		}
		wrong, ok := errors.AsType[*webhook.ValidationError](p.Check(cfg.Endpoint, cfg.Authorization, format(cfg)))
		return ok && slices.ContainsFunc(wrong.Parameters, func(q webhook.InvalidParameter) bool { return q.Field == "endpoint" })
	})
}

func (h *Handler) postReplay(c *call, p *page) error {
	r := &replay{
		Range: c.PostForm.Get("range"), Start: c.PostForm.Get("start_at"), End: c.PostForm.Get("end_at"),
		Errors: map[string]string{},
	}
	start, end, ok := r.times(c.now)
	if !ok && len(r.Errors) == 0 {
		return &failure{status: http.StatusBadRequest, text: "The form could not be read."}
	}
	var err error
	if ok {
		told := h.event(c, "create", replayResource,
			auditlog.String("start_at", start.Format(time.RFC3339)), auditlog.String("end_at", end.Format(time.RFC3339)))
		_, err = h.cfg.Shipper.StartReplay(c.Context(), p.Webhook.ID, start, end, told)
		if err == nil {
			p.done("replay")
			return nil
		}
	}
	wrong, invalid := errors.AsType[*webhook.ValidationError](err)
	switch {
	case invalid:
		for _, q := range wrong.Parameters {
			r.Errors[q.Field] = sentence(q.Reason)
		}
		p.code = http.StatusUnprocessableEntity
		p.Problem = r.Errors["enabled"]
	case errors.Is(err, shipper.ErrReplayRunning):
		p.Problem = "A replay is running already. Wait until it has ended."
		p.code = http.StatusConflict
	case unreadable(err):
		p.code = http.StatusConflict
	case err != nil:
		return err
	default: // what was typed is no time
		p.code = http.StatusUnprocessableEntity
	}
	if err := h.loadReplay(c, p); err != nil {
		return err
	}
	r.Job, r.Receivers = p.Replay.Job, p.Replay.Receivers
	p.Replay = r
	return nil
}

// times returns the range that was chosen. Where what was typed is no time, it
// says so in the errors.
func (r *replay) times(now time.Time) (start, end time.Time, ok bool) {
	for _, s := range spans {
		if s.Name == r.Range {
			return now.Add(-s.length), now, true
		}
	}
	if r.Range != custom {
		return start, end, false
	}
	for _, f := range []struct {
		name, text string
		time       *time.Time
	}{{"start_at", r.Start, &start}, {"end_at", r.End, &end}} {
		var err error
		if *f.time, err = time.Parse(typed, f.text); err != nil {
			r.Errors[f.name] = "Enter a date and a time."
		}
	}
	return start, end, len(r.Errors) == 0
}
