package cef

import "strconv"

// Severity is the importance of an event: 0 (lowest) to 10, or one of the
// words that the CEF specification allows instead.
type Severity uint8

// The severities that are words.
const (
	SeverityUnknown Severity = 11 + iota
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityVeryHigh
)

var severityNames = [...]string{
	"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10",
	"Unknown", "Low", "Medium", "High", "Very-High",
}

// Valid reports whether s is 0 to 10 or one of the words.
func (s Severity) Valid() bool { return int(s) < len(severityNames) }

// String returns the severity as it stands in a header.
func (s Severity) String() string {
	if !s.Valid() {
		return "Severity(" + strconv.Itoa(int(s)) + ")"
	}
	return severityNames[s]
}

// ParseSeverity reads a severity: 0 to 10 or one of the words, in any case,
// with spaces around it or zeros before it.
func ParseSeverity(s string) (Severity, error) {
	severity, _, ok := parseSeverity([]byte(s))
	if !ok {
		return 0, &FieldError{Field: "severity", Reason: strconv.Quote(clip(s)) + " is not 0 to 10, Unknown, Low, Medium, High or Very-High"}
	}
	return severity, nil
}

// parseSeverity is ParseSeverity without an allocation; exact tells whether b is
// what String writes.
func parseSeverity(b []byte) (s Severity, exact, ok bool) {
	for i := range severityNames {
		if string(b) == severityNames[i] {
			return Severity(i), true, true
		}
	}
	for len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	for len(b) > 0 && b[len(b)-1] == ' ' {
		b = b[:len(b)-1]
	}
	for len(b) > 1 && b[0] == '0' {
		b = b[1:]
	}
	for i := range severityNames {
		if equalFold(b, severityNames[i]) {
			return Severity(i), false, true
		}
	}
	return 0, false, false
}

// equalFold compares ASCII letters without their case.
func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := 0; i < len(b); i++ {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
