package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/internal/redact"
	"github.com/seed-6bcf82c5/auditlog/preset"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// setup is the tab on which a webhook is configured.
type setup struct {
	form

	// Origin is all of the endpoint that those see who may only look.
	Origin string

	// Authorized tells that an authorization is saved.
	Authorized bool

	// Bound names the destination that the webhook is bound to, if it is.
	Bound string

	// Conflict is what was saved by somebody else since the form was loaded.
	Conflict *form

	Presets []preset.Preset
	Chosen  *preset.Preset

	Test *testResult
}

// testTimeout bounds how long a page waits for a receiver.
const testTimeout = 25 * time.Second

func (h *Handler) getSetup(c *call, p *page) error {
	w, err := h.loadSetup(c, p)
	if err != nil {
		return err
	}
	p.Setup.form = formOf(w.Config)
	if !w.Config.Configured() { // what most people set up a webhook for
		p.Setup.Enabled = true
	}
	return nil
}

// loadSetup fills in what the tab shows beside its form.
func (h *Handler) loadSetup(c *call, p *page) (shipper.Webhook, error) {
	if err := h.begin(c, p); err != nil {
		return shipper.Webhook{}, err
	}
	w, err := h.cfg.Shipper.Webhook(c.Context(), p.Webhook.ID)
	if unreadable(err) {
		p.Status.Unreadable, err = true, nil
	}
	p.Setup = &setup{
		Origin: originOf(w.Config.Endpoint), Authorized: !w.Config.Authorization.IsZero(), Bound: w.Label,
		Presets: preset.All(),
	}
	return w, err
}

func originOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" {
		return ""
	}
	return redact.Endpoint(u)
}

func (h *Handler) postSetup(c *call, p *page) error {
	switch c.PostForm.Get("do") {
	case "save":
		return h.save(c, p)
	case "test":
		return h.test(c, p)
	case "preset":
		return h.choose(c, p)
	case "remove":
		return h.remove(c, p)
	}
	return &failure{status: http.StatusBadRequest, text: "The form could not be read."}
}

// errConflict tells that somebody else has changed the configuration.
var errConflict = errors.New("the configuration was changed meanwhile")

func (h *Handler) save(c *call, p *page) error {
	f := parseForm(c.PostForm)
	same := false
	w, err := h.cfg.Shipper.Change(c.Context(), p.Webhook.ID, func(old shipper.Webhook) (shipper.Change, error) {
		patch := f.patch(old.Config)
		if err := f.check(h.cfg.Shipper, old.Config, patch); err != nil {
			return shipper.Change{}, err
		}
		next, err := old.Config.Apply(patch, c.now)
		if err != nil {
			return shipper.Change{}, err
		}
		change := shipper.Change{Patch: patch, Events: h.changed(c, old.Config, next)}
		if same = len(change.Events) == 0; same {
			return shipper.Change{}, nil
		}
		if f.Version != version(old.Config) {
			return shipper.Change{}, errConflict
		}
		if old.Label != "" && !onlyEnabled(old.Config, next) {
			change.Label = webhook.Set("") // it does no more what the destination says
		}
		return change, nil
	})
	if err == nil {
		if same {
			p.done("same")
		} else {
			p.done("saved")
		}
		return nil
	}
	wrong, invalid := errors.AsType[*webhook.ValidationError](err)
	switch {
	case invalid:
		f.setErrors(wrong)
		p.code = http.StatusUnprocessableEntity
	case errors.Is(err, errConflict):
		p.code = http.StatusConflict
	case errors.Is(err, shipper.ErrNoKey):
		f.Errors = map[string]string{"authorization": "This service has no key to keep an authorization with. Its operator must give it one."}
		p.code = http.StatusUnprocessableEntity
	case unreadable(err):
		p.code = http.StatusConflict
	default:
		return err
	}
	if _, err := h.loadSetup(c, p); err != nil {
		return err
	}
	if p.code == http.StatusConflict && !p.Status.Unreadable {
		saved := formOf(w.Config)
		p.Setup.Conflict, f.Version = &saved, saved.Version
	}
	p.Setup.restore(f)
	return nil
}

// restore shows the form as it was sent, but for the authorization.
func (s *setup) restore(f form) {
	s.form = f
	s.Lost = !f.authorization.IsZero()
	s.authorization = webhook.Secret{}
	if chosen, ok := preset.Get(f.Preset); ok {
		s.Chosen = &chosen
	}
}

// choose fills the form with what a receiver takes.
func (h *Handler) choose(c *call, p *page) error {
	if _, err := h.loadSetup(c, p); err != nil {
		return err
	}
	f := parseForm(c.PostForm)
	f.fill()
	p.Setup.restore(f)
	return nil
}

// remove deletes a configuration that cannot be opened, which nothing else can
// be done with.
func (h *Handler) remove(c *call, p *page) error {
	if _, err := h.cfg.Shipper.Webhook(c.Context(), p.Webhook.ID); err == nil {
		p.done("same")
		return nil
	} else if !unreadable(err) {
		return err
	}
	err := h.cfg.Shipper.Delete(c.Context(), p.Webhook.ID, h.event(c, "delete", webhookResource))
	if err == nil {
		p.done("removed")
	}
	return err
}

// testResult is what became of a test event.
type testResult struct {
	OK       bool
	Code     int
	Duration time.Duration
	Reason   string // why there was no answer
	Snippet  string // of the answer
	Advice   string
	Unsaved  bool // what was typed differs from what was tested
}

// test sends a test event by the configuration that is saved.
func (h *Handler) test(c *call, p *page) error {
	ctx, cancel := context.WithTimeout(c.Context(), testTimeout)
	defer cancel()
	result, err := h.cfg.Shipper.Test(ctx, p.Webhook.ID)
	failed, isDelivery := errors.AsType[*delivery.Error](err)
	w, loadErr := h.loadSetup(c, p)
	if loadErr != nil {
		return loadErr
	}
	f := parseForm(c.PostForm)
	switch {
	case err == nil || isDelivery:
		p.Setup.Test = resultOf(result, failed)
		p.Setup.Test.Unsaved = !f.patch(w.Config).IsZero()
	case errors.Is(err, shipper.ErrUnconfigured):
		p.Problem = "Save an endpoint first: there is nowhere to send a test event to."
		p.code = http.StatusConflict
	case unreadable(err):
		p.code = http.StatusConflict
	default:
		return err
	}
	p.Setup.restore(f)
	return nil
}

func resultOf(result delivery.Result, failed *delivery.Error) *testResult {
	last := result.Last()
	t := &testResult{OK: failed == nil, Code: last.Status, Duration: last.Duration, Snippet: last.Snippet}
	if last.Err != nil {
		t.Reason = last.Err.Error()
	}
	if failed != nil && t.Reason == "" && last.Status == 0 {
		t.Reason = failed.Error()
	}
	t.Advice = advice(last.Status, failed)
	return t
}
