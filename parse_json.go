package auditlog

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

const jsonSpace = " \t\r\n"

// parser reads a line of JSON or CPS. Strings of the event are parts of text
// where nothing in them is escaped.
type parser struct {
	text   string
	i      int
	strict bool

	// The attributes are checked, but not kept.
	headerOnly bool

	seen   uint64 // ranks of the members read
	others keySet // keys of those without a rank
}

// maxJSON bounds lines of JSON and CPS, in bytes, so that an offset takes four.
const maxJSON = math.MaxInt32

func parseJSON(line []byte, cps bool, mode cef.Mode) (Event, error) {
	var e Event
	if len(line) > maxJSON {
		return e, errTooLong()
	}
	p := parser{text: string(line), strict: mode&cef.Strict != 0}
	if err := p.line(&e, cps); err != nil {
		return Event{}, err
	}
	return e, nil
}

func parseJSONHeader(line []byte, cps bool) (cef.Header, error) {
	if len(line) > maxJSON {
		return cef.Header{}, errTooLong()
	}
	p := parser{text: string(line), headerOnly: true}
	var e Event
	if err := p.line(&e, cps); err != nil {
		return cef.Header{}, err
	}
	return e.Header, nil
}

func errTooLong() error {
	return &SyntaxError{Offset: maxJSON, Reason: "the line is longer than 2 GiB"}
}

func (p *parser) line(e *Event, cps bool) error {
	if cps {
		if err := p.take('{'); err != nil {
			return err
		}
		p.space()
		at := p.i
		if name, err := p.string(); err != nil || name != "event" {
			return p.errorAt(at, `not "event", the only member of a CPS line`)
		}
		if err := p.take(':'); err != nil {
			return err
		}
	}
	if err := p.object(e); err != nil {
		return err
	}
	if cps {
		if err := p.take('}'); err != nil {
			return err
		}
	}
	if p.space(); p.i < len(p.text) {
		return p.errorAt(p.i, "something after the object")
	}
	return nil
}

// object reads the flat object that is the event.
func (p *parser) object(e *Event) error {
	if err := p.take('{'); err != nil {
		return err
	}
	const headerMembers, usual = 8, 32 // colons prove nothing
	if n := strings.Count(p.text, `":`) - headerMembers; n > 0 && !p.headerOnly {
		e.Attributes = make([]Attribute, 0, min(n, usual))
	}
	timestamp := ""
	p.space()
	for first := true; !p.next('}'); first = false {
		if !first {
			if err := p.take(','); err != nil {
				return err
			}
		}
		if err := p.member(e, &timestamp); err != nil {
			return err
		}
		p.space()
	}
	p.i++
	if missing := required &^ p.seen; missing != 0 {
		for r := range ranks {
			if missing&(1<<r) != 0 {
				return &FieldError{Field: keyNames[r], Reason: "is missing"}
			}
		}
	}
	if err := setTime(e, timestamp); err != nil {
		return err
	}
	if e.isKonnects() {
		if err := p.retype(e.Attributes); err != nil {
			return err
		}
	}
	if len(e.Attributes) == 0 {
		e.Attributes = nil
	}
	sortByKind(e.Attributes, e.Kind())
	return nil
}

// required are the header members that every event has. Without a time there
// is no event_ts, and a lost cef_version is 0.
const required = headerRanks &^ (1<<rankTS | 1<<rankCEFVersion)

func (p *parser) member(e *Event, timestamp *string) error {
	p.space()
	at := p.i
	key, err := p.string()
	if err != nil {
		return err
	}
	r := rankOf(key)
	if p.repeated(key, r, at) {
		return p.errorAt(at, "the member "+strconv.Quote(clip(key))+" stands twice")
	}
	if err := p.take(':'); err != nil {
		return err
	}
	p.space()
	header := r != unknownKey && headerRanks&(1<<r) != 0
	if !p.strict && !header && strings.HasPrefix(p.text[p.i:], "null") {
		p.i += len("null")
		return nil // absent, but not to stand again
	}
	v, err := p.value(key)
	if err != nil {
		return err
	}
	if header {
		return p.setHeader(e, r, v, timestamp)
	}
	if !p.headerOnly {
		e.Attributes = append(e.Attributes, Attribute{key, v})
	}
	return nil
}

// retype gives Konnect's attributes their documented types.
func (p *parser) retype(attributes []Attribute) error {
	for i := range attributes {
		a := &attributes[i]
		r := rankOf(a.Key)
		if p.strict && !keyTypes[r].of(a.Value) {
			return &FieldError{Field: a.Key, Reason: "is of another type than documented"}
		}
		a.Value = typed(r, a.Value)
	}
	return nil
}

// repeated notes the key, which is at the offset, and reports whether it has stood
// before.
func (p *parser) repeated(key string, r rank, at int) bool {
	if r == unknownKey {
		return p.others.repeated(p.text, key, at)
	}
	repeated := p.seen&(1<<r) != 0
	p.seen |= 1 << r
	return repeated
}

