package signature

import (
	"errors"
	"strconv"
)

// Outcome is what verifying comes to. Its text is short and constant, fit for
// the label of a metric. The zero Outcome is none of them.
type Outcome string

const (
	// Valid means that one of the keys verifies the signature.
	Valid Outcome = "valid"

	// Invalid means that there is a signature in its place, but no key verifies
	// it.
	Invalid Outcome = "invalid"

	// Unsigned means that there is no signature.
	Unsigned Outcome = "unsigned"

	// Refused means that it cannot be told without doubt what is signed, or by
	// what. A batch is also refused for its age.
	Refused Outcome = "refused"
)

// Result is the outcome of verifying a line or a batch.
type Result struct {
	Outcome Outcome

	// Err says why the outcome is not [Valid], where it is nil. A line that was
	// refused has a [*SyntaxError]. No text of it repeats the line.
	Err error

	// KeyID is the id of the key that verified the signature.
	KeyID string

	// Payload is what the signature covers: the line without it, of CPS the
	// inner object, which is a line of JSON; or the body of the batch. It may
	// share the memory of what was given. It is nil if that was refused.
	Payload []byte
}

// SyntaxError tells where a line breaks a rule, so that it is refused.
type SyntaxError struct {
	// Offset is the place in the line, in bytes from 0.
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string {
	return "byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

func refuse(offset int, reason string) error { return &SyntaxError{offset, reason} }

var (
	errInvalid  = errors.New("no key verifies the signature")
	errUnsigned = errors.New("there is no signature")
)
