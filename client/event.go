package client

import (
	"slices"
	"strings"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// UnverifiedSignatureKey is the key of the attribute in which [Event] keeps the
// signature of an entry that was pulled. It is not [auditlog.SignatureKey], so
// that the event, and every line made of it, counts as unsigned: which bytes
// the signature of a pulled entry covers is documented nowhere, and nothing can
// verify it.
const UnverifiedSignatureKey = "unverified_signature"

// Event makes an event of an entry that was pulled, under the names that
// delivered lines have: client_ip becomes src, uri request, method act,
// status_code status, successful success, ts the time and rt, service the
// event class id. The severity follows from the outcome, as it does in
// delivered lines, and the product is Dev-Portal where there is a portal_id.
//
// It is not the line that a webhook gets:
//
//   - The signature moves to [UnverifiedSignatureKey].
//   - The name of an authorization event is "Authz." and the resource as it
//     stands in the entry, a KRN. Lines have a path there; how one becomes the
//     other is documented nowhere.
//   - principal_name and kong_initiated are not in entries.
//   - An attribute that lines always have is empty where the entry lacks it.
//     What lines of a kind do not have, such as the request of an
//     authorization, comes last.
//
// An entry of a type that is not known becomes an event with the type as its
// name and class id, and the severity Unknown.
func Event(e webhook.Entry) auditlog.Event {
	var event auditlog.Event
	switch e.Type {
	case webhook.AuthenticationEntry:
		event = authentication(e)
	case webhook.AuthorizationEntry:
		event = authorization(e)
	case webhook.GatewayAccessEntry:
		event = access(e)
	default:
		event = unknown(e)
	}
	if e.Signature != "" {
		event.Attributes = append(event.Attributes, auditlog.String(UnverifiedSignatureKey, e.Signature))
	}
	return event
}

func authentication(e webhook.Entry) auditlog.Event {
	var portal *string
	if id, ok := e.PortalID.Get(); ok {
		portal = &id
	}
	return auditlog.Authentication{
		Time:        e.Time,
		ReceivedAt:  e.Time,
		Type:        auditlog.AuthenticationType(strings.ToUpper(e.AuthenticationType)),
		Outcome:     auditlog.Outcome(strings.ToUpper(e.Outcome)),
		Source:      text(e.ClientIP),
		Request:     text(e.URI),
		Success:     e.Successful,
		OrgID:       text(e.OrgID),
		PortalID:    portal,
		PrincipalID: text(e.PrincipalID),
		TraceID:     text(e.TraceID),
		UserAgent:   text(e.UserAgent),
	}.Event()
}

func authorization(e webhook.Entry) auditlog.Event {
	view := auditlog.Authorization{
		Time:        e.Time,
		ReceivedAt:  e.Time,
		Service:     e.Service,
		Resource:    e.Resource,
		Source:      text(e.ClientIP),
		Action:      e.Action,
		Granted:     e.Granted,
		OrgID:       text(e.OrgID),
		PrincipalID: text(e.PrincipalID),
		TraceID:     text(e.TraceID),
		UserAgent:   text(e.UserAgent),
	}
	if id, ok := e.ActorID.Get(); ok {
		view.ActorID = &id
	}
	if uri, ok := e.URI.Get(); ok {
		view.Extra = append(view.Extra, auditlog.String("request", uri))
	}
	event := view.Event()
	addPortal(&event, e)
	return event
}

func access(e webhook.Entry) auditlog.Event {
	event := auditlog.Access{
		Time:        e.Time,
		ReceivedAt:  e.Time,
		Source:      text(e.ClientIP),
		Request:     text(e.URI),
		Method:      e.Method,
		Status:      e.StatusCode,
		OrgID:       text(e.OrgID),
		PrincipalID: text(e.PrincipalID),
		UserAgent:   text(e.UserAgent),
		TraceID:     text(e.TraceID),
		Query:       e.Query,
	}.Event()
	insertAfter(&event, "principal_id", "actor_id", e.ActorID)
	addPortal(&event, e)
	return event
}

func unknown(e webhook.Entry) auditlog.Event {
	event := access(e) // for its header and its first attributes
	event.ClassID, event.Name, event.Severity = string(e.Type), string(e.Type), cef.SeverityUnknown
	event.Attributes = event.Attributes[:1:1]
	for _, a := range []struct {
		key   string
		value webhook.Optional[string]
	}{
		{"src", e.ClientIP},
		{"request", e.URI},
		{"org_id", e.OrgID},
		{"portal_id", e.PortalID},
		{"principal_id", e.PrincipalID},
		{"actor_id", e.ActorID},
		{"trace_id", e.TraceID},
		{"user_agent", e.UserAgent},
	} {
		if value, ok := a.value.Get(); ok {
			event.Attributes = append(event.Attributes, auditlog.String(a.key, value))
		}
	}
	return event
}

// addPortal makes the event one of a developer portal, if the entry is.
func addPortal(event *auditlog.Event, e webhook.Entry) {
	if !e.PortalID.IsZero() {
		event.Product = auditlog.PortalProduct
		insertAfter(event, "org_id", "portal_id", e.PortalID)
	}
}

// insertAfter inserts an attribute, if it has a value, behind the one of the
// key before.
func insertAfter(event *auditlog.Event, before, key string, value webhook.Optional[string]) {
	v, ok := value.Get()
	if !ok {
		return
	}
	place := 1 + slices.IndexFunc(event.Attributes, func(a auditlog.Attribute) bool { return a.Key == before })
	event.Attributes = slices.Insert(event.Attributes, place, auditlog.String(key, v))
}

// text returns the value, empty if there is none.
func text(value webhook.Optional[string]) string {
	v, _ := value.Get()
	return v
}
