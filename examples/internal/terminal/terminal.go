// Package terminal makes text that strangers wrote safe to look at.
package terminal

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// AppendLine appends the line to dst, with everything escaped that could control
// a terminal, turn its text around, or is not UTF-8.
func AppendLine(dst, line []byte) []byte {
	for len(line) > 0 {
		r, size := utf8.DecodeRune(line)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = fmt.Appendf(dst, `\x%02x`, line[0])
		case unicode.IsPrint(r):
			dst = append(dst, line[:size]...)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		line = line[size:]
	}
	return dst
}
