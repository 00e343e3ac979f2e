// Package cefvectors runs the test vectors of package cef, natively in the
// package's own test and, because they may differ, in an interpreter and in
// WebAssembly. So it keeps to what all three can run, as package cef does.
//
// Each line of a vector file is a JSON object with a name, an input and what is
// expected. In a string, the character U+E000 + b stands for the single byte b,
// since JSON cannot carry what is not UTF-8.
package cefvectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"time"

	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Event is the input of an encoding vector and what a parsing vector expects.
type Event struct {
	Time       string  `json:"time"`
	Host       string  `json:"host"`
	Prefix     string  `json:"prefix"`
	CEFVersion int     `json:"cef_version"`
	Vendor     string  `json:"vendor"`
	Product    string  `json:"product"`
	Version    string  `json:"version"`
	ClassID    string  `json:"class_id"`
	Name       string  `json:"name"`
	Severity   string  `json:"severity"`
	Extensions []Field `json:"extensions"`
}

// Field is an extension. The type is string if it is empty, or int, bool, time
// (RFC 3339, written as Unix milliseconds), date (RFC 3339, written in Layout)
// or addr.
type Field struct {
	Key    string `json:"key"`
	Type   string `json:"type"`
	Layout string `json:"layout"`
	Value  string `json:"value"`
}

type encodeVector struct {
	Name       string `json:"name"`
	Input      Event  `json:"input"`
	StrictKeys bool   `json:"strict_keys"`
	Expected   struct {
		Line     string  `json:"line"`
		Replaced int     `json:"replaced"`
		Error    *string `json:"error"` // the field named
	} `json:"expected"`
}

type parseVector struct {
	Name  string `json:"name"`
	Input struct {
		Line       string `json:"line"`
		Strict     bool   `json:"strict"`
		StrictKeys bool   `json:"strict_keys"`
	} `json:"input"`
	Expected struct {
		Event     *Event   `json:"event"`
		Tolerated []string `json:"tolerated"` // "key: deviation" or "part: deviation"
		Error     *int     `json:"error"`     // the offset
	} `json:"expected"`
}

// Encode runs the encoding vectors in data. It returns how many there are and
// what failed.
func Encode(data []byte) (int, []string) {
	return each(data, func(line []byte) (string, string) {
		var v encodeVector
		if err := decoder(line).Decode(&v); err != nil {
			return string(line), err.Error()
		}
		return v.Name, v.check()
	})
}

// Parse runs the parsing vectors in data, as Encode does.
func Parse(data []byte) (int, []string) {
	return each(data, func(line []byte) (string, string) {
		var v parseVector
		if err := decoder(line).Decode(&v); err != nil {
			return string(line), err.Error()
		}
		return v.Name, v.check()
	})
}

func each(data []byte, check func([]byte) (name, failure string)) (n int, failures []string) {
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		n++
		if name, failure := check(line); failure != "" {
			failures = append(failures, name+": "+failure)
		}
	}
	return n, failures
}

// decoder leaves the call of Decode to the caller: the interpreter wraps what it
// hands from one of its functions to another as an interface, and encoding/json
// does not see through that.
func decoder(line []byte) *json.Decoder {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	return d
}

// check encodes by Begin and, where a header can be prepared, by BeginPrepared.
func (v *encodeVector) check() string {
	header, err := v.Input.header()
	if err != nil {
		return err.Error()
	}
	e := cef.Encoder{StrictKeys: v.StrictKeys}
	e.Begin([]byte(before), &header)
	if failure := v.finish(&e); failure != "" || header.Prefix != "" {
		return failure
	}
	p, err := cef.Prepare(&header)
	if err != nil {
		return v.compare([]byte(before), 0, err)
	}
	e.BeginPrepared([]byte(before), &p, header.Time, header.ClassID, header.Name, header.Severity)
	if failure := v.finish(&e); failure != "" {
		return "prepared: " + failure
	}
	return ""
}

const before = "what the buffer held"

func (v *encodeVector) finish(e *cef.Encoder) string {
	for i := range v.Input.Extensions {
		if err := appendField(e, v.Input.Extensions[i]); err != nil {
			return err.Error()
		}
	}
	got, err := e.End()
	return v.compare(got, e.Replaced(), err)
}

