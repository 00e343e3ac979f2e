package shipper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
)

// Events are kept in a form that loses nothing of them, whatever format they
// are sent in later: a version, the header, then the attributes. Strings have
// their length before them; numbers are varints.
const eventVersion = 1

// flags of an event.
const (
	hasTime = 1 << iota
	hasPrefix
)

var errEvent = errors.New("the stored event is malformed")

// appendEvent appends the event's stored form.
func appendEvent(dst []byte, e *auditlog.Event) []byte {
	flags := byte(0)
	if !e.Time.IsZero() {
		flags |= hasTime
	}
	if e.Prefix != "" {
		flags |= hasPrefix
	}
	dst = append(dst, eventVersion, flags, byte(e.Severity))
	dst = binary.AppendVarint(dst, int64(e.CEFVersion))
	if flags&hasTime != 0 {
		dst = binary.AppendVarint(dst, e.Time.Unix())
		dst = binary.AppendUvarint(dst, uint64(e.Time.Nanosecond()))
	}
	if flags&hasPrefix != 0 {
		dst = appendText(dst, e.Prefix)
	}
	dst = appendText(dst, e.Host)
	dst = appendText(dst, e.Vendor)
	dst = appendText(dst, e.Product)
	dst = appendText(dst, e.Version)
	dst = appendText(dst, e.ClassID)
	dst = appendText(dst, e.Name)
	dst = binary.AppendUvarint(dst, uint64(len(e.Attributes)))
	for i := range e.Attributes {
		a := &e.Attributes[i]
		dst = appendText(dst, a.Key)
		kind := a.Value.Kind()
		dst = append(dst, byte(kind))
		switch kind {
		case auditlog.ValueInt:
			n, _ := a.Value.Int64()
			dst = binary.AppendVarint(dst, n)
		case auditlog.ValueBool:
			b, _ := a.Value.Bool()
			dst = append(dst, boolByte(b))
		default:
			dst = appendText(dst, a.Value.String())
		}
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// parseEvent reads a stored event into e, whose attributes it uses again. The
// event refers to text, which is the same as data.
func parseEvent(e *auditlog.Event, data []byte, text string) error {
	if len(data) < 3 {
		return errEvent
	}
	if data[0] != eventVersion {
		return fmt.Errorf("the stored event has version %d; this program reads %d", data[0], eventVersion)
	}
	flags, severity := data[1], cef.Severity(data[2])
	r := reader{data: data[3:], text: text[3:]}
	*e = auditlog.Event{Attributes: e.Attributes[:0]}
	e.Severity = severity
	e.CEFVersion = int(r.varint())
	if flags&hasTime != 0 {
		seconds := r.varint()
		e.Time = time.Unix(seconds, int64(r.uvarint())).UTC()
	}
	if flags&hasPrefix != 0 {
		e.Prefix = r.string()
	}
	e.Host, e.Vendor, e.Product = r.string(), r.string(), r.string()
	e.Version, e.ClassID, e.Name = r.string(), r.string(), r.string()
	n := r.uvarint()
	if n > uint64(len(r.data)) { // each takes more than a byte
		return errEvent
	}
	for range n {
		key := r.string()
		switch kind := auditlog.ValueKind(r.byte()); kind {
		case auditlog.ValueString:
			e.Attributes = append(e.Attributes, auditlog.String(key, r.string()))
		case auditlog.ValueInt:
			e.Attributes = append(e.Attributes, auditlog.Int(key, r.varint()))
		case auditlog.ValueBool:
			e.Attributes = append(e.Attributes, auditlog.Bool(key, r.byte() == 1))
		case auditlog.ValueNumber:
			e.Attributes = append(e.Attributes, auditlog.Number(key, r.string()))
		default:
			return errEvent
		}
	}
	if r.failed || len(r.data) > 0 {
		return errEvent
	}
	return nil
}

// reader reads from data; text is the same bytes. After a failure it reads
// zeros.
type reader struct {
	data   []byte
	text   string
	failed bool
}

func (r *reader) advance(n int) {
	r.data, r.text = r.data[n:], r.text[n:]
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.failed = true
		return 0
	}
	b := r.data[0]
	r.advance(1)
	return b
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	return v * int64(r.read(n))
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	return v * uint64(r.read(n))
}

// read advances by a varint's length and returns 1, or 0 if there is none.
func (r *reader) read(n int) int {
	if n <= 0 {
		r.fail()
		return 0
	}
	r.advance(n)
	return 1
}

func (r *reader) fail() {
	r.failed, r.data, r.text = true, nil, ""
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.text)) {
		r.fail()
		return ""
	}
	s := r.text[:n]
	r.advance(int(n))
	return s
}
