package auditlog

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// quoted has, for each rank, what stands before the member's value.
var quoted = func() (q [ranks]string) {
	for r := rankAct; r < ranks; r++ {
		q[r] = `,"` + keyNames[r] + `":`
	}
	return q
}()

// appendJSON writes the members in alphabetical order without sorting: known
// keys are put in the place of their rank, custom ones, usually few, are merged
// in.
func appendJSON(dst []byte, e *Event) ([]byte, error) {
	timestamp := cef.Timestamp(e.Prefix) // stands for the time where there is one
	if err := checkHeader(e, timestamp); err != nil {
		return dst, err
	}
	var known [ranks]*Value
	var room [64]int32
	custom := room[:0] // indices of attributes whose key is not known
	members := uint64(headerRanks)
	for i := range e.Attributes {
		a := &e.Attributes[i]
		r := rankOf(a.Key)
		if r == unknownKey {
			custom = append(custom, int32(i))
			continue
		}
		if members&(1<<r) != 0 {
			return dst, taken(a.Key, r)
		}
		members |= 1 << r
		known[r] = &a.Value
	}
	if len(custom) > 0 {
		slices.SortFunc(custom, func(i, j int32) int { return strings.Compare(e.Attributes[i].Key, e.Attributes[j].Key) })
		for i := 1; i < len(custom); i++ {
			if key := e.Attributes[custom[i]].Key; key == e.Attributes[custom[i-1]].Key {
				return dst, taken(key, unknownKey)
			}
		}
	}
	if e.Time.IsZero() && timestamp == "" {
		members &^= 1 << rankTS
	}
	konnects := e.isKonnects()

	b := dst // every member brings a comma; the first one becomes the brace
	for members != 0 {
		r := rank(bits.TrailingZeros64(members))
		members &= members - 1
		for len(custom) > 0 && (r == rankSig || e.Attributes[custom[0]].Key < keyNames[r]) {
			var err error
			if b, err = appendMember(b, &e.Attributes[custom[0]]); err != nil {
				return dst, err
			}
			custom = custom[1:]
		}
		v := known[r]
		if v == nil {
			b = appendHeader(b, e, r, timestamp)
			continue
		}
		if konnects && !keyTypes[r].of(*v) {
			retyped := typed(r, *v)
			v = &retyped
		}
		if v.kind == ValueString {
			b = appendPair(b, quoted[r], v.str)
			continue
		}
		var err error
		if b, err = appendValue(append(b, quoted[r]...), &Attribute{keyNames[r], *v}); err != nil {
			return dst, err
		}
	}
	for _, i := range custom {
		var err error
		if b, err = appendMember(b, &e.Attributes[i]); err != nil {
			return dst, err
		}
	}
	b[len(dst)] = '{'
	return append(b, '}'), nil
}

// taken is the error for a key that is a header field's or stands twice.
func taken(key string, r rank) error {
	if headerRanks&(1<<r) != 0 && r != unknownKey {
		return &FieldError{Field: key, Reason: "is the name of a header field in JSON"}
	}
	return &FieldError{Field: key, Reason: "stands twice"}
}

// checkHeader refuses what could not be read back.
func checkHeader(e *Event, timestamp string) error {
	switch at := e.Time.Unix(); {
	case !e.Severity.Valid():
		return &FieldError{Field: "severity", Reason: "is not 0 to 10 or one of the words"}
	case e.CEFVersion < 0 || e.CEFVersion > 999:
		return &FieldError{Field: "cef_version", Reason: "is not within 0 to 999"}
	case timestamp == "" && (at < minTime || at > maxTime):
		return &FieldError{Field: "time", Reason: "is not within the years 0 to 9999"}
	}
	return nil
}

const (
	minTime = -62167219200 // 0000-01-01T00:00:00Z
	maxTime = 253402300799 // 9999-12-31T23:59:59Z
)

