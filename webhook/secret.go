package webhook

import (
	"crypto/subtle"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
)

// redacted is what stands wherever a secret would otherwise be printed.
const redacted = "[redacted]"

// Secret holds a credential, such as the value of an Authorization header, so
// that it cannot be printed or marshalled by accident: fmt (every verb, in any
// nesting), log/slog and encoding/json never show it. Only [Secret.Reveal]
// returns it.
//
// The zero Secret is empty. Secrets are compared with [Secret.Equal]; they are
// not comparable with ==.
type Secret struct {
	// A closure, not a string: fmt prints unexported fields of a parent
	// struct by reflection, without asking this type's methods, and would
	// show a string. It cannot look inside a function.
	reveal func() string
}

// NewSecret returns a Secret that holds value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{reveal: func() string { return value }}
}

// Reveal returns the value in the clear. Call it only where the value goes on
// the wire or into a seal.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Equal reports whether both secrets hold the same value. The time it takes
// does not depend on where values of one length differ.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements [fmt.Formatter]: every verb prints "[redacted]", or
// nothing for an empty secret.
func (s Secret) Format(f fmt.State, _ rune) {
	if !s.IsZero() {
		_, _ = f.Write([]byte(redacted))
	}
}

// LogValue implements [slog.LogValuer].
func (s Secret) LogValue() slog.Value {
	if s.IsZero() {
		return slog.StringValue("")
	}
	return slog.StringValue(redacted)
}

// errMarshal is a constant text: what is being marshalled must not matter.
var errMarshal = errors.New("webhook: a Secret is never marshalled; reveal it on purpose where it goes on the wire")

// MarshalJSON refuses: a secret is never marshalled by accident.
func (s Secret) MarshalJSON() ([]byte, error) { return nil, errMarshal }

// MarshalText refuses, which also covers XML, YAML and map keys.
func (s Secret) MarshalText() ([]byte, error) { return nil, errMarshal }

// UnmarshalText takes text as the secret, so that configuration files and
// request bodies can be decoded into one. It never fails.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

var (
	_ fmt.Formatter            = Secret{}
	_ slog.LogValuer           = Secret{}
	_ json.Marshaler           = Secret{}
	_ encoding.TextMarshaler   = Secret{}
	_ encoding.TextUnmarshaler = (*Secret)(nil)
)
