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
	// has. Each is left out when it is zero. A host holds no spaces, no
	// control characters and no "CEF:".
	Time time.Time
	Host string

	// Prefix, if it is set, is written in place of Time and Host, up to the
	// "C" of "CEF:", so it usually ends in a space. A parsed line has it only
	// where its prefix is not what Time and Host would be written as (a
	// syslog priority or time stamp, say); Time and Host are set all the same
	// where they can be recognised. A syslog time stamp has no year: it is
	// read as UTC in the year 0.
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
			return Prepared{}, errHost
		}
		host = " " + h.Host
	}
	if h.CEFVersion < 0 || h.CEFVersion > maxCEFVersion {
		return Prepared{}, errCEFVersion
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

var (
	errHost       = &FieldError{Field: "host", Reason: "holds a space, a control character or \"CEF:\", or reads as a time"}
	errPrefix     = &FieldError{Field: "prefix", Reason: "holds a control character, invalid UTF-8 or \"CEF:\""}
	errTime       = &FieldError{Field: "time", Reason: "is not within the years 0 to 9999"}
	errCEFVersion = &FieldError{Field: "cef_version", Reason: "is not within 0 to " + strconv.Itoa(maxCEFVersion)}
	errSeverity   = &FieldError{Field: "severity", Reason: "is not 0 to 10 or one of the words"}
)

// validHost reports whether host can stand between the time and "CEF:" and is
// read back as a host.
func validHost(host string) bool {
	if host[0] == '<' { // reads as a syslog priority
		return false
	}
	if len(host) >= len("2006-01-02T15:04:05Z") && host[10] == 'T' {
		if _, err := time.Parse(time.RFC3339, host); err == nil {
			return false
		}
	}
	for i := 0; i < len(host); i++ {
		if host[i] == ' ' {
			return false
		}
	}
	return validPrefix(host)
}

func validPrefix(prefix string) bool {
	for i := 0; i < len(prefix); i++ {
		c := prefix[i]
		if c >= utf8.RuneSelf {
			return validPrefixRunes(prefix)
		}
		if c < ' ' || c == 0x7F || c == 'C' && hasMark(prefix[i:]) {
			return false
		}
	}
	return true
}

func validPrefixRunes(prefix string) bool {
	for i, r := range prefix {
		if isControl(r) || r == '\t' || r == '\n' || r == '\r' || r == 0xFFFD && !isReplacement(prefix[i:]) {
			return false
		}
		if r == 'C' && hasMark(prefix[i:]) {
			return false
		}
	}
	return true
}

// isReplacement tells a U+FFFD that stands in s from an invalid byte.
func isReplacement(s string) bool { return len(s) >= 3 && s[:3] == "\uFFFD" }

func hasMark(s string) bool { return len(s) >= 4 && s[:4] == "CEF:" }

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
	t, s = cutTime(s)
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == ' ' {
			host = s[:i]
			break
		}
	}
	if host != "" && !validHost(host) {
		host = ""
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

// cutPriority takes a syslog priority such as <134> from the start of s.
func cutPriority(s string) string {
	if len(s) < 3 || s[0] != '<' {
		return s
	}
	for i := 1; i < len(s) && i <= 4; i++ {
		if s[i] == '>' {
			return s[i+1:]
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
