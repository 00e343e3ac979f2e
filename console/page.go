package console

import (
	"errors"
	"net/url"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
)

// page is what the templates show.
type page struct {
	Site    string
	User    User
	Tab     string // the last segment of its path
	Many    bool   // there are other webhooks
	Webhook Webhook
	Status  *statusView

	// Done names what a form has done, in the address.
	Done string

	// Problem tells why a form did nothing.
	Problem string

	Setup      *setup
	Replay     *replay
	Deliveries *deliveries
	List       *list

	// Heading and Text are those of an answer that is no page.
	Heading string
	Text    string

	code     int    // the status of the answer; 200 if 0
	location string // to go to instead
}

func (p *page) template() string {
	if p.Tab == "" {
		return "index.html"
	}
	return p.Tab + ".html"
}

// Admin tells whether the user may change the webhook.
func (p *page) Admin() bool { return p.Webhook.Role == Admin }

// Link is the address of a tab of the webhook.
func (p *page) Link(tab string) string {
	return tab + "?" + url.Values{"webhook": {p.Webhook.ID}}.Encode()
}

// doneTexts are what the page says of a form that did what it was sent for.
var doneTexts = map[string]string{
	"saved":    "Saved. It applies to everything that was not sent yet.",
	"same":     "Nothing was changed.",
	"removed":  "The configuration was removed. Events that wait are kept; set the webhook up anew.",
	"redriven": "The event waits for delivery again.",
	"all":      "The events wait for delivery again.",
	"purged":   "The event was deleted.",
	"gone":     "That event is not here any more: somebody else has sent or deleted it.",
	"replay":   "The replay was accepted.",
}

// DoneText tells what a form has done.
func (p *page) DoneText() string { return doneTexts[p.Done] }

// statusView is where a webhook stands.
type statusView struct {
	shipper.Report

	// Unreadable tells that the stored configuration cannot be opened.
	Unreadable bool
}

// Badge is the status in one word.
func (s *statusView) Badge() string {
	switch {
	case s.Status.WebhookStatus == status.Unconfigured:
		return "Unconfigured"
	case !s.Status.WebhookEnabled:
		return "Disabled"
	case s.Status.WebhookStatus == status.Inactive:
		return "Inactive"
	}
	return "Active"
}

// Class is what the badge looks like.
func (s *statusView) Class() string {
	return map[string]string{"Active": "good", "Inactive": "bad", "Disabled": "off", "Unconfigured": "new"}[s.Badge()]
}

// Lost is how many events were lost unsent and not told yet.
func (s *statusView) Lost() (n int64) {
	for _, gap := range s.Gaps {
		n += gap.Events
	}
	return n
}

// report finds out where the webhook stands.
func (h *Handler) report(c *call, id string) (*statusView, error) {
	r, err := h.cfg.Shipper.Report(c.Context(), id)
	if err != nil {
		return nil, err
	}
	return &statusView{Report: r}, nil
}

// begin fills in what each tab shows.
func (h *Handler) begin(c *call, p *page) (err error) {
	p.Done = c.URL.Query().Get("done")
	p.Status, err = h.report(c, p.Webhook.ID)
	return err
}

// unreadable tells that a stored configuration cannot be opened.
func unreadable(err error) bool {
	_, ok := errors.AsType[*shipper.KeyError](err)
	return ok
}
