package konnectapi

import (
	"cmp"

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
		next, err := old.Config.Apply(patch, h.cfg.Clock.Now())
		if err != nil {
			return shipper.Change{}, err
		}
		change := shipper.Change{Patch: patch}
		fields := differences(old.Config, next)
		if len(fields) > 0 {
			change.Events = h.event(c, "update", "audit-log-webhook", fields)
		}
		if !sendsTo(old.Config, next) {
			// What the destination says is no more what the webhook does.
			change.Label = webhook.Set("")
		}
		return change, nil
	})
	return w.Config, err
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

// sendsTo reports whether two configurations send the same to the same place.
func sendsTo(a, b webhook.Config) bool {
	b.Enabled = a.Enabled
	return len(differences(a, b)) == 0
}
