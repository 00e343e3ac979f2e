package cef

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// Encoder writes CEF lines by appending to a buffer, one line at a time:
//
//	var e cef.Encoder
//	e.Begin(buf, &header)
//	e.String("src", "127.0.0.6")
//	e.Int("rt", 1750280466889)
//	buf, err := e.End()
//
// Extensions are written in the order of the calls. Nothing is allocated while
// the buffer has room (but for an IPv6 zone, and a date layout of the caller's
// own). After an error the rest of the line is ignored and
// [Encoder.End] returns the buffer as it was given, with the first error; so a
// line is written whole or not at all.
//
// The zero Encoder is ready to use, and again after each End. It is not safe
// for concurrent use.
type Encoder struct {
	// StrictKeys allows only the keys of the CEF specification, ASCII letters
	// and digits. Konnect's own keys need an underscore.
	StrictKeys bool

	buf        []byte
	start      int // of the line in buf
	extensions int // where the first extension begins
	replaced   int
	err        error
}

// Begin starts a line after what dst holds. The Header is not kept.
func (e *Encoder) Begin(dst []byte, h *Header) {
	e.begin(dst, 0)
	if h.Prefix != "" {
		e.prefix(h.Prefix)
	} else {
		if !writable(h.Time) {
			e.fail(errTime)
		}
		if h.Host != "" && !validHost(h.Host) {
			e.fail(errHost)
		}
		if e.err == nil {
			e.buf = appendPrefix(e.buf, h.Time, h.Host)
		}
	}
	if h.CEFVersion < 0 || h.CEFVersion > maxCEFVersion {
		e.fail(errCEFVersion)
	}
	if e.err != nil {
		return
	}
	e.version(h.CEFVersion)
	e.header(h.Vendor)
	e.header(h.Product)
	e.header(h.Version)
	e.event(h.ClassID, h.Name, h.Severity)
}

// begin resets all that belongs to a line. One by one: yaegi loses values when
// it assigns to several fields at once.
func (e *Encoder) begin(dst []byte, replaced int) {
	e.buf = dst
	e.start = len(dst)
	e.extensions = 0
	e.replaced = replaced
	e.err = nil
}

// prefix writes what stands before "CEF:", in which no object of JSON begins: as it
// is written, for line breaks are spaces there.
func (e *Encoder) prefix(prefix string) {
	e.writePrefix(prefix)
	if objectIn(e.buf[e.start:]) >= 0 {
		e.fail(errPrefix)
	}
}

// writePrefix appends what stands before "CEF:". Unlike a header field it has no
// escaping.
func (e *Encoder) writePrefix(prefix string) {
	if prefix[0] == '{' { // reads as JSON
		e.fail(errPrefix)
		return
	}
	for i := 0; i < len(prefix); i++ {
		if prefix[i] == 'C' && hasMark(prefix[i:]) {
			e.fail(errPrefix)
			return
		}
	}
	if plain(prefix, ones, ones) { // neither of the two bytes is one of its own
		e.buf = append(e.buf, prefix...)
		return
	}
	for i := 0; i < len(prefix); {
		size, with := 1, ""
		switch c := prefix[i]; {
		case c == '\n' || c == '\r':
			with = " "
		case c >= utf8.RuneSelf:
			size, with = e.multibyte(prefix[i:])
		case isControl(rune(c)):
			e.replaced++
			with = replacement
		}
		if with == "" {
			with = prefix[i : i+size]
		}
		e.buf = append(e.buf, with...)
		i += size
	}
}

// BeginPrepared is [Encoder.Begin] for a sender whose host, vendor, product
// and versions stay the same. A zero time is left out; a zero Prepared is an
// error.
func (e *Encoder) BeginPrepared(dst []byte, p *Prepared, t time.Time, classID, name string, severity Severity) {
	e.begin(dst, p.replaced)
	text := p.text
	if text == "" {
		e.fail(errPrepared)
		return
	}
	if t.IsZero() {
		text = cutSpace(text)
	} else if !writable(t) {
		e.fail(errTime)
		return
	} else {
		e.buf = appendTime(e.buf, t)
	}
	e.buf = append(e.buf, text...)
	e.event(classID, name, severity)
}

func (e *Encoder) version(v int) {
	e.buf = append(e.buf, "CEF:"...)
	e.buf = strconv.AppendInt(e.buf, int64(v), 10)
	e.buf = append(e.buf, '|')
}

// event writes the header fields that differ from event to event.
func (e *Encoder) event(classID, name string, severity Severity) {
	e.header(classID)
	e.header(name)
	if !severity.Valid() {
		e.fail(errSeverity)
		return
	}
	e.buf = append(e.buf, severityNames[severity]...)
	e.buf = append(e.buf, '|')
	e.extensions = len(e.buf)
}

// header appends a header field and the pipe after it.
func (e *Encoder) header(field string) {
	if plain(field, ones*'|', ones*'\\') {
		e.buf = append(e.buf, field...)
	} else {
		e.buf = e.escapeHeader(e.buf, field)
	}
	e.buf = append(e.buf, '|')
}

// String appends an extension. The value can be any string; see the package
// comment for what becomes of characters that a line cannot carry.
func (e *Encoder) String(key, value string) {
	if !e.key(key, len(value)) {
		return
	}
	if !plain(value, ones*'=', ones*'\\') {
		e.buf = e.escape(e.buf, value)
		return
	}
	start := len(e.buf)
	e.buf = e.buf[:start+len(value)]
	copy(e.buf[start:], value)
}

