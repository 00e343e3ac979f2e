package auditlog

import (
	"strings"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Konnect's own header fields.
const (
	KonnectHost    = "konghq.com"
	KonnectVendor  = "KongInc"
	KonnectProduct = "Konnect"
	PortalProduct  = "Dev-Portal" // of events of a developer portal
	KonnectVersion = "1.0"
)

// SignatureKey is the key of the attribute that holds an event's signature. JSON
// and CPS put it last; for CEF it must be the last of the attributes.
const SignatureKey = "sig"

// Event is one entry of an audit log: a header, which every CEF line has, and
// attributes in their order.
type Event struct {
	cef.Header

	// Attributes should have distinct keys: CEF allows a key twice, JSON and
	// CPS do not.
	Attributes []Attribute
}

// Get returns the value of the first attribute with the key.
func (e *Event) Get(key string) (Value, bool) {
	for i := range e.Attributes {
		if e.Attributes[i].Key == key {
			return e.Attributes[i].Value, true
		}
	}
	return Value{}, false
}

// isKonnects reports whether the types that Konnect's documentation gives
// attributes hold for the event.
func (e *Event) isKonnects() bool { return e.Vendor == KonnectVendor || e.Kind() != KindOther }

// Kind is one of the three kinds of event that Konnect sends, or KindOther.
type Kind uint8

// The kinds.
const (
	KindOther Kind = iota
	KindAuthentication
	KindAuthorization
	KindAccess
)

// String returns the name of the kind, as Konnect's documentation has it.
func (k Kind) String() string {
	switch k {
	case KindAuthentication:
		return "authentication"
	case KindAuthorization:
		return "authorization"
	case KindAccess:
		return "access"
	default:
		return "other"
	}
}

const (
	outcomePrefix = "AUTHENTICATION_OUTCOME_"
	typePrefix    = "AUTHENTICATION_TYPE_"
	authzPrefix   = "Authz."
	accessName    = "Ingress"
	accessClassID = "KongGateway"
)

// Kind tells the kind by the event's name, as Konnect's documentation does; the
// class id does not tell it.
func (e *Event) Kind() Kind {
	switch {
	case strings.HasPrefix(e.Name, outcomePrefix):
		return KindAuthentication
	case strings.HasPrefix(e.Name, authzPrefix):
		return KindAuthorization
	case e.Name == accessName:
		return KindAccess
	default:
		return KindOther
	}
}

// FieldError tells which field of an event is at fault.
type FieldError = cef.FieldError

// SyntaxError tells at which byte a line is not in its format.
type SyntaxError = cef.SyntaxError
