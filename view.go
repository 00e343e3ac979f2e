package auditlog

import (
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// newEvent returns an event with Konnect's header and room for n attributes.
func newEvent(at time.Time, product, classID, name string, severity cef.Severity, n int) Event {
	return Event{
		Header: cef.Header{
			Time: at.UTC().Truncate(time.Second), Host: KonnectHost,
			Vendor: KonnectVendor, Product: product, Version: KonnectVersion,
			ClassID: classID, Name: name, Severity: severity,
		},
		Attributes: make([]Attribute, 0, n),
	}
}

// receipt returns the time for rt.
func receipt(receivedAt, at time.Time) time.Time {
	if receivedAt.IsZero() {
		return at
	}
	return receivedAt
}

// add appends an attribute unless the value is nil.
func (e *Event) add(key string, value *string) {
	if value != nil {
		e.Attributes = append(e.Attributes, String(key, *value))
	}
}

// view reads the attributes of a typed view, each once. What is left is extra.
type view struct {
	event *Event
	taken []bool
	err   error
}

func newView(e *Event, kind Kind) (*view, error) {
	if got := e.Kind(); got != kind {
		return nil, &FieldError{Field: "name", Reason: "is that of an event of kind " + got.String() + ", not " + kind.String()}
	}
	return &view{event: e, taken: make([]bool, len(e.Attributes))}, nil
}

// find returns the value of the first attribute with the key.
func (v *view) find(key string) (Value, bool) {
	for i, a := range v.event.Attributes {
		if a.Key == key && !v.taken[i] {
			v.taken[i] = true
			return typed(rankOf(key), a.Value), true
		}
	}
	return Value{}, false
}

func (v *view) fail(key, reason string) {
	if v.err == nil {
		v.err = &FieldError{Field: key, Reason: reason}
	}
}

func (v *view) need(key string) Value {
	value, ok := v.find(key)
	if !ok {
		v.fail(key, "is missing")
	}
	return value
}

func (v *view) string(key string) string { return v.need(key).String() }

func (v *view) optional(key string) *string {
	value, ok := v.find(key)
	if !ok {
		return nil
	}
	s := value.String()
	return &s
}

func (v *view) int(key string) int64 {
	value := v.need(key)
	n, ok := value.Int64()
	if !ok {
		v.fail(key, "is not an integer")
	}
	return n
}

func (v *view) bool(key string) bool { return v.isTrue(key, v.need(key)) }

func (v *view) isTrue(key string, value Value) bool {
	b, ok := value.Bool()
	if !ok {
		v.fail(key, "is not true or false")
	}
	return b
}

// kongInitiated is false where the attribute is missing.
func (v *view) kongInitiated() bool {
	value, ok := v.find("kong_initiated")
	return ok && v.isTrue("kong_initiated", value)
}

func (v *view) extra() []Attribute {
	var extra []Attribute
	for i, a := range v.event.Attributes {
		if !v.taken[i] {
			extra = append(extra, a)
		}
	}
	return extra
}

func (v *view) name(prefix string) string { return strings.TrimPrefix(v.event.Name, prefix) }
