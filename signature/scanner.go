package signature

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// scanner walks through JSON (RFC 8259) in UTF-8, and accepts what
// [json.Valid] does.
type scanner struct {
	text []byte
	i    int
}

// maxDepth, in which the object of the event counts, is that of encoding/json.
const maxDepth = 10_000

// member is a member of an object: its place, that of its value, and its name
// with escapes replaced.
type member struct {
	start, value, end int
	name              []byte
}

// member reads a member of an outer object.
func (s *scanner) member() (member, error) {
	m := member{start: s.i}
	escaped, err := s.string()
	if err != nil {
		return member{}, err
	}
	m.name = s.text[m.start+1 : s.i-1]
	if escaped {
		if m.name, err = s.decode(m.start); err != nil {
			return member{}, err
		}
	}
	s.space()
	if err := s.expect(':'); err != nil {
		return member{}, err
	}
	s.space()
	m.value = s.i
	err = s.value()
	m.end = s.i
	return m, err
}

// decode returns the name from start to s.i. Half a surrogate pair stands for no
// character, so that readers differ in what such a name is; encoding/json makes
// it the one of an escape for U+FFFD, which is refused with it.
func (s *scanner) decode(start int) ([]byte, error) {
	raw := s.text[start:s.i]
	var name string
	const replacement = string(utf8.RuneError)
	err := json.Unmarshal(raw, &name)
	if err != nil || strings.Count(name, replacement) != bytes.Count(raw, []byte(replacement)) {
		return nil, refuse(start, "a name with an escape that stands for no character")
	}
	return []byte(name), nil
}

// value reads a value of any kind. What is in it is content. It does not
// recurse: the stack of a goroutine grows by more than the line is long.
func (s *scanner) value() error {
	var open []byte // the closing brackets of what the value is within
	for {
		opened := s.next('{') || s.next('[')
		if opened && len(open) >= maxDepth-1 {
			return refuse(s.i, "nested too deeply")
		} else if opened {
			open = append(open, s.text[s.i]+2) // in ASCII a closing one comes two after its opening one
			s.i++
		} else if err := s.scalar(); err != nil {
			return err
		}
		for len(open) > 0 {
			s.space()
			if !s.next(open[len(open)-1]) {
				break
			}
			open = open[:len(open)-1]
			opened = false
			s.i++
		}
		if len(open) == 0 {
			return nil
		}
		if !opened {
			if err := s.expect(','); err != nil {
				return err
			}
			s.space()
		}
		if err := s.key(open[len(open)-1]); err != nil {
			return err
		}
	}
}

// key reads the name of a member and the colon if it is an object that closing
// ends.
func (s *scanner) key(closing byte) error {
	if closing != '}' {
		return nil
	}
	if _, err := s.string(); err != nil {
		return err
	}
	s.space()
	err := s.expect(':')
	s.space()
	return err
}

func (s *scanner) scalar() error {
	switch {
	case s.next('"'):
		_, err := s.string()
		return err
	case s.next('t'):
		return s.literal("true")
	case s.next('f'):
		return s.literal("false")
	case s.next('n'):
		return s.literal("null")
	}
	return s.number()
}

// string reads a string, and reports whether there is an escape in it.
func (s *scanner) string() (escaped bool, err error) {
	if err := s.expect('"'); err != nil {
		return false, err
	}
	text, i := s.text, s.i
	for ; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		switch c {
		case '"':
			s.i = i + 1
			return escaped, nil
		case '\\':
			escaped = true
			n := escapeLen(text[i:])
			if n == 0 {
				return false, refuse(i, "not an escape")
			}
			i += n - 1
		default:
			return false, refuse(i, "a control character in a string")
		}
	}
	s.i = i
	return false, s.unexpected()
}

// escapeLen returns the length of the escape that b begins with, 0 if it is
// none.
func escapeLen(b []byte) int {
	const short, long = len(`\n`), len(`\u0000`)
	switch {
	case len(b) < short:
		return 0
	case strings.IndexByte(`"\/bfnrt`, b[1]) >= 0:
		return short
	case b[1] != 'u' || len(b) < long:
		return 0
	}
	for _, c := range b[short:long] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return 0
		}
	}
	return long
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.text[s.i:], []byte(word)) {
		return refuse(s.i, "not a JSON value")
	}
	s.i += len(word)
	return nil
}

func (s *scanner) number() error {
	if s.next('-') {
		s.i++
	}
	if s.next('0') {
		s.i++
	} else if !s.digits() {
		return s.unexpected()
	}
	if s.next('.') {
		s.i++
		if !s.digits() {
			return s.unexpected()
		}
	}
	if s.next('e') || s.next('E') {
		s.i++
		if s.next('+') || s.next('-') {
			s.i++
		}
		if !s.digits() {
			return s.unexpected()
		}
	}
	return nil
}

// digits reports whether there is one or more.
func (s *scanner) digits() bool {
	start := s.i
	for s.i < len(s.text) && s.text[s.i] >= '0' && s.text[s.i] <= '9' {
		s.i++
	}
	return s.i > start
}

func (s *scanner) space() {
	for s.next(' ') || s.next('\t') { // CR and LF are in no entry
		s.i++
	}
}

// next reports whether the next byte is c.
func (s *scanner) next(c byte) bool { return s.i < len(s.text) && s.text[s.i] == c }

func (s *scanner) expect(c byte) error {
	if !s.next(c) {
		return s.unexpected()
	}
	s.i++
	return nil
}

func (s *scanner) unexpected() error {
	if s.i >= len(s.text) {
		return refuse(s.i, "the entry ends within an object")
	}
	return refuse(s.i, "not JSON")
}
