package auditlog

import (
	"math"
	"time"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Access is a request to the API. A pointer is nil where the event has no such
// attribute; the empty string is another thing.
type Access struct {
	Time          time.Time // required: when the line was made; whole seconds are kept
	ReceivedAt    time.Time // rt, in milliseconds; the zero time stands for Time
	Source        string    // src: the IP address of the caller
	Request       string    // the path, without host and query
	Method        string    // act: the HTTP method
	Status        int       // the HTTP status of the answer
	OrgID         string
	PrincipalID   string
	PrincipalName *string
	UserAgent     string
	KongInitiated bool
	TraceID       string
	Query         string
	Signature     *string
	Extra         []Attribute // of other keys; they stand before the signature
}

// Event builds the event: Konnect's header, the severity that follows from the
// status (6 for 401 and 403, 10 for 500, else 1), and the attributes in
// Konnect's order. Another product that speaks this format sets vendor, product,
// version and host afterwards.
func (a Access) Event() Event {
	severity := cef.Severity(1)
	switch a.Status {
	case 401, 403:
		severity = 6
	case 500:
		severity = 10
	}
	e := newEvent(a.Time, KonnectProduct, accessClassID, accessName, severity, 13+len(a.Extra))
	e.Attributes = append(e.Attributes,
		Time("rt", receipt(a.ReceivedAt, a.Time)),
		String("src", a.Source),
		String("request", a.Request),
		String("act", a.Method),
		Int("status", int64(a.Status)),
		String("org_id", a.OrgID),
		String("principal_id", a.PrincipalID),
	)
	e.add("principal_name", a.PrincipalName)
	e.Attributes = append(e.Attributes, String("user_agent", a.UserAgent))
	if a.KongInitiated {
		e.Attributes = append(e.Attributes, Bool("kong_initiated", true))
	}
	e.Attributes = append(e.Attributes, String("trace_id", a.TraceID), String("query", a.Query))
	e.Attributes = append(e.Attributes, a.Extra...)
	e.add(SignatureKey, a.Signature)
	return e
}

// AsAccess reads an access event back. The error is a [*FieldError] that names
// what is missing or of a wrong type.
func AsAccess(e *Event) (Access, error) {
	v, err := newView(e, KindAccess)
	if err != nil {
		return Access{}, err
	}
	status := v.int("status")
	if status < math.MinInt32 || status > math.MaxInt32 {
		v.fail("status", "is not an HTTP status")
	}
	a := Access{
		Time:          e.Time,
		ReceivedAt:    time.UnixMilli(v.int("rt")).UTC(),
		Source:        v.string("src"),
		Request:       v.string("request"),
		Method:        v.string("act"),
		Status:        int(status),
		OrgID:         v.string("org_id"),
		PrincipalID:   v.string("principal_id"),
		PrincipalName: v.optional("principal_name"),
		UserAgent:     v.string("user_agent"),
		KongInitiated: v.kongInitiated(),
		TraceID:       v.string("trace_id"),
		Query:         v.string("query"),
		Signature:     v.optional(SignatureKey),
		Extra:         v.extra(),
	}
	if v.err != nil {
		return Access{}, v.err
	}
	return a, nil
}
