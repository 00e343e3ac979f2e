package cef

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// Header is everything of a line before its extensions.
type Header struct {
	// Time and Host stand before "CEF:", separated by one space. The time is
	// written in UTC by RFC 3339, with as much of the second's fraction as it
	// has. Each is left out when it is zero. A host holds no spaces, control
	// characters, pipes and backslashes, no "CEF:" and no brace before a
	// quotation mark (see [Scan]), and does not begin with { or <.
	Time time.Time
	Host string

	// Prefix, if it is set, is written in place of Time and Host, up to the
	// "C" of "CEF:", so it usually ends in a space. It holds no "CEF:" and no
	// beginning of a JSON object (see [Scan]), and does not begin with {; line
	// breaks become spaces, other control characters and what is not UTF-8
	// become U+FFFD. A parsed line has it only where its prefix is not what Time
	// and Host would be written as (a syslog priority or time stamp, say); Time
	// and Host are set all the same where they can be recognised. A syslog time
	// stamp has no year: it is read as UTC in the year 0.
	Prefix string

	// CEFVersion is the version of the format, 0 or 1 in practice.
	CEFVersion int

	Vendor  string // device vendor
	Product string // device product
	Version string // device version
	ClassID string // device event class ID
	Name    string

	Severity Severity
}

// Prepared is the part of a header that is constant for a sender, checked and
// escaped once. See [Encoder.BeginPrepared].
type Prepared struct {
	text     string // from the host (with a space before it) to the pipe after the version
	replaced int
}

// Prepare checks and escapes the host, the CEF version, vendor, product and
// version of h. It does not look at the other fields.
func Prepare(h *Header) (Prepared, error) {
	host := ""
	if h.Host != "" {
		if !validHost(h.Host) {
			return Prepared{}, errHost.fresh()
		}
		host = " " + h.Host
	}
	if h.CEFVersion < 0 || h.CEFVersion > maxCEFVersion {
		return Prepared{}, errCEFVersion.fresh()
	}
	e := Encoder{buf: []byte(host + " ")}
	e.version(h.CEFVersion)
	e.header(h.Vendor)
	e.header(h.Product)
	e.header(h.Version)
	return Prepared{text: string(e.buf), replaced: e.replaced}, nil
}

// maxCEFVersion bounds what a reader takes for a version; 0 and 1 exist.
const maxCEFVersion = 999

// Errors that say the same each time. Callers get a copy.
var (
	errHost       = FieldError{Field: "host", Reason: `holds a space, a control character, |, \, "CEF:" or {", is not UTF-8, or reads as something else (a time, {, <)`}
	errPrefix     = FieldError{Field: "prefix", Reason: `holds "CEF:" or a JSON object, or begins with {`}
	errTime       = FieldError{Field: "time", Reason: "is not within the years 0 to 9999"}
	errCEFVersion = FieldError{Field: "cef_version", Reason: "is not within 0 to " + strconv.Itoa(maxCEFVersion)}
	errSeverity   = FieldError{Field: "severity", Reason: "is not 0 to 10 or one of the words"}
	errNotBegun   = FieldError{Field: "header", Reason: "is missing: the line was not begun"}
	errPrepared   = FieldError{Field: "header", Reason: "was not prepared"}
)

func (e FieldError) fresh() error { return &e }

// validHost reports whether host, which is not empty, can stand between the
// time and "CEF:" and is read back as a host.
func validHost(host string) bool {
	if host[0] == '<' || host[0] == '{' { // reads as a syslog priority, or as JSON
		return false
	}
	if len(host) >= len("2006-01-02T15:04:05Z") && host[10] == 'T' {
		if _, err := time.Parse(time.RFC3339, host); err == nil {
			return false
		}
	}
	for i := 0; i < len(host); i++ {
		c := host[i]
		if c >= utf8.RuneSelf {
			return validHostRunes(host)
		}
		if c <= ' ' || c == 0x7F || c == '|' || c == '\\' || c == 'C' && hasMark(host[i:]) || c == '{' && hasObject(host[i:]) {
			return false
		}
	}
	return true
}

