package cef

import "strconv"

// FieldError tells which field of an event is at fault: it cannot be written,
// or is not what it should be.
type FieldError struct {
	// Field is the name of a header field in lower case ("host", "severity")
	// or the key as it was given.
	Field  string
	Reason string
}

// Error names the field, quoted and cut to a readable length.
func (e *FieldError) Error() string {
	return "field " + strconv.Quote(clip(e.Field)) + ": " + e.Reason
}

// SyntaxError tells where a line is not in its format.
type SyntaxError struct {
	// Offset is the place in the line, in bytes from 0.
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string {
	return "byte " + strconv.Itoa(e.Offset) + ": " + e.Reason
}

// clip keeps what comes from an event to a length fit for an error text.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
