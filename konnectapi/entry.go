package konnectapi

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// entryTypes are the types of entries by the kind of the event. Events of no
// kind have no place in the list.
var entryTypes = map[auditlog.Kind]webhook.EntryType{
	auditlog.KindAuthentication: webhook.AuthenticationEntry,
	auditlog.KindAuthorization:  webhook.AuthorizationEntry,
	auditlog.KindAccess:         webhook.GatewayAccessEntry,
}

// happened is when an event happened, by its own word if it has one.
func happened(r *shipper.Recorded) time.Time {
	if at, ok := r.Event.Get("rt"); ok {
		if ms, err := strconv.ParseInt(at.String(), 10, 64); err == nil {
			if t := time.UnixMilli(ms).UTC(); t.Year() >= 0 && t.Year() <= 9999 { // others cannot be written
				return t
			}
		}
	}
	if !r.Event.Time.IsZero() {
		return r.Event.Time.UTC()
	}
	return r.Time.UTC()
}

// entry is the event as the list shows it.
func entry(r *shipper.Recorded) webhook.Entry {
	event := &r.Event
	text := func(key string) string {
		v, _ := event.Get(key)
		return v.String()
	}
	optional := func(key string) webhook.Optional[string] {
		if v, ok := event.Get(key); ok {
			return webhook.Set(v.String())
		}
		return webhook.Optional[string]{}
	}
	e := webhook.Entry{
		Type: entryTypes[event.Kind()], Time: happened(r), Signature: text(auditlog.SignatureKey),
		OrgID: optional("org_id"), PrincipalID: optional("principal_id"), ActorID: optional("actor_id"),
		ClientIP: optional("src"), URI: optional("request"), UserAgent: optional("user_agent"),
		TraceID: optional("trace_id"), PortalID: optional("portal_id"),
	}
	switch e.Type {
	case webhook.AuthorizationEntry:
		e.Service, e.Resource = event.ClassID, strings.TrimPrefix(event.Name, "Authz.")
		e.Action, e.Granted = text("action"), text("granted") == "true"
	case webhook.GatewayAccessEntry:
		e.Method, e.Query = text("act"), text("query")
		status, _ := strconv.ParseInt(text("status"), 10, 32)
		e.StatusCode = int(status)
	case webhook.AuthenticationEntry:
		e.Successful = text("success") == "true"
		e.Outcome = known(event.Name, "AUTHENTICATION_OUTCOME_", outcomes)
		e.AuthenticationType = known(event.ClassID, "AUTHENTICATION_TYPE_", authenticationTypes)
	}
	return e
}

// What the list may say of an authentication. Clients that were generated fail
// on anything else.
var (
	outcomes            = []string{"invalid", "success", "not_found", "invalid_password", "locked", "disabled", "token_expired"}
	authenticationTypes = []string{"invalid", "basic", "sso", "pat", "spat", "google", "github", "windowslive", "federated"}
)

// known returns the word for a name, "invalid" if there is none.
func known(name, prefix string, words []string) string {
	word := strings.ToLower(strings.TrimPrefix(name, prefix))
	if !slices.Contains(words, word) {
		word = ""
	}
	return cmp.Or(word, words[0])
}
