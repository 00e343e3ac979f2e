package console

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/shipper"
)

// deliveries is the tab that shows what became of events.
type deliveries struct {
	Chart    *chart
	Attempts []shipper.Attempt // the newest first
	Letters  []letter
	More     bool // there are more dead letters than are shown
}

// maxLetters bounds the dead letters that are shown.
const maxLetters = 100

// letter is a dead letter as it is shown.
type letter struct {
	shipper.DeadLetter
	Line string // the event as a line of CEF, or why there is none
}

// maxLine bounds what is shown of an event, in bytes.
const maxLine = 2000

func (h *Handler) getDeliveries(c *call, p *page) error {
	if err := h.begin(c, p); err != nil {
		return err
	}
	d := &deliveries{Attempts: p.Status.Attempts}
	slices.Reverse(d.Attempts)
	if h.cfg.History != nil {
		d.Chart = newChart(h.cfg.History.hour(p.Webhook.ID))
	}
	var err error
	d.Letters, d.More, err = h.letters(c.Context(), p.Webhook.ID)
	p.Deliveries = d
	return err
}

// letters returns the first dead letters, and whether there are more.
func (h *Handler) letters(ctx context.Context, id string) (all []letter, more bool, err error) {
	for d, err := range h.cfg.Shipper.DeadLetters(ctx, id) {
		if err != nil {
			return nil, false, err
		}
		if len(all) == maxLetters {
			return all, true, nil
		}
		all = append(all, letter{DeadLetter: d, Line: lineOf(&d)})
	}
	return all, false, nil
}

// lineOf shows a dead letter's event.
func lineOf(d *shipper.DeadLetter) string {
	if d.Err != nil {
		return "The event cannot be read."
	}
	line, err := auditlog.CEF.Append(nil, &d.Event)
	if err != nil {
		if field, ok := errors.AsType[*cef.FieldError](err); ok {
			return "The event cannot be written as a line: " + field.Error() + "."
		}
		return "The event cannot be written as a line."
	}
	if len(line) > maxLine {
		return string(line[:maxLine]) + "…"
	}
	return string(line)
}

func (h *Handler) postDeliveries(c *call, p *page) error {
	id := c.PostForm.Get("letter")
	switch c.PostForm.Get("do") {
	case "redrive":
		return settle(p, "redriven", h.redrive(c, p, id))
	case "purge":
		return settle(p, "purged", h.purge(c, p, id))
	case "redrive-all":
		return settle(p, "all", h.redriveAll(c, p))
	}
	return &failure{status: http.StatusBadRequest, text: "The form could not be read."}
}

// settle goes back to the list, also where the dead letter has gone.
func settle(p *page, notice string, err error) error {
	if errors.Is(err, shipper.ErrNotFound) {
		notice, err = "gone", nil
	}
	if err == nil {
		p.done(notice)
	}
	return err
}

// The event that tells of an act is recorded first: what was deleted without one
// would be gone without a trace.

func (h *Handler) redrive(c *call, p *page, letter string) error {
	if err := h.tell(c, p, "redrive", auditlog.String("dead_letter", letter)); err != nil {
		return err
	}
	return h.cfg.Shipper.Redrive(c.Context(), p.Webhook.ID, letter)
}

func (h *Handler) purge(c *call, p *page, letter string) error {
	if err := h.tell(c, p, "delete", auditlog.String("dead_letter", letter)); err != nil {
		return err
	}
	return h.cfg.Shipper.Purge(c.Context(), p.Webhook.ID, letter)
}

// redriveAll sends all dead letters again that are there now. One that somebody
// else has sent or deleted meanwhile is passed over.
func (h *Handler) redriveAll(c *call, p *page) error {
	var ids []string
	for d, err := range h.cfg.Shipper.DeadLetters(c.Context(), p.Webhook.ID) {
		if err != nil {
			return err
		}
		ids = append(ids, d.ID)
	}
	if len(ids) == 0 {
		return shipper.ErrNotFound
	}
	if err := h.tell(c, p, "redrive", auditlog.Int("cnt", int64(len(ids)))); err != nil {
		return err
	}
	for _, id := range ids {
		err := h.cfg.Shipper.Redrive(c.Context(), p.Webhook.ID, id)
		if err != nil && !errors.Is(err, shipper.ErrNotFound) {
			return err
		}
	}
	return nil
}

// tell records in the webhook's stream who does what with its dead letters. One
// that was deleted takes no events, so that nothing is done to what is left of it.
func (h *Handler) tell(c *call, p *page, action string, about auditlog.Attribute) error {
	_, err := h.cfg.Shipper.Change(c.Context(), p.Webhook.ID, func(w shipper.Webhook) (shipper.Change, error) {
		if !w.Config.Configured() {
			return shipper.Change{}, &failure{status: http.StatusConflict, text: "The webhook is not set up, so that nothing could tell who did this. Set it up first."}
		}
		return shipper.Change{Events: []auditlog.Event{h.event(c, action, deadLetterResource, about)}}, nil
	})
	return err
}
