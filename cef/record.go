package cef

import "bytes"

// Record is a line taken apart.
type Record struct {
	Header

	// Extensions are in the order of the line. A key can occur more than once.
	Extensions []Extension

	// Notes tell what a lenient reader tolerated.
	Notes []Note
}

// Extension is a key and its value, unescaped.
type Extension struct {
	Key   string
	Value string
}

// Note tells what was tolerated where.
type Note struct {
	Part      Part
	Key       string // of an extension
	Offset    int    // of the field in the line, in bytes
	Tolerated Tolerance
}

// Parse reads a line. See [Mode] for what it puts up with; an error is a
// [*SyntaxError]. The record does not refer to line.
func Parse(line []byte, mode Mode) (Record, error) {
	var r Record
	text := string(line)
	at := func(raw []byte, offset int) string { return text[offset : offset+len(raw)] }
	err := Scan(line, mode, func(f Field) error {
		value := ""
		key := ""
		if f.Part == PartExtension {
			key = at(f.Key, f.Offset)
			value = at(f.Raw, f.Offset+len(f.Key)+1)
		} else {
			value = at(f.Raw, f.Offset)
		}
		if !f.Plain {
			value = string(f.AppendValue(nil))
		}
		if f.Tolerated != 0 {
			r.Notes = append(r.Notes, Note{Part: f.Part, Key: key, Offset: f.Offset, Tolerated: f.Tolerated})
		}
		switch f.Part {
		case PartPrefix:
			r.Time, r.Host, r.Prefix = ParsePrefix(value)
		case PartCEFVersion:
			for i := range f.Raw {
				r.CEFVersion = 10*r.CEFVersion + int(f.Raw[i]-'0')
			}
		case PartVendor:
			r.Vendor = value
		case PartProduct:
			r.Product = value
		case PartVersion:
			r.Version = value
		case PartClassID:
			r.ClassID = value
		case PartName:
			r.Name = value
		case PartSeverity:
			r.Severity, _, _ = parseSeverity(f.Raw)
		case PartExtension:
			if r.Extensions == nil {
				n := bytes.Count(line, equalsSign)
				if n > usual {
					n = usual // equals signs prove nothing
				}
				r.Extensions = make([]Extension, 0, n)
			}
			r.Extensions = append(r.Extensions, Extension{Key: key, Value: value})
		}
		return nil
	})
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

// usual is how many extensions room is made for.
const usual = 32

var equalsSign = []byte{'='}

// Append appends the record as a line, without a line break. On error, a
// [*FieldError], it returns dst as it was. Notes are not written.
func (r *Record) Append(dst []byte) ([]byte, error) {
	var e Encoder
	e.Begin(dst, &r.Header)
	for i := range r.Extensions {
		e.String(r.Extensions[i].Key, r.Extensions[i].Value)
	}
	return e.End()
}
