package auditlog

import (
	"time"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Authorization is a check whether a principal may do something. A pointer is
// nil where the event has no such attribute; the empty string is another thing.
type Authorization struct {
	Time          time.Time // required: when the line was made; whole seconds are kept
	ReceivedAt    time.Time // rt, in milliseconds; the zero time stands for Time
	Service       string    // event class id: the service that checked
	Resource      string    // name after "Authz.": the path of the resource
	Source        string    // src: often an inner address, not the principal's
	Action        string
	Granted       bool
	OrgID         string
	PrincipalID   string
	PrincipalName *string
	ActorID       *string
	KongInitiated bool
	TraceID       string
	UserAgent     string
	Signature     *string
	Extra         []Attribute // of other keys; they stand before the signature
}

// Event builds the event: Konnect's header, severity 1 if the check granted and
// 6 if it denied, and the attributes in Konnect's order. Another product that
// speaks this format sets vendor, product, version and host afterwards.
func (a Authorization) Event() Event {
	severity := cef.Severity(6)
	if a.Granted {
		severity = 1
	}
	e := newEvent(a.Time, KonnectProduct, a.Service, authzPrefix+a.Resource, severity, 12+len(a.Extra))
	e.Attributes = append(e.Attributes,
		Time("rt", receipt(a.ReceivedAt, a.Time)),
		String("src", a.Source),
		String("action", a.Action),
		Bool("granted", a.Granted),
		String("org_id", a.OrgID),
		String("principal_id", a.PrincipalID),
	)
	e.add("principal_name", a.PrincipalName)
	e.add("actor_id", a.ActorID)
	if a.KongInitiated {
		e.Attributes = append(e.Attributes, Bool("kong_initiated", true))
	}
	e.Attributes = append(e.Attributes, String("trace_id", a.TraceID), String("user_agent", a.UserAgent))
	e.Attributes = append(e.Attributes, a.Extra...)
	e.add(SignatureKey, a.Signature)
	return e
}

// AsAuthorization reads an authorization event back. The error is a
// [*FieldError] that names what is missing or of a wrong type.
func AsAuthorization(e *Event) (Authorization, error) {
	v, err := newView(e, KindAuthorization)
	if err != nil {
		return Authorization{}, err
	}
	a := Authorization{
		Time:          e.Time,
		ReceivedAt:    time.UnixMilli(v.int("rt")).UTC(),
		Service:       e.ClassID,
		Resource:      v.name(authzPrefix),
		Source:        v.string("src"),
		Action:        v.string("action"),
		Granted:       v.bool("granted"),
		OrgID:         v.string("org_id"),
		PrincipalID:   v.string("principal_id"),
		PrincipalName: v.optional("principal_name"),
		ActorID:       v.optional("actor_id"),
		KongInitiated: v.kongInitiated(),
		TraceID:       v.string("trace_id"),
		UserAgent:     v.string("user_agent"),
		Signature:     v.optional(SignatureKey),
		Extra:         v.extra(),
	}
	if v.err != nil {
		return Authorization{}, v.err
	}
	return a, nil
}