// Int appends an extension whose value is an integer.
func (e *Encoder) Int(key string, value int64) {
	if e.key(key, 0) {
		e.buf = strconv.AppendInt(e.buf, value, 10)
	}
}

// Bool appends an extension whose value is true or false.
func (e *Encoder) Bool(key string, value bool) {
	if e.key(key, 0) {
		e.buf = strconv.AppendBool(e.buf, value)
	}
}

// Time appends an extension whose value is a time as milliseconds since the
// Unix epoch, the usual form of rt, start and end.
func (e *Encoder) Time(key string, t time.Time) { e.Int(key, t.UnixMilli()) }

// Date appends an extension whose value is a time in UTC by one of the CEF
// date layouts, [LayoutYearMilliZone] for instance. Those without a year or
// zone lose them.
func (e *Encoder) Date(key string, t time.Time, layout string) {
	if !writable(t) {
		e.fail(FieldError{Field: key, Reason: errTime.Reason})
		return
	}
	if !e.key(key, 0) {
		return
	}
	start := len(e.buf)
	e.buf = t.UTC().AppendFormat(e.buf, layout)
	if date := string(e.buf[start:]); !plain(date, ones*'=', ones*'\\') {
		e.buf = e.escape(e.buf[:start], date)
	}
}

// Addr appends an extension whose value is an IP address. The zero Addr is an
// error.
func (e *Encoder) Addr(key string, addr netip.Addr) {
	if !addr.IsValid() {
		e.fail(FieldError{Field: key, Reason: "is the zero IP address"})
		return
	}
	if addr.Zone() != "" { // a zone is free text
		e.String(key, addr.String())
		return
	}
	if e.key(key, 0) {
		e.buf = addr.AppendTo(e.buf)
	}
}

// key appends a space, unless this is the first extension, the key and an
// equals sign, and makes room for a value. It appends nothing and returns
// false after an error.
func (e *Encoder) key(key string, room int) bool {
	if e.extensions == 0 {
		e.fail(errNotBegun)
	}
	if e.err != nil {
		return false
	}
	if (e.StrictKeys || !plainKey(key) || key == "") && !ValidKey(key, e.StrictKeys) {
		e.fail(FieldError{Field: key, Reason: "cannot be an extension key"})
		return false
	}
	b := e.buf
	start := len(b)
	if need := 2 + len(key) + room; cap(b)-start < need {
		b = grow(b, need)
	}
	if start != e.extensions {
		b = b[:start+1]
		b[start] = ' '
		start++
	}
	end := start + len(key)
	b = b[:end+1]
	copy(b[start:], key)
	b[end] = '='
	e.buf = b
	return true
}

// grow returns b with room for n more bytes.
func grow(b []byte, n int) []byte {
	return append(b, make([]byte, n)...)[:len(b)]
}

func (e *Encoder) fail(err FieldError) {
	if e.err == nil {
		e.err = err.fresh()
	}
}

// End finishes the line, without a line break, and returns the buffer. After
// an error, which is a [*FieldError], it returns the buffer as it was given to
// Begin.
func (e *Encoder) End() ([]byte, error) {
	if e.extensions == 0 {
		e.fail(errNotBegun)
	}
	b, err := e.buf, e.err
	if err != nil {
		b = b[:e.start]
	} else {
		for len(b) > e.extensions && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
	}
	e.begin(nil, e.replaced)
	return b, err
}

// Replaced returns how many characters of the line, the last one after End,
// were replaced by U+FFFD.
func (e *Encoder) Replaced() int { return e.replaced }

const replacement = "\uFFFD"

// escape appends an extension value.
func (e *Encoder) escape(dst []byte, value string) []byte {
	done := 0 // value[:done] is in dst
	for i := 0; i < len(value); {
		size := 1
		with := ""
		switch c := value[i]; {
		case c == '\\':
			with = `\\`
		case c == '=':
			with = `\=`
		case c == '\n':
			with = `\n`
		case c == '\r':
			with = `\r`
		case c >= utf8.RuneSelf:
			size, with = e.multibyte(value[i:])
		case isControl(rune(c)):
			e.replaced++
			with = replacement
		}
		if with != "" {
			dst = append(dst, value[done:i]...)
			dst = append(dst, with...)
			done = i + size
		}
		i += size
	}
	return append(dst, value[done:]...)
}

// escapeHeader appends a header field.
func (e *Encoder) escapeHeader(dst []byte, field string) []byte {
	done := 0
	for i := 0; i < len(field); {
		size := 1
		with := ""
		switch c := field[i]; {
		case c == '\\':
			with = `\\`
		case c == '|':
			with = `\|`
		case c == '\n':
			with = " "
		case c == '\r':
			with = " "
			if i+1 < len(field) && field[i+1] == '\n' {
				size = 2
			}
		case c >= utf8.RuneSelf:
			size, with = e.multibyte(field[i:])
		case isControl(rune(c)):
			e.replaced++
			with = replacement
		}
		if with != "" {
			dst = append(dst, field[done:i]...)
			dst = append(dst, with...)
			done = i + size
		}
		i += size
	}
	return append(dst, field[done:]...)
}

// multibyte returns the size of the character that s begins with, and what
// replaces it if it cannot stand.
func (e *Encoder) multibyte(s string) (size int, with string) {
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size == 1 || isControl(r) {
		e.replaced++
		return size, replacement
	}
	return size, ""
}
