package konnectapi

import (
	"cmp"
	"slices"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The webhook as version 2 shows it: with an endpoint of its own, or what it has
// from the destination that it is bound to, which the label of the Shipper's
// webhook names.

func (h *Handler) getWebhook(c *call) (any, error) {
	w, err := h.cfg.Shipper.Webhook(c.Context(), c.stream)
	return w.Config, err
}

func (h *Handler) updateWebhook(c *call) (any, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	patch, err := webhook.DecodePatch(body)
	if err != nil {
		return nil, err
	}
	w, err := h.cfg.Shipper.Change(c.Context(), c.stream, func(old shipper.Webhook) (shipper.Change, error) {
		change, fields, err := h.change(c, old, patch)
		if slices.ContainsFunc(fields, func(field string) bool { return field != "enabled" }) {
			change.Label = webhook.Set("") // it does no more what the destination says
		}
		return change, err
	})
	return w.Config, err
}

// change makes a patch a change that is recorded, and names the fields that it
// changes.
func (h *Handler) change(c *call, old shipper.Webhook, patch webhook.Patch) (shipper.Change, []string, error) {
	next, err := old.Config.Apply(patch, h.cfg.Clock.Now())
	if err != nil {
		return shipper.Change{}, nil, err
	}
	change, fields := shipper.Change{Patch: patch}, differences(old.Config, next)
	if len(fields) > 0 {
		change.Events = h.event(c, "update", webhookResource, fields, "")
	}
	return change, fields, nil
}

func (h *Handler) getStatus(c *call) (any, error) {
	return h.cfg.Shipper.Status(c.Context(), c.stream)
}

// differences names the members in which two configurations differ.
func differences(a, b webhook.Config) []string {
	var fields []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"endpoint", a.Endpoint == b.Endpoint},
		{"authorization", a.Authorization.Equal(b.Authorization)},
		{"log_format", cmp.Or(a.LogFormat, webhook.CEF) == cmp.Or(b.LogFormat, webhook.CEF)},
		{"skip_ssl_verification", a.SkipSSLVerification == b.SkipSSLVerification},
		{"enabled", a.Enabled == b.Enabled},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	return fields
}