func (v *encodeVector) compare(got []byte, replaced int, err error) string {
	if v.Expected.Error != nil {
		//nolint:errorlint // the interpreter's errors.As knows none of its types
		if field, ok := err.(*cef.FieldError); !ok || field.Field != *v.Expected.Error {
			return "error is " + text(err) + ", want one of the field " + strconv.Quote(*v.Expected.Error)
		}
		if string(got) != before {
			return "the buffer is " + strconv.Quote(string(got)) + " after an error"
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	if want := before + raw(v.Expected.Line); string(got) != want {
		return "got " + strconv.Quote(string(got)) + ", want " + strconv.Quote(want)
	}
	if replaced != v.Expected.Replaced {
		return "replaced " + strconv.Itoa(replaced) + ", want " + strconv.Itoa(v.Expected.Replaced)
	}
	return ""
}

func (event *Event) header() (cef.Header, error) {
	h := cef.Header{
		Host: raw(event.Host), Prefix: raw(event.Prefix), CEFVersion: event.CEFVersion,
		Vendor: raw(event.Vendor), Product: raw(event.Product), Version: raw(event.Version),
		ClassID: raw(event.ClassID), Name: raw(event.Name),
	}
	var err error
	if event.Severity == "99" { // none that can be written
		h.Severity = 99
	} else if h.Severity, err = cef.ParseSeverity(event.Severity); err != nil {
		return h, err
	}
	if event.Time != "" {
		h.Time, err = time.Parse(time.RFC3339, event.Time)
	}
	return h, err
}

func appendField(e *cef.Encoder, f Field) error {
	var err error
	key, value := raw(f.Key), raw(f.Value)
	switch f.Type {
	case "":
		e.String(key, value)
	case "int":
		var n int64
		n, err = strconv.ParseInt(value, 10, 64)
		e.Int(key, n)
	case "bool":
		e.Bool(key, value == "true")
	case "time":
		var t time.Time
		t, err = time.Parse(time.RFC3339, value)
		e.Time(key, t)
	case "date":
		var t time.Time
		t, err = time.Parse(time.RFC3339, value)
		e.Date(key, t, f.Layout)
	case "addr":
		var a netip.Addr
		if value != "" {
			a, err = netip.ParseAddr(value)
		}
		e.Addr(key, a)
	default:
		err = errors.New("unknown type " + f.Type)
	}
	return err
}

func (v *parseVector) check() string {
	mode := cef.Lenient
	if v.Input.Strict {
		mode |= cef.Strict
	}
	if v.Input.StrictKeys {
		mode |= cef.StrictKeys
	}
	got, err := cef.Parse([]byte(raw(v.Input.Line)), mode)
	if v.Expected.Error != nil {
		//nolint:errorlint // as above
		if syntax, ok := err.(*cef.SyntaxError); !ok || syntax.Offset != *v.Expected.Error {
			return "error is " + text(err) + ", want one at byte " + strconv.Itoa(*v.Expected.Error)
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	want := v.Expected.Event
	header, err := want.header()
	if err != nil {
		return err.Error()
	}
	if !got.Time.Equal(header.Time) {
		return "time is " + got.Time.String() + ", want " + want.Time
	}
	got.Time = header.Time
	if got.Header != header {
		return "header differs: " + describe(got.Header) + ", want " + describe(header)
	}
	if len(got.Extensions) != len(want.Extensions) {
		return strconv.Itoa(len(got.Extensions)) + " extensions, want " + strconv.Itoa(len(want.Extensions))
	}
	for i, e := range got.Extensions {
		key, value := raw(want.Extensions[i].Key), raw(want.Extensions[i].Value)
		if e.Key != key || e.Value != value {
			return "extension " + strconv.Itoa(i) + " is " + strconv.Quote(e.Key+"="+e.Value) + ", want " + strconv.Quote(key+"="+value)
		}
	}
	var notes []string
	for _, n := range got.Notes {
		where := n.Key
		if n.Part != cef.PartExtension {
			where = n.Part.String()
		}
		notes = append(notes, where+": "+n.Tolerated.String())
	}
	if len(notes) != len(v.Expected.Tolerated) {
		return strconv.Itoa(len(notes)) + " deviations, want " + strconv.Itoa(len(v.Expected.Tolerated))
	}
	for i := range notes {
		if notes[i] != v.Expected.Tolerated[i] {
			return "tolerated " + notes[i] + ", want " + v.Expected.Tolerated[i]
		}
	}
	return ""
}

func describe(h cef.Header) string {
	return strconv.Quote(h.Prefix) + " " + strconv.Quote(h.Host) + " " + strconv.Itoa(h.CEFVersion) + " " +
		strconv.Quote(h.Vendor) + " " + strconv.Quote(h.Product) + " " + strconv.Quote(h.Version) + " " +
		strconv.Quote(h.ClassID) + " " + strconv.Quote(h.Name) + " " + h.Severity.String()
}

func text(err error) string {
	if err == nil {
		return "nil"
	}
	return err.Error()
}

// raw puts single bytes in the place of U+E000 to U+E0FF.
func raw(s string) string {
	var b []byte
	for _, r := range s {
		if r >= 0xE000 && r <= 0xE0FF {
			b = append(b, byte(r-0xE000))
			continue
		}
		b = append(b, string(r)...)
	}
	return string(b)
}