// setHeader sets the header field of the rank. The time is set later, since
// how it is kept depends on the vendor.
func (p *parser) setHeader(e *Event, r rank, v Value, timestamp *string) error {
	documented := ValueString
	if r == rankCEFVersion || r == rankSeverity && !strings.ContainsFunc(v.str, notDigit) {
		documented = ValueInt // the severities that are words stay words
	}
	if p.strict && v.kind != documented {
		return &FieldError{Field: keyNames[r], Reason: "is of another type than documented"}
	}
	text := v.String()
	switch r {
	case rankCEFVersion:
		n, ok := canonicalInt(text)
		if !ok || n < 0 || n > 999 {
			return &FieldError{Field: keyNames[r], Reason: "is not within 0 to 999"}
		}
		e.CEFVersion = int(n)
	case rankSeverity:
		severity, err := cef.ParseSeverity(text)
		if err != nil {
			return err
		}
		if p.strict && severity.String() != text {
			return &FieldError{Field: keyNames[r], Reason: "is in another form than documented"}
		}
		e.Severity = severity
	case rankTS:
		*timestamp = text
	case rankVendor:
		e.Vendor = text
	case rankProduct:
		e.Product = text
	case rankVersion:
		e.Version = text
	case rankClassID:
		e.ClassID = text
	default: // rankName
		e.Name = text
	}
	return nil
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// setTime sets the time from the text of event_ts, and the host that JSON does
// not carry.
func setTime(e *Event, timestamp string) error {
	if timestamp == "" {
		return nil
	}
	if cef.Timestamp(timestamp) != timestamp {
		return &FieldError{Field: keyNames[rankTS], Reason: strconv.Quote(clip(timestamp)) + " is no time of RFC 3339 or syslog"}
	}
	prefix := timestamp + " "
	if e.Vendor == KonnectVendor {
		prefix += KonnectHost + " "
	}
	e.Time, e.Host, e.Prefix = cef.ParsePrefix(prefix)
	return nil
}

// value reads a string, a number, true or false.
func (p *parser) value(key string) (Value, error) {
	rest := p.text[p.i:]
	switch {
	case rest == "":
		return Value{}, p.errorAt(p.i, "the line ends before a value")
	case rest[0] == '"':
		s, err := p.string()
		return Value{str: s}, err
	case strings.HasPrefix(rest, "true"):
		p.i += len("true")
		return boolValue(true), nil
	case strings.HasPrefix(rest, "false"):
		p.i += len("false")
		return boolValue(false), nil
	case rest[0] == '{', rest[0] == '[', strings.HasPrefix(rest, "null"):
		return Value{}, p.errorAt(p.i, "the member "+strconv.Quote(clip(key))+" is an object, an array or null; an attribute is a string, a number or a boolean")
	}
	n := numberLen(rest)
	if n == 0 {
		return Value{}, p.errorAt(p.i, "not a JSON value")
	}
	p.i += n
	return numberValue(rest[:n]), nil
}

// numberLen returns the length of the JSON number that s begins with, or 0.
func numberLen(s string) int {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	whole := i
	if i = digits(i); i == whole || s[whole] == '0' && i > whole+1 {
		return 0
	}
	if i < len(s) && s[i] == '.' {
		end := digits(i + 1)
		if end == i+1 {
			return 0
		}
		i = end
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		start := i + 1
		if start < len(s) && (s[start] == '+' || s[start] == '-') {
			start++
		}
		end := digits(start)
		if end == start {
			return 0
		}
		i = end
	}
	return i
}

// string reads a string.
func (p *parser) string() (string, error) {
	if !p.next('"') {
		return "", p.errorAt(p.i, "not a string")
	}
	start := p.i + 1
	n := strings.IndexByte(p.text[start:], '"')
	if n < 0 {
		return "", p.errorAt(len(p.text), "the line ends in a string")
	}
	if s := p.text[start : start+n]; plain(s) {
		p.i = start + n + 1
		return s, nil
	}
	return p.unescape(start)
}

// unescape reads the rest of a string in which some character is not plain.
func (p *parser) unescape(i int) (string, error) {
	var b []byte
	for i < len(p.text) {
		c := p.text[i]
		switch {
		case c == '"':
			p.i = i + 1
			return string(b), nil
		case c < ' ':
			return "", p.errorAt(i, "a control character in a string")
		case c == '\\':
			r, size := unescapeRune(p.text[i:])
			if size == 0 {
				return "", p.errorAt(i, "not an escape sequence")
			}
			if r == utf8.RuneError && p.strict && !strings.EqualFold(p.text[i:i+size], `\ufffd`) {
				return "", p.errorAt(i, "half a surrogate pair")
			}
			b = utf8.AppendRune(b, r)
			i += size
		default:
			r, size := utf8.DecodeRuneInString(p.text[i:])
			if r == utf8.RuneError && size == 1 && p.strict {
				return "", p.errorAt(i, "invalid UTF-8")
			}
			b = utf8.AppendRune(b, r)
			i += size
		}
	}
	return "", p.errorAt(i, "the line ends in a string")
}

// unescapeRune returns the character that the escape sequence at the start of s
// stands for, and the sequence's length, 0 if it is none. Half a surrogate pair
// is U+FFFD.
func unescapeRune(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	if s[1] != 'u' {
		if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
			return rune("\"\\/\b\f\n\r\t"[i]), 2
		}
		return 0, 0
	}
	r, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) {
		if second, ok := hex4(s[6:]); ok {
			if both := utf16.DecodeRune(r, second); both != utf8.RuneError {
				return both, 12
			}
		}
		return utf8.RuneError, 6
	}
	return r, 6
}

// hex4 reads \u and four hexadecimal digits.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

func (p *parser) space() {
	for p.i < len(p.text) && strings.IndexByte(jsonSpace, p.text[p.i]) >= 0 {
		p.i++
	}
}

// next reports whether the next byte is c.
func (p *parser) next(c byte) bool { return p.i < len(p.text) && p.text[p.i] == c }

// take reads c and what space there is before it.
func (p *parser) take(c byte) error {
	p.space()
	if !p.next(c) {
		return p.errorAt(p.i, "want "+strconv.QuoteRune(rune(c)))
	}
	p.i++
	return nil
}

func (p *parser) errorAt(offset int, reason string) error {
	return &SyntaxError{Offset: offset, Reason: reason}
}

// clip keeps what comes from a line to a length fit for an error text.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
