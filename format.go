package auditlog

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Format is a line format, by its name in Konnect's log_format.
type Format string

// The formats.
const (
	// CEF is ArcSight's Common Event Format; see package cef.
	CEF Format = "cef"
	// JSON is one flat object a line, members in alphabetical order, sig last.
	JSON Format = "json"
	// CPS is the CrowdStrike Parsing Standard: the JSON object as the only
	// member of another one, under the name event.
	CPS Format = "cps"
)

// Valid reports whether f is one of the formats.
func (f Format) Valid() bool { return f == CEF || f == JSON || f == CPS }

// Append appends e as a line, without a line break. It allocates nothing while
// dst has room (for JSON and CPS, while e has at most 64 attributes of keys that
// Konnect does not have, and no Prefix). On error, a [*FieldError], it returns dst
// as it was.
func (f Format) Append(dst []byte, e *Event) ([]byte, error) {
	switch f {
	case CEF:
		return appendCEF(dst, e)
	case JSON:
		return appendJSON(dst, e)
	case CPS:
		b, err := appendJSON(append(dst, cpsOpen...), e)
		if err != nil {
			return dst, err
		}
		return append(b, '}'), nil
	default:
		return dst, f.unknown()
	}
}

// Parse reads a line of the format; a line break at its end is ignored. It
// tolerates what is seen in the wild: CEF as [cef.Lenient] does ([cef.Parse]
// tells what was tolerated), JSON with the types of Konnect's attributes mixed
// up, with null for what is absent, and with bytes that are not UTF-8. An error
// is a [*SyntaxError] or a [*FieldError]. The event does not refer to line.
func (f Format) Parse(line []byte) (Event, error) { return f.parse(line, cef.Lenient) }

// ParseStrict is Parse without the tolerance: CEF is read as [cef.Strict], and
// in JSON and CPS Konnect's attributes have their documented types, there is no
// null, and all text is UTF-8. White space and the order of members are free.
func (f Format) ParseStrict(line []byte) (Event, error) { return f.parse(line, cef.Strict) }

// ParseHeader returns the header of the event that Parse returns, or its error. It
// keeps no attributes: for lines that are passed on as they are, by who sent them or
// how severe they are, and for those of strangers, whose events may take many times
// the memory of their lines. A header takes at most three times its line: what is not
// UTF-8 becomes U+FFFD.
func (f Format) ParseHeader(line []byte) (cef.Header, error) {
	switch f {
	case CEF:
		return parseCEFHeader(line)
	case JSON:
		return parseJSONHeader(line, false)
	case CPS:
		return parseJSONHeader(line, true)
	default:
		return cef.Header{}, f.unknown()
	}
}

func (f Format) parse(line []byte, mode cef.Mode) (Event, error) {
	switch f {
	case CEF:
		return parseCEF(line, mode)
	case JSON:
		return parseJSON(line, false, mode)
	case CPS:
		return parseJSON(line, true, mode)
	default:
		return Event{}, f.unknown()
	}
}

func (f Format) unknown() error {
	return &FieldError{Field: "log_format", Reason: strconv.Quote(string(f)) + " is not cef, json or cps"}
}

// cpsOpen is what a CPS line begins with; it ends with another brace.
const cpsOpen = `{"event":`

// Detect tells the format of a line by its first byte: { begins JSON or CPS,
// anything else CEF. A line is CPS if the first member of its object is event
// and is an object itself.
func Detect(line []byte) Format {
	if len(line) == 0 || line[0] != '{' {
		return CEF
	}
	rest := bytes.TrimLeft(line[1:], jsonSpace)
	if rest, ok := bytes.CutPrefix(rest, []byte(`"event"`)); ok {
		if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, jsonSpace), []byte(":")); ok {
			if bytes.HasPrefix(bytes.TrimLeft(rest, jsonSpace), []byte("{")) {
				return CPS
			}
		}
	}
	return JSON
}

// Parse reads a line of any format. See [Detect] and [Format.Parse].
func Parse(line []byte) (Event, Format, error) {
	f := Detect(line)
	e, err := f.Parse(line)
	return e, f, err
}

func appendCEF(dst []byte, e *Event) ([]byte, error) {
	var enc cef.Encoder
	enc.Begin(dst, &e.Header)
	for i := range e.Attributes {
		a := &e.Attributes[i]
		switch a.Value.kind {
		case ValueInt:
			enc.Int(a.Key, a.Value.num)
		case ValueBool:
			enc.Bool(a.Key, a.Value.num == 1)
		case ValueNumber:
			if err := a.checkNumber(); err != nil {
				return dst, err
			}
			enc.String(a.Key, a.Value.str)
		default:
			enc.String(a.Key, a.Value.str)
		}
	}
	return enc.End()
}

func parseCEF(line []byte, mode cef.Mode) (Event, error) {
	r, err := cef.Parse(line, mode)
	if err != nil {
		return Event{}, err
	}
	e := Event{Header: r.Header}
	if len(r.Extensions) > 0 {
		e.Attributes = make([]Attribute, len(r.Extensions))
	}
	for i, x := range r.Extensions {
		e.Attributes[i] = Attribute{x.Key, typed(rankOf(x.Key), Value{str: x.Value})}
	}
	return e, nil
}

// parseCEFHeader reads the line as far as its first key: a lenient reader has
// nothing to complain of behind it.
func parseCEFHeader(line []byte) (cef.Header, error) {
	err := cef.Scan(line, cef.Lenient, func(field cef.Field) error {
		if field.Part != cef.PartExtension {
			return nil
		}
		line = line[:field.Offset]
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return cef.Header{}, err
	}
	r, err := cef.Parse(line, cef.Lenient)
	return r.Header, err
}

var errEnough = errors.New("enough was read")