// appendHeader writes the member that is a header field.
func appendHeader(b []byte, e *Event, r rank, timestamp string) []byte {
	text := ""
	switch r {
	case rankVendor:
		text = e.Vendor
	case rankProduct:
		text = e.Product
	case rankVersion:
		text = e.Version
	case rankClassID:
		text = e.ClassID
	case rankName:
		text = e.Name
	case rankCEFVersion:
		return strconv.AppendInt(append(b, quoted[r]...), int64(e.CEFVersion), 10)
	case rankSeverity:
		if e.Severity <= 10 {
			return strconv.AppendInt(append(b, quoted[r]...), int64(e.Severity), 10)
		}
		text = e.Severity.String()
	default: // rankTS
		if text = timestamp; text == "" {
			b = append(append(b, quoted[r]...), '"')
			return append(e.Time.UTC().AppendFormat(b, time.RFC3339Nano), '"')
		}
	}
	return appendPair(b, quoted[r], text)
}

// appendMember writes an attribute of a key that is not known.
func appendMember(b []byte, a *Attribute) ([]byte, error) {
	if !plain(a.Key) && !utf8.ValidString(a.Key) { // two such keys might become one
		return b, &FieldError{Field: a.Key, Reason: "is a key that is not UTF-8"}
	}
	b = appendPair(b, ",", a.Key)
	return appendValue(append(b, ':'), a)
}

func appendValue(b []byte, a *Attribute) ([]byte, error) {
	switch a.Value.kind {
	case ValueInt:
		return strconv.AppendInt(b, a.Value.num, 10), nil
	case ValueBool:
		return strconv.AppendBool(b, a.Value.num == 1), nil
	case ValueNumber:
		return append(b, a.Value.str...), a.checkNumber()
	default:
		return appendPair(b, "", a.Value.str), nil
	}
}

// checkNumber checks the text of a ValueNumber.
func (a *Attribute) checkNumber() error {
	if n := numberLen(a.Value.str); n == 0 || n != len(a.Value.str) {
		return &FieldError{Field: a.Key, Reason: "is not a JSON number"}
	}
	return nil
}

// appendPair writes what stands before a string, and the string in quotes. It
// escapes what JSON demands, DEL and the line breaks of Unicode, and nothing
// for the sake of HTML.
func appendPair(b []byte, before, s string) []byte {
	if !plain(s) {
		b = append(append(b, before...), '"')
		return append(appendEscaped(b, s), '"')
	}
	start := len(b)
	value := start + len(before) + 1
	end := value + len(s)
	b = slices.Grow(b, end+1-start)[:end+1]
	copy(b[start:], before)
	b[value-1] = '"'
	copy(b[value:], s)
	b[end] = '"'
	return b
}

func appendEscaped(b []byte, s string) []byte {
	done := 0 // s[:done] is in b
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		with := ""
		switch {
		case r == '"':
			with = `\"`
		case r == '\\':
			with = `\\`
		case r == '\n':
			with = `\n`
		case r == '\r':
			with = `\r`
		case r == '\t':
			with = `\t`
		case r < ' ', r == 0x7F, r == 0x85, r == 0x2028, r == 0x2029:
			b = append(b, s[done:i]...)
			b = append(b, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			done = i + size
		case r == utf8.RuneError && size == 1:
			with = "\uFFFD"
		}
		if with != "" {
			b = append(b, s[done:i]...)
			b = append(b, with...)
			done = i + size
		}
		i += size
	}
	return append(b, s[done:]...)
}

const hex = "0123456789abcdef"

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether s stands in a JSON string as it is. It looks at eight
// bytes at a time; the loads are single instructions. See package cef, which
// does the same and cannot share it, as it exports only what is CEF's.
func plain(s string) bool {
	n := len(s)
	if n < 8 {
		for i := range n {
			if c := s[i]; c < ' ' || c >= 0x7F || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	found := special(load(s[n-8:])) // overlaps the word before it
	for i := 0; i < n-8; i += 8 {
		found |= special(load(s[i:]))
	}
	return found == 0
}

func load(s string) uint64 {
	w := s[:8]
	return uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
		uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
}

// special is not zero if w holds a byte below a space or above a tilde, a quote
// or a backslash.
func special(w uint64) uint64 {
	return (w | (w - ones*' ') | (w + ones) | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)) & highs
}
