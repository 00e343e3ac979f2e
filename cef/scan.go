package cef

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// Scan reads a line and calls visit for each part, in their order. The line
// is without its line break; one at its end (LF or CRLF) is ignored. Key and
// Raw may be kept as long as the line.
//
// The record begins at the first "CEF:". What stands before it may be anything
// that a relay puts there, but no JSON object: a brace and a quotation mark (" or ',
// also as \x22, \u0022 or a reference of HTML), white space between them or not;
// escaped ones too, unless they are in a quotation (in ") that has ended. The "CEF:"
// would be in a text of the object, and the event that of whoever chose it.
//
// It returns a [*SyntaxError], or the first error of visit, at which it stops.
// What was visited before a SyntaxError has been read correctly. Scan allocates
// nothing, and takes time linear in the length of the line.
func Scan(line []byte, mode Mode, visit func(Field) error) error {
	s := scanner{line: line, mode: mode}
	return s.scan(visit)
}

// scanner does not hold the visitor: that would put the caller's closure on the
// heap.
type scanner struct {
	line  []byte
	mode  Mode
	field Field

	// The line holds bytes of another kind than printable ASCII, so that each
	// field must be looked at.
	unusual bool
	// What the last field is to tell of the spaces after it.
	trailing Tolerance
	// The next backslash at or after the point reached, or the end of the line.
	backslash int
}

func (s *scanner) scan(visit func(Field) error) error {
	if err := s.trim(); err != nil {
		return err
	}
	s.unusual = !printable(s.line)
	mark := bytes.Index(s.line, mark)
	if mark < 0 {
		return s.errorAt(0, `no "CEF:"`)
	}
	s.backslash = -1
	s.backslash = s.nextBackslash(0)
	if mark > 0 {
		if object := objectIn(s.line[:mark]); object >= 0 {
			return s.errorAt(object, `an object of JSON begins before "CEF:"`)
		}
		if err := s.emit(visit, PartPrefix, 0, 0, mark); err != nil {
			return err
		}
	}
	i, err := s.header(visit, mark+len("CEF:"))
	if err != nil || i >= len(s.line) {
		return err
	}
	return s.extensions(visit, i)
}

// trim takes the line break and trailing spaces off the line.
func (s *scanner) trim() error {
	line := s.line
	if n := len(line); n > 0 && line[n-1] == '\n' {
		line = line[:n-1]
		if n > 1 && line[n-2] == '\r' {
			line = line[:n-2]
		}
	}
	if len(line) > 0 && line[0] == '{' {
		return s.errorAt(0, "a line that begins with { is JSON")
	}
	end := len(line)
	for end > 0 && line[end-1] == ' ' {
		end--
	}
	if end < len(line) {
		if s.mode&Strict != 0 {
			return s.errorAt(end, "a space at the end of the line")
		}
		s.trailing = TrailingSpace
	}
	s.line = line[:end]
	return nil
}

// header reads the fields between pipes, from i on, and returns where the
// extensions begin.
func (s *scanner) header(visit func(Field) error, i int) (int, error) {
	line := s.line
	var tolerated Tolerance
	for i < len(line) && line[i] == ' ' {
		if s.mode&Strict != 0 {
			return 0, s.errorAt(i, "a space before the CEF version")
		}
		tolerated = SpacedVersion
		i++
	}
	for part := PartCEFVersion; part <= PartSeverity; part++ {
		end := i
		for end < len(line) && line[end] != '|' {
			if line[end] == '\\' {
				end++ // a backslash keeps the next byte from ending the field
			}
			end++
		}
		if end >= len(line) {
			if part != PartSeverity {
				return 0, s.errorAt(len(line), "the line ends in the "+part.String())
			}
			end = len(line)
		}
		if part == PartCEFVersion && !validVersion(line[i:end]) {
			return 0, s.errorAt(i, "the CEF version is not a number of up to three digits")
		}
		if part == PartSeverity {
			_, exact, ok := parseSeverity(line[i:end])
			if !ok || !exact && s.mode&Strict != 0 {
				return 0, s.errorAt(i, "the severity is not 0 to 10, Unknown, Low, Medium, High or Very-High")
			}
			if !exact {
				tolerated |= SeverityForm
			}
			if end+1 >= len(line) { // no extensions
				tolerated |= s.trailing
			}
		}
		if err := s.emit(visit, part, tolerated, i, end); err != nil {
			return 0, err
		}
		tolerated = 0
		i = end + 1
	}
	return i, nil
}

// printable reports whether b is printable ASCII.
func printable(b []byte) bool {
	found := uint64(0)
	for len(b) >= 8 {
		w := b[:8]
		b = b[8:]
		found |= special(uint64(w[0])|uint64(w[1])<<8|uint64(w[2])<<16|uint64(w[3])<<24|
			uint64(w[4])<<32|uint64(w[5])<<40|uint64(w[6])<<48|uint64(w[7])<<56, ones, ones)
	}
	for i := range b {
		found |= special(uint64(b[i])|(ones*'a')&^0xff, ones, ones)
	}
	return found == 0
}

var mark = []byte("CEF:")

func validVersion(b []byte) bool {
	if len(b) == 0 || len(b) > 3 || len(b) > 1 && b[0] == '0' {
		return false
	}
	for i := range b {
		if b[i] < '0' || b[i] > '9' {
			return false
		}
	}
	return true
}

