package webhook

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// EntryType is the kind of an [Entry].
type EntryType string

// The types of entries. Delivered lines call gateway access just access.
const (
	AuthenticationEntry EntryType = "authentication"
	AuthorizationEntry  EntryType = "authorization"
	GatewayAccessEntry  EntryType = "gateway_access"
)

// Entry is an entry of the audit log as the management API hands it out on
// request (version 3). The names differ from those of the lines that are
// delivered to webhooks; package client makes an event of an Entry.
//
// In JSON the members are those that Konnect's OpenAPI file gives the type:
// required ones always, the others if they are set. Decoding tolerates missing
// and unknown members, unknown types, and values of another simple type than
// documented, of which no digit is lost.
type Entry struct {
	Type EntryType
	// Time is when it happened.
	Time time.Time
	// Signature is what the entry was signed with. Which bytes it signs is
	// documented nowhere, so it cannot be verified.
	Signature string

	// Of each type; in some an answer may leave them out.
	OrgID       Optional[string] // organization
	PrincipalID Optional[string] // who did it
	ActorID     Optional[string] // on whose behalf; not of authentication
	ClientIP    Optional[string]
	URI         Optional[string] // path of the request
	UserAgent   Optional[string]
	TraceID     Optional[string]
	PortalID    Optional[string] // developer portal

	// Of authorization.
	Service  string // that checked
	Resource string // a KRN, Kong's name of a resource
	Action   string
	Granted  bool

	// Of gateway access.
	Method     string
	Query      string
	StatusCode int // of the HTTP answer

	// Of authentication.
	AuthenticationType string // such as "sso"
	Outcome            string // such as "invalid_password"
	Successful         bool
}

// entryAnswer is the wire form of an Entry.
type entryAnswer struct {
	Type               EntryType        `json:"type"`
	Time               string           `json:"ts"`
	Signature          string           `json:"signature"`
	OrgID              Optional[string] `json:"org_id,omitzero"`
	PrincipalID        Optional[string] `json:"principal_id,omitzero"`
	ActorID            Optional[string] `json:"actor_id,omitzero"`
	ClientIP           Optional[string] `json:"client_ip,omitzero"`
	URI                Optional[string] `json:"uri,omitzero"`
	UserAgent          Optional[string] `json:"user_agent,omitzero"`
	TraceID            Optional[string] `json:"trace_id,omitzero"`
	PortalID           Optional[string] `json:"portal_id,omitzero"`
	Service            Optional[string] `json:"service,omitzero"`
	Resource           Optional[string] `json:"resource,omitzero"`
	Action             Optional[string] `json:"action,omitzero"`
	Granted            Optional[bool]   `json:"granted,omitzero"`
	Method             Optional[string] `json:"method,omitzero"`
	Query              Optional[string] `json:"query,omitzero"`
	StatusCode         Optional[int]    `json:"status_code,omitzero"`
	AuthenticationType Optional[string] `json:"authentication_type,omitzero"`
	Outcome            Optional[string] `json:"outcome,omitzero"`
	Successful         Optional[bool]   `json:"successful,omitzero"`
}

// MarshalJSON implements [json.Marshaler]. Times are RFC 3339 in UTC.
func (e Entry) MarshalJSON() ([]byte, error) {
	a := entryAnswer{
		Type:        e.Type,
		Time:        formatTime(e.Time),
		Signature:   e.Signature,
		OrgID:       e.OrgID,
		PrincipalID: e.PrincipalID,
		ActorID:     e.ActorID,
		ClientIP:    e.ClientIP,
		URI:         e.URI,
		UserAgent:   e.UserAgent,
		TraceID:     e.TraceID,
		PortalID:    e.PortalID,
	}
	require := func(members ...*Optional[string]) {
		for _, m := range members {
			*m = Set(m.or(""))
		}
	}
	switch e.Type {
	case AuthenticationEntry:
		require(&a.ClientIP, &a.URI, &a.UserAgent, &a.TraceID)
		a.ActorID = Optional[string]{}
		a.AuthenticationType, a.Outcome, a.Successful = Set(e.AuthenticationType), Set(e.Outcome), Set(e.Successful)
	case AuthorizationEntry:
		require(&a.OrgID, &a.PrincipalID)
		a.Service, a.Resource, a.Action, a.Granted = Set(e.Service), Set(e.Resource), Set(e.Action), Set(e.Granted)
	case GatewayAccessEntry:
		require(&a.OrgID, &a.PrincipalID, &a.ActorID, &a.ClientIP, &a.URI, &a.UserAgent, &a.TraceID)
		a.Method, a.Query, a.StatusCode = Set(e.Method), Set(e.Query), Set(e.StatusCode)
	}
	return json.Marshal(a)
}

// UnmarshalJSON implements [json.Unmarshaler]. It replaces the whole Entry;
// after an error the Entry is as it was.
func (e *Entry) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	optional := func(name string) Optional[string] { return looseText(members[name]) }
	text := func(name string) string { return optional(name).or("") }
	at, err := parseTime(text("ts"))
	if err != nil {
		return fmt.Errorf("webhook: ts: %w", err)
	}
	statusCode, _ := strconv.ParseInt(text("status_code"), 10, 32)
	*e = Entry{
		Type:               EntryType(text("type")),
		Time:               at,
		Signature:          text("signature"),
		OrgID:              optional("org_id"),
		PrincipalID:        optional("principal_id"),
		ActorID:            optional("actor_id"),
		ClientIP:           optional("client_ip"),
		URI:                optional("uri"),
		UserAgent:          optional("user_agent"),
		TraceID:            optional("trace_id"),
		PortalID:           optional("portal_id"),
		Service:            text("service"),
		Resource:           text("resource"),
		Action:             text("action"),
		Granted:            text("granted") == "true",
		Method:             text("method"),
		Query:              text("query"),
		StatusCode:         int(statusCode),
		AuthenticationType: text("authentication_type"),
		Outcome:            text("outcome"),
		Successful:         text("successful") == "true",
	}
	return nil
}

// looseText returns the text of a member: of a string what it holds, of a
// number or boolean how it is written, and none of null.
func looseText(raw json.RawMessage) Optional[string] {
	if len(raw) == 0 || string(raw) == "null" {
		return Optional[string]{}
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	return Set(text)
}