func validHostRunes(host string) bool {
	for i, r := range host {
		if r <= ' ' || isControl(r) || r == '|' || r == '\\' || r == utf8.RuneError && !isReplacement(host[i:]) {
			return false
		}
		if r == 'C' && hasMark(host[i:]) || r == '{' && hasObject(host[i:]) {
			return false
		}
	}
	return true
}

// isReplacement tells a U+FFFD that stands in s from an invalid byte.
func isReplacement(s string) bool { return len(s) >= 3 && s[:3] == "\uFFFD" }

func hasMark(s string) bool { return len(s) >= 4 && s[:4] == "CEF:" }

// hasObject is for a host from a brace on, in which is no white space or backslash.
func hasObject(s string) bool { return opensKey([]byte(s[1:])) }

// isControl reports whether r is a control character that no CEF value holds.
func isControl(r rune) bool {
	if r == '\t' || r == '\n' || r == '\r' {
		return false
	}
	return r < ' ' || r == 0x7F || r == 0x85 || r == 0x2028 || r == 0x2029
}

// ParsePrefix recognises the time and the host in what stands before "CEF:".
// If the prefix is not exactly what they would be written as, it is returned in
// verbatim. See [Header].
func ParsePrefix(prefix string) (t time.Time, host, verbatim string) {
	s := cutPriority(prefix)
	if s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	t, rest := cutTime(s)
	end := 0
	for end < len(rest) && rest[end] != ' ' {
		end++
	}
	// A word is the host if it follows a time, or stands alone.
	if end > 0 && (len(rest) < len(s) || end == len(rest)) && validHost(rest[:end]) {
		host = rest[:end]
	}
	var buf [128]byte
	if string(appendPrefix(buf[:0], t, host)) == prefix {
		return t, host, ""
	}
	return t, host, prefix
}

// Timestamp returns the time stamp, RFC 3339 or syslog, that stands in a prefix,
// as it stands there, or "".
func Timestamp(prefix string) string {
	s := cutPriority(prefix)
	_, rest := cutTime(s)
	s = s[:len(s)-len(rest)]
	if s != "" && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

// cutPriority takes a syslog priority such as <134>, and the version of RFC 5424
// after it, from the start of s.
func cutPriority(s string) string {
	if len(s) < 3 || s[0] != '<' {
		return s
	}
	for i := 1; i < len(s) && i <= 4; i++ {
		if s[i] == '>' {
			s = s[i+1:]
			if len(s) >= 2 && s[:2] == "1 " {
				s = s[2:]
			}
			return s
		}
	}
	return s
}

// cutTime takes an RFC 3339 or syslog (RFC 3164) time stamp from the start of
// s, and the space after it.
func cutTime(s string) (t time.Time, rest string) {
	// A look at the shape first, as a failed time.Parse allocates.
	const syslog = len(time.Stamp)
	if len(s) >= syslog && s[3] == ' ' && s[9] == ':' && (len(s) == syslog || s[syslog] == ' ') {
		if t, err := time.Parse(time.Stamp, s[:syslog]); err == nil {
			return t, cutSpace(s[syslog:])
		}
	}
	end := 0
	for end < len(s) && s[end] != ' ' {
		end++
	}
	if end >= len("2006-01-02T15:04:05Z") && s[10] == 'T' {
		if t, err := time.Parse(time.RFC3339, s[:end]); err == nil {
			return t.UTC(), cutSpace(s[end:])
		}
	}
	return time.Time{}, s
}

func cutSpace(s string) string {
	if s != "" && s[0] == ' ' {
		return s[1:]
	}
	return s
}

// appendPrefix writes the time and the host, each with a space after it.
func appendPrefix(dst []byte, t time.Time, host string) []byte {
	if !t.IsZero() {
		dst = appendTime(dst, t)
		dst = append(dst, ' ')
	}
	if host != "" {
		dst = append(dst, host...)
		dst = append(dst, ' ')
	}
	return dst
}
