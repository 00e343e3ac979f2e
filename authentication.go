package auditlog

import (
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Outcome is how an authentication ended.
type Outcome string

// The outcomes of Konnect's documentation.
const (
	OutcomeSuccess         Outcome = "SUCCESS"
	OutcomeNotFound        Outcome = "NOT_FOUND"
	OutcomeInvalidPassword Outcome = "INVALID_PASSWORD"
	OutcomeTokenExpired    Outcome = "TOKEN_EXPIRED"
	OutcomeLocked          Outcome = "LOCKED"
	OutcomeDisabled        Outcome = "DISABLED"
	OutcomeInvalid         Outcome = "INVALID"
)

// severity is that of Konnect's documentation.
func (o Outcome) severity() cef.Severity {
	switch o {
	case OutcomeSuccess:
		return 0
	case OutcomeNotFound, OutcomeInvalidPassword, OutcomeTokenExpired:
		return 1
	case OutcomeLocked, OutcomeDisabled:
		return 6
	default:
		return 7 // invalid or unknown
	}
}

// AuthenticationType is the way in which a principal authenticated.
type AuthenticationType string

// The types of Konnect's documentation.
const (
	AuthInvalid     AuthenticationType = "INVALID"
	AuthBasic       AuthenticationType = "BASIC"
	AuthSSO         AuthenticationType = "SSO"
	AuthPAT         AuthenticationType = "PAT"  // personal access token
	AuthSPAT        AuthenticationType = "SPAT" // system account access token
	AuthGoogle      AuthenticationType = "GOOGLE"
	AuthGitHub      AuthenticationType = "GITHUB"
	AuthWindowsLive AuthenticationType = "WINDOWSLIVE"
	AuthFederated   AuthenticationType = "FEDERATED"
)

// Authentication is an attempt to log in, to Konnect or to a developer portal.
// A pointer is nil where the event has no such attribute; the empty string is
// another thing.
type Authentication struct {
	Time          time.Time          // when the line was made; whole seconds are kept
	ReceivedAt    time.Time          // rt, in milliseconds; the zero time stands for Time
	Type          AuthenticationType // event class id after AUTHENTICATION_TYPE_
	Outcome       Outcome            // name after AUTHENTICATION_OUTCOME_
	Source        string             // src: the IP address of the principal
	Request       string             // the path that was asked for
	Success       bool
	OrgID         string
	PortalID      *string // of a developer portal's events
	PrincipalID   string
	PrincipalName *string
	TraceID       string
	UserAgent     string
	Signature     *string
	Extra         []Attribute // of other keys; they stand before the signature
}

// Event builds the event: Konnect's header, the severity that follows from the
// outcome, and the attributes in Konnect's order. The product is Dev-Portal if
// there is a portal id. Another product that speaks this format sets vendor,
// product, version and host afterwards.
func (a Authentication) Event() Event {
	product := KonnectProduct
	if a.PortalID != nil {
		product = PortalProduct
	}
	e := newEvent(a.Time, product, typePrefix+string(a.Type), outcomePrefix+string(a.Outcome), a.Outcome.severity(), 11+len(a.Extra))
	e.Attributes = append(e.Attributes,
		Time("rt", receipt(a.ReceivedAt, a.Time)),
		String("src", a.Source),
		String("request", a.Request),
		Bool("success", a.Success),
		String("org_id", a.OrgID),
	)
	e.add("portal_id", a.PortalID)
	e.Attributes = append(e.Attributes, String("principal_id", a.PrincipalID))
	e.add("principal_name", a.PrincipalName)
	e.Attributes = append(e.Attributes, String("trace_id", a.TraceID), String("user_agent", a.UserAgent))
	e.Attributes = append(e.Attributes, a.Extra...)
	e.add(SignatureKey, a.Signature)
	return e
}

// AsAuthentication reads an authentication event back. The error is a
// [*FieldError] that names what is missing or of a wrong type.
func AsAuthentication(e *Event) (Authentication, error) {
	v, err := newView(e, KindAuthentication)
	if err != nil {
		return Authentication{}, err
	}
	if !strings.HasPrefix(e.ClassID, typePrefix) {
		v.fail("event_class_id", "does not begin with "+typePrefix)
	}
	a := Authentication{
		Time:          e.Time,
		ReceivedAt:    time.UnixMilli(v.int("rt")).UTC(),
		Type:          AuthenticationType(strings.TrimPrefix(e.ClassID, typePrefix)),
		Outcome:       Outcome(v.name(outcomePrefix)),
		Source:        v.string("src"),
		Request:       v.string("request"),
		Success:       v.bool("success"),
		OrgID:         v.string("org_id"),
		PortalID:      v.optional("portal_id"),
		PrincipalID:   v.string("principal_id"),
		PrincipalName: v.optional("principal_name"),
		TraceID:       v.string("trace_id"),
		UserAgent:     v.string("user_agent"),
		Signature:     v.optional(SignatureKey),
		Extra:         v.extra(),
	}
	if v.err != nil {
		return Authentication{}, v.err
	}
	return a, nil
}