// extensions reads key=value pairs from i on. A key is what stands between an
// unescaped space and an unescaped equals sign, so a value ends where the next
// key begins.
func (s *scanner) extensions(visit func(Field) error, i int) error {
	line := s.line
	end := len(line)
	var tolerated Tolerance
	for i < end && line[i] == ' ' {
		if s.mode&Strict != 0 {
			return s.errorAt(i, "a space before the first key")
		}
		tolerated = LeadingSpace
		i++
	}
	equals := bytes.IndexByte(line[i:end], '=')
	if equals < 0 {
		return s.errorAt(i, "no key and equals sign after the header")
	}
	key, keyEnd := i, i+equals
	if !s.isKey(key, keyEnd) {
		return s.errorAt(i, "not an extension key: "+strconv.Quote(clip(string(line[key:keyEnd]))))
	}
	for {
		value := keyEnd + 1
		nextKey, nextEnd, bare, err := s.findKey(value, end)
		if err != nil {
			return err
		}
		if bare {
			tolerated |= BareEquals
		}
		valueEnd := end
		if nextKey > 0 {
			valueEnd = nextKey - 1
		} else {
			tolerated |= s.trailing
		}
		s.field.Key = line[key:keyEnd]
		s.field.Offset = key
		if err := s.emit(visit, PartExtension, tolerated, value, valueEnd); err != nil {
			return err
		}
		if nextKey == 0 {
			return nil
		}
		key, keyEnd, tolerated = nextKey, nextEnd, 0
	}
}

// findKey returns the next key in the line between i, where a value begins, and
// end, or 0 if there is none. It tells whether it passed a bare equals sign.
func (s *scanner) findKey(i, end int) (key, keyEnd int, bare bool, err error) {
	line := s.line
	from := i
	for {
		n := bytes.IndexByte(line[from:end], '=')
		if n < 0 {
			return 0, 0, bare, nil
		}
		equals := from + n
		from = equals + 1
		if escaped(line, i, equals) {
			continue
		}
		// No byte of a key is an equals sign, so this never goes over the same
		// bytes twice.
		key := equals
		var classes uint8
		for key > i {
			c := keyClass[line[key-1]]
			if c == 0 {
				break
			}
			classes |= c
			key--
		}
		if key > i && line[key-1] == ' ' && s.validKey(line[key:equals], classes) && !escaped(line, i, key-1) {
			return key, equals, bare, nil
		}
		if s.mode&Strict != 0 {
			return 0, 0, false, s.errorAt(equals, "an equals sign that is neither escaped nor after a key")
		}
		bare = true
	}
}

// isKey is validKey for a key whose classes are not known yet.
func (s *scanner) isKey(from, to int) bool {
	var classes uint8
	for i := from; i < to; i++ {
		c := keyClass[s.line[i]]
		if c == 0 {
			return false
		}
		classes |= c
	}
	return s.validKey(s.line[from:to], classes)
}

func (s *scanner) validKey(key []byte, classes uint8) bool {
	if classes&^(alnum|under) == 0 {
		return len(key) > 0 && (classes == alnum || s.mode&StrictKeys == 0)
	}
	return s.mode&StrictKeys == 0 && validShape(key, classes)
}

// escaped reports whether an odd number of backslashes stands before line[i],
// none of them before from.
func escaped(line []byte, from, i int) bool {
	n := i
	for n > from && line[n-1] == '\\' {
		n--
	}
	return (i-n)&1 == 1
}

// nextBackslash returns the place of the first backslash from i on, or the end
// of the line.
func (s *scanner) nextBackslash(i int) int {
	if s.backslash >= i {
		return s.backslash
	}
	if n := bytes.IndexByte(s.line[i:], '\\'); n >= 0 {
		return i + n
	}
	return len(s.line)
}

// emit hands over line[from:to].
func (s *scanner) emit(visit func(Field) error, part Part, tolerated Tolerance, from, to int) error {
	f := &s.field
	f.Part = part // one by one; see Encoder.begin
	f.Raw = s.line[from:to:to]
	f.Plain = true
	f.Tolerated = tolerated
	if part != PartExtension {
		f.Offset = from
		f.Key = nil
	}
	if part != PartPrefix {
		s.backslash = s.nextBackslash(from)
		if s.backslash < to {
			if err := s.escapes(to); err != nil {
				return err
			}
		}
	}
	if s.unusual {
		if err := s.characters(from, to); err != nil {
			return err
		}
	}
	return visit(s.field)
}

// escapes looks for backslashes that escape nothing, from the first one on.
func (s *scanner) escapes(to int) error {
	s.field.Plain = false
	for i := s.backslash; i < to; i++ {
		if s.line[i] != '\\' {
			continue
		}
		if i+1 < to && unescaped(s.field.Part, s.line[i+1]) != 0 {
			i++
			continue
		}
		if s.mode&Strict != 0 {
			return s.errorAt(i, "a backslash that escapes nothing")
		}
		s.field.Tolerated |= LoneBackslash
	}
	return nil
}

// characters looks for what is not UTF-8 and for control characters.
func (s *scanner) characters(from, to int) error {
	for i := from; i < to; {
		r, size := utf8.DecodeRune(s.line[i:to])
		found, reason := Tolerance(0), ""
		if r == utf8.RuneError && size == 1 {
			found, reason = InvalidUTF8, "invalid UTF-8"
			s.field.Plain = false
		} else if r == '\n' || r == '\r' || isControl(r) {
			found, reason = ControlCharacter, "a control character"
		}
		if found != 0 && s.mode&Strict != 0 {
			return s.errorAt(i, reason)
		}
		s.field.Tolerated |= found
		i += size
	}
	return nil
}

func (s *scanner) errorAt(offset int, reason string) error {
	return &SyntaxError{Offset: offset, Reason: reason}
}
