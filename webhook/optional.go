package webhook

import (
	"bytes"
	"encoding/json"
)

// Optional is a value that may be absent. It tells a field that was set to its
// zero value from one that was not set, which a PATCH must never mix up. The
// zero Optional is absent; [Set] makes one that is present.
//
// In JSON an absent value is null, and null is absent. With the option
// omitzero a struct leaves an absent field out.
type Optional[T any] struct {
	value T
	set   bool
}

// Set returns an Optional that holds value, whatever it is.
func Set[T any](value T) Optional[T] { return Optional[T]{value: value, set: true} }

// Get returns the value and true, or the zero value and false if it is absent.
func (o Optional[T]) Get() (T, bool) { return o.value, o.set }

// IsZero reports whether the value is absent. encoding/json asks it for
// omitzero.
func (o Optional[T]) IsZero() bool { return !o.set }

// Equal reports whether both are absent, or both hold the same value: by T's
// own method Equal if there is one, else by ==, which panics if T does not
// have it.
func (o Optional[T]) Equal(other Optional[T]) bool {
	if !o.set || !other.set {
		return o.set == other.set
	}
	if v, ok := any(o.value).(interface{ Equal(T) bool }); ok {
		return v.Equal(other.value)
	}
	return any(o.value) == any(other.value)
}

// or returns the value, or otherwise if it is absent.
func (o Optional[T]) or(otherwise T) T {
	if o.set {
		return o.value
	}
	return otherwise
}

// MarshalJSON implements [json.Marshaler]: the value, or null if it is absent.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.set {
		return []byte("null"), nil
	}
	return json.Marshal(o.value)
}

// UnmarshalJSON implements [json.Unmarshaler]: null is absent. After an error
// the Optional is absent too.
func (o *Optional[T]) UnmarshalJSON(data []byte) error {
	*o = Optional[T]{}
	if string(bytes.TrimSpace(data)) == "null" {
		return nil
	}
	var value T
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	*o = Set(value)
	return nil
}
