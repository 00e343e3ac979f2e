package cef

import (
	"strconv"
	"unicode/utf8"
)

// Mode chooses what a reader puts up with. The zero Mode is Lenient.
type Mode uint8

const (
	// Lenient keeps as part of the value what other senders leave unescaped (a
	// backslash before anything but \, =, n and r, an equals sign that no key
	// stands before), and reads what relays do to a line. Everything it
	// tolerates is reported.
	Lenient Mode = 0

	// Strict reads only what an [Encoder] can write. It still reads a
	// header without the last pipe, and any prefix.
	Strict Mode = 1 << iota

	// StrictKeys takes only keys of ASCII letters and digits for keys, as
	// the CEF specification has it.
	StrictKeys
)

// Tolerance is a set of deviations that a lenient reader met.
type Tolerance uint16

// The deviations. In strict mode each is a [*SyntaxError].
const (
	LoneBackslash    Tolerance = 1 << iota // a backslash that escapes nothing; kept
	BareEquals                             // an equals sign inside a value; kept
	InvalidUTF8                            // bytes that are not UTF-8; U+FFFD in the value
	ControlCharacter                       // a control character, or CR or LF; kept
	SpacedVersion                          // "CEF: 0"
	SeverityForm                           // another case, spaces, or leading zeros
	LeadingSpace                           // spaces before the first key
	TrailingSpace                          // spaces at the end of the line; no reader keeps them
)

var toleranceNames = [...]string{
	"lone backslash", "bare equals sign", "invalid UTF-8", "control character",
	"space after CEF:", "form of the severity", "space before the first key", "space at the end",
}

// String names the deviations, separated by commas.
func (t Tolerance) String() string {
	s := ""
	for i := range toleranceNames {
		if t>>uint(i)&1 == 0 { // yaegi gives 1<<i a type of its own
			continue
		}
		if s != "" {
			s += ", "
		}
		s += toleranceNames[i]
	}
	return s
}

// Part says what a [Field] is.
type Part uint8

// The parts of a line, in their order. A line without a prefix has no
// PartPrefix, one without extensions no PartExtension.
const (
	PartPrefix Part = iota
	PartCEFVersion
	PartVendor
	PartProduct
	PartVersion
	PartClassID
	PartName
	PartSeverity
	PartExtension
)

var partNames = [...]string{
	"prefix", "CEF version", "device vendor", "device product", "device version",
	"device event class ID", "name", "severity", "extension",
}

// String returns the field's name in the CEF specification, in lower case.
func (p Part) String() string {
	if int(p) >= len(partNames) {
		return "Part(" + strconv.Itoa(int(p)) + ")"
	}
	return partNames[p]
}

// Field is a part of a line as [Scan] meets it. Key and Raw point into the
// line.
type Field struct {
	Part      Part
	Offset    int       // of the field in the line, in bytes: of the key for an extension
	Key       []byte    // of an extension
	Raw       []byte    // the value as it stands in the line, escaped
	Plain     bool      // Raw is the value: nothing in it needs unescaping
	Tolerated Tolerance // what was tolerated in this field
}

// AppendValue appends the field's value to dst: Raw without its escaping.
// What is not UTF-8 becomes U+FFFD.
func (f Field) AppendValue(dst []byte) []byte {
	if f.Plain {
		return append(dst, f.Raw...)
	}
	for i := 0; i < len(f.Raw); {
		c := f.Raw[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(f.Raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		if c == '\\' && i+1 < len(f.Raw) {
			if v := unescaped(f.Part, f.Raw[i+1]); v != 0 {
				dst = append(dst, v)
				i += 2
				continue
			}
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// unescaped returns what a backslash and c stand for, or 0 if they are no
// escape sequence. A prefix is not CEF's, and has none.
func unescaped(part Part, c byte) byte {
	if part == PartPrefix {
		return 0
	}
	if part == PartExtension {
		switch c {
		case '\\', '=':
			return c
		case 'n':
			return '\n'
		case 'r':
			return '\r'
		}
		return 0
	}
	if c == '\\' || c == '|' {
		return c
	}
	return 0
}
