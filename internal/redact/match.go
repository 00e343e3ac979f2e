package redact

import (
	"slices"
	"strconv"
	"strings"
)

// match reports how many bytes at the start of text spell secret, which is in
// lower case, each of its characters in either case and as itself or escaped in any way that [escapes] knows: an answer
// in JSON inside HTML escapes some characters one way, others another, most
// not at all. It returns 0 where text does not begin with secret; ranOut tells
// that text ended before that could be decided.
func match(text, secret string) (length int, ranOut bool) {
	// A character of text may be itself or the start of an escape, so that
	// there can be several places to go on from. There is hardly ever more
	// than one; the bound keeps a secret of nothing but backslashes, and an
	// answer likewise, from taking cubic time.
	const maxEnds = 2
	var a, b [maxEnds]int
	ends, next := append(a[:0], 0), b[:0]
	for i := range len(secret) {
		next = next[:0]
		for _, end := range ends {
			widths, cut := escapes(text[end:], secret[i])
			ranOut = ranOut || cut
			for _, width := range widths {
				if width > 0 && len(next) < maxEnds && !slices.Contains(next, end+width) {
					next = append(next, end+width)
				}
			}
		}
		if len(next) == 0 {
			return 0, ranOut
		}
		ends, next = next, ends
	}
	return slices.Max(ends), false
}

// escapeStarts are the bytes that the escapes begin with.
const escapeStarts = `+%\&`

// longestEscape is the length of "&#x0000;", with room for a few leading zeros.
const longestEscape = 8

// escapes returns the lengths of the ways in which text begins with c, which is
// no capital letter, in either case: as itself, and escaped. A length of 0 is none. cut tells that text may be the
// beginning of an escape that was cut off.
func escapes(text string, c byte) (widths [2]int, cut bool) {
	if text == "" {
		return widths, true
	}
	if lower(text[0]) == c {
		widths[0] = 1
	}
	switch text[0] {
	case '+': // a form
		if c == ' ' {
			widths[1] = 1
		}
	case '%': // a URL
		if isCode(text, 1, 2, c) {
			widths[1] = 3
		}
		cut = len(text) < 3
	case '\\': // JSON, Go, JavaScript
		switch cut = len(text) < 6; {
		case len(text) < 2:
		case text[1] == 'u' && isCode(text, 2, 4, c):
			widths[1] = 6
		case text[1] == 'x' && isCode(text, 2, 2, c):
			widths[1] = 4
		case lower(text[1]) == c:
			widths[1] = 2
		}
	case '&': // HTML, XML
		entity, _, closed := strings.Cut(text[1:min(len(text), longestEscape)], ";")
		if closed && isEntity(entity, c) {
			widths[1] = len(entity) + 2
		}
		cut = !closed && len(text) < longestEscape
	}
	return widths, cut
}

// isCode reports whether the digits at text[from:from+digits] are the
// hexadecimal code of c, in either case.
func isCode(text string, from, digits int, c byte) bool {
	if len(text) < from+digits {
		return false
	}
	code, err := strconv.ParseUint(text[from:from+digits], 16, 32)
	return err == nil && code <= 0xff && lower(byte(code)) == c
}

// isEntity reports whether the name between & and ; stands for c.
func isEntity(name string, c byte) bool {
	switch name {
	case "amp":
		return c == '&'
	case "lt":
		return c == '<'
	case "gt":
		return c == '>'
	case "quot":
		return c == '"'
	case "apos":
		return c == '\''
	case "sol":
		return c == '/'
	case "equals":
		return c == '='
	}
	number, ok := strings.CutPrefix(name, "#")
	if !ok {
		return false
	}
	base := 10
	if hexadecimal, ok := strings.CutPrefix(strings.ToLower(number), "x"); ok {
		number, base = hexadecimal, 16
	}
	code, err := strconv.ParseUint(number, base, 32)
	return err == nil && code <= 0xff && lower(byte(code)) == c
}

// lower returns c in lower case if it is an ASCII letter.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// upper returns c in upper case if it is an ASCII letter.
func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// lowerASCII returns s with its ASCII letters in lower case.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}
