// Package redact keeps credentials out of what people read: error texts, log
// lines and snippets of a peer's answers. Receivers echo what they were sent,
// and net/http quotes what they answered.
package redact

import (
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Endpoint names u by scheme, host and port only: several vendors carry their
// token in the path or the query, and some clients in the user info.
func Endpoint(u *url.URL) string {
	return clean(u.Scheme+"://"+u.Host, 0)
}

// clean makes s fit for one line of a terminal or a log. White space becomes
// single spaces; control characters, bidirectional and other invisible ones
// and bytes that are not UTF-8 are escaped as in Go source. They are not
// dropped: dropping could join the halves of a secret that was not recognised.
// The result has at most limit characters, if limit is above 0, of which the
// last is an ellipsis when something was cut off.
func clean(s string, limit int) string {
	var b strings.Builder
	var count, keep int // characters written; the bytes to keep if it overflows
	space := false
	for i, size := 0, 0; i < len(s); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(s[i:])
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		piece := s[i : i+size]
		switch {
		case r == utf8.RuneError && size == 1:
			piece = `\x` + strconv.FormatUint(uint64(s[i]), 16)
		case !strconv.IsPrint(r):
			quoted := strconv.QuoteRuneToASCII(r)
			piece = quoted[1 : len(quoted)-1]
		}
		if space && b.Len() > 0 {
			piece = " " + piece
		}
		space = false

		count += utf8.RuneCountInString(piece)
		if limit > 0 && count > limit {
			return b.String()[:keep] + "…"
		}
		b.WriteString(piece)
		if count < limit {
			keep = b.Len()
		}
	}
	return b.String()
}
