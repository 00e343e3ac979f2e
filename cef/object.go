package cef

import "bytes"

// objectIn returns where an object of JSON begins in prefix, or -1: a brace and what
// a key begins with, as it is or as relays quote it. No header of a relay looks
// like that, for structured data of RFC 5424 escapes quotation marks; but for a
// value there that ends in a brace, and an error is better than a forgery.
func objectIn(prefix []byte) int {
	quoted := -1 // where an escaped object begins in quotation marks
	open := false
	seen := 0
	from := 0
	for {
		n := bytes.IndexByte(prefix[from:], '{')
		if n < 0 {
			if quoted >= 0 && inQuotes(prefix[seen:], open) {
				return quoted // structured data may hold one that has ended
			}
			return -1
		}
		object := from + n
		from = object + 1
		for from < len(prefix) && jsonSpace(prefix[from]) {
			from++
		}
		if opensKey(prefix[from:]) {
			return object
		}
		key := skipEscapes(prefix, from)
		if key > from && escapedKey(prefix[key:]) {
			open = inQuotes(prefix[seen:object], open)
			seen = object
			if !open {
				return object
			}
			quoted = object
		}
		from = key
	}
}

// skipEscapes returns the index behind backslashes and escaped white space.
func skipEscapes(b []byte, i int) int {
	for i < len(b) {
		n := spaceIn(b[i:], spaces)
		switch {
		case jsonSpace(b[i]):
			n = 1
		case b[i] == '\\':
			n = 1 + spaceIn(b[i+1:], escapedSpaces)
		}
		if n == 0 {
			return i
		}
		i += n
	}
	return i
}

// White space as relays write it, and how behind a backslash.
var (
	spaces        = [][]byte{[]byte("#011"), []byte("#012"), []byte("#015"), []byte("&#9;"), []byte("&#10;"), []byte("&#13;")}
	escapedSpaces = [][]byte{
		[]byte("n"), []byte("r"), []byte("t"), []byte("x09"), []byte("x0a"), []byte("x0d"), []byte("x20"),
		[]byte("u0009"), []byte("u000a"), []byte("u000d"), []byte("u0020"),
	}
)

// spaceIn returns the length of the space that b begins with, or 0.
func spaceIn(b []byte, spaces [][]byte) int {
	for _, space := range spaces {
		if len(b) >= len(space) && bytes.EqualFold(b[:len(space)], space) {
			return len(space)
		}
	}
	return 0
}

var (
	quotes = [][]byte{[]byte(`"`), []byte("'"), []byte("&quot;"), []byte("&apos;")}
	codes  = [][]byte{[]byte("x22"), []byte("u0022"), []byte("x27"), []byte("u0027")} // behind a backslash
)

func opensKey(b []byte) bool { return beginsWith(b, quotes) || isReference(b) }

func escapedKey(b []byte) bool { return beginsWith(b, codes) || opensKey(b) }

func beginsWith(b []byte, texts [][]byte) bool {
	for _, text := range texts {
		if bytes.HasPrefix(b, text) {
			return true
		}
	}
	return false
}

// isReference tells that b begins with a numeric reference of HTML to a quotation
// mark.
func isReference(b []byte) bool {
	if !bytes.HasPrefix(b, []byte("&#")) {
		return false
	}
	b = b[2:]
	double, single := []byte("34;"), []byte("39;")
	if len(b) > 0 && (b[0] == 'x' || b[0] == 'X') {
		b = b[1:]
		double, single = []byte("22;"), []byte("27;")
	}
	for len(b) > 0 && b[0] == '0' {
		b = b[1:]
	}
	return bytes.HasPrefix(b, double) || bytes.HasPrefix(b, single)
}

// inQuotes tells that a quotation mark is open at the end of b, if one is before it
// or not.
func inQuotes(b []byte, open bool) bool {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			open = !open
		}
	}
	return open
}

func jsonSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
