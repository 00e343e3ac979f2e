package console

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// EventService is the event class id of the events that tell of changes. It is
// that of package konnectapi.
const EventService = "audit-log-management"

// ChangedFieldsKey is the key of their attribute that names the settings that
// were changed, with commas between them.
const ChangedFieldsKey = "changed_fields"

// What the events are about.
const (
	webhookResource    = "audit-log-webhook"
	replayResource     = "audit-log-replay-job"
	deadLetterResource = "audit-log-dead-letter"
)

// maxText bounds what an event repeats of a request's header, in bytes.
const maxText = 512

// event returns the event that tells who does what. Values are not in it: some
// are secret.
func (h *Handler) event(c *call, action, resource string, extra ...auditlog.Attribute) auditlog.Event {
	agent := c.UserAgent()
	view := auditlog.Authorization{
		Time: c.now, Service: EventService, Resource: resource, Action: action, Granted: true,
		Source: c.user.Source, OrgID: c.user.Tenant, PrincipalID: c.user.Principal,
		UserAgent: strings.ToValidUTF8(agent[:min(len(agent), maxText)], ""), Extra: extra,
	}
	if c.user.PrincipalName != "" {
		view.PrincipalName = &c.user.PrincipalName
	}
	e := view.Event()
	source := &h.cfg.Source
	e.Host, e.Vendor, e.Product, e.Version = source.Host, source.Vendor, source.Product, source.Version
	return e
}

// changed returns the event that tells of a change of the configuration, none if
// nothing changes.
func (h *Handler) changed(c *call, old, next webhook.Config) []auditlog.Event {
	var fields []string
	for _, f := range []struct {
		name string
		same bool
	}{
		{"endpoint", old.Endpoint == next.Endpoint},
		{"authorization", old.Authorization.Equal(next.Authorization)},
		{"log_format", format(old) == format(next)},
		{"skip_ssl_verification", old.SkipSSLVerification == next.SkipSSLVerification},
		{"enabled", old.Enabled == next.Enabled},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return []auditlog.Event{h.event(c, "update", webhookResource, auditlog.String(ChangedFieldsKey, strings.Join(fields, ",")))}
}

// logRefusal logs an answer that is not a page.
func logRefusal(logger *slog.Logger, c *call, f *failure) {
	level := slog.LevelInfo
	if f.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	logger.Log(c.Context(), level, "a request to the console was refused",
		"status", f.status, "method", c.Method, "principal", c.user.Principal, "error", f.cause)
}
