package konnectapi

import (
	"strings"

	"github.com/seed-6bcf82c5/auditlog"
)

// EventService is the event class id of the events that tell of changes.
const EventService = "audit-log-management"

// ChangedFieldsKey is the key of their attribute that names the members that
// were changed, with commas between them.
const ChangedFieldsKey = "changed_fields"

// maxText bounds what an event repeats of a request's header, in bytes.
const maxText = 512

// event returns the event that tells who changes which fields of what. Values
// are not in it: some are secret.
func (h *Handler) event(c *call, action, resource string, fields []string, destinationID string) []auditlog.Event {
	source := &h.cfg.Source
	now := h.cfg.Clock.Now().UTC()
	view := auditlog.Authorization{
		Time: now, Service: EventService, Resource: resource, Action: action, Granted: true,
		Source: c.caller.Source, OrgID: c.caller.Tenant, PrincipalID: c.caller.Principal,
		TraceID: c.traceID(), UserAgent: cut(c.UserAgent()),
	}
	if c.caller.PrincipalName != "" {
		view.PrincipalName = &c.caller.PrincipalName
	}
	if c.portal != "" {
		view.Extra = append(view.Extra, auditlog.String("portal_id", c.portal))
	}
	if destinationID != "" {
		view.Extra = append(view.Extra, auditlog.String("audit_log_destination_id", destinationID))
	}
	if len(fields) > 0 {
		view.Extra = append(view.Extra, auditlog.String(ChangedFieldsKey, strings.Join(fields, ",")))
	}
	e := view.Event()
	e.Host, e.Vendor, e.Product, e.Version = source.Host, source.Vendor, source.Product, source.Version
	return []auditlog.Event{e}
}

func cut(text string) string { return strings.ToValidUTF8(text[:min(len(text), maxText)], "") }
