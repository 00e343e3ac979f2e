package signature

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"unicode/utf8"
)

// Split takes the signature off a line, with or without its line break. It
// returns the bytes that are signed, for CPS those of the inner object, and the
// signature, 64 bytes, or nil if there is none. A line that is refused is a
// [*SyntaxError]. The payload may be part of the line.
//
//	payload, signature, err := signature.Split(line)
//	ok := err == nil && signature != nil && ed25519.Verify(key, payload, signature)
func Split(line []byte) (payload, signature []byte, err error) {
	p, err := split(trim(line))
	if err != nil {
		return nil, nil, err
	}
	if p.signed {
		signature = bytes.Clone(p.signature[:])
	}
	return p.payload(), signature, nil
}

// trim takes the line break off a line.
func trim(line []byte) []byte {
	if entry, ok := bytes.CutSuffix(line, []byte("\n")); ok {
		return bytes.TrimSuffix(entry, []byte("\r"))
	}
	return line
}

// parts is an entry taken apart.
type parts struct {
	// What is signed, in two pieces if the signature stood between them.
	head, tail []byte

	signed    bool
	signature [ed25519.SignatureSize]byte

	// What stands behind the place for a signature: one or two braces.
	closing string
	// An object without members, which a signature cannot be added to.
	empty bool
}

func (p *parts) payload() []byte {
	if len(p.tail) == 0 {
		return slices.Clip(p.head)
	}
	return append(append(make([]byte, 0, len(p.head)+len(p.tail)), p.head...), p.tail...)
}

const byteOrderMark = "\ufeff"

func split(entry []byte) (parts, error) {
	switch {
	case len(entry) == 0:
		return parts{}, refuse(0, "the entry is empty")
	case entry[0] <= ' ':
		return parts{}, refuse(0, "the entry begins with a space or a control character")
	case bytes.HasPrefix(entry, []byte(byteOrderMark)):
		return parts{}, refuse(0, "the entry begins with a byte order mark")
	}
	if at := lineBreak(entry); at >= 0 {
		return parts{}, refuse(at, "a line break in the entry")
	}
	if !utf8.Valid(entry) {
		return parts{}, refuse(invalid(entry), "not UTF-8")
	}
	if entry[0] == '{' {
		return splitObject(entry)
	}
	return splitCEF(entry)
}

// lineBreak returns the place of the first CR or LF, or -1. Two searches are
// faster than one for both.
func lineBreak(entry []byte) int {
	cr, lf := bytes.IndexByte(entry, '\r'), bytes.IndexByte(entry, '\n')
	if cr < 0 || lf < 0 {
		return max(cr, lf)
	}
	return min(cr, lf)
}

// invalid returns the place of the first byte that is not UTF-8.
func invalid(entry []byte) int {
	at := 0
	for at < len(entry) {
		r, size := utf8.DecodeRune(entry[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at
}

// signatureLen is the length of an encoded signature.
const signatureLen = (ed25519.SignatureSize*8 + 5) / 6

// decode reads an encoded signature.
func (p *parts) decode(text []byte) bool {
	if len(text) != signatureLen {
		return false
	}
	n, err := base64url.Decode(p.signature[:], text) // ignores line breaks, so that n may be less
	p.signed = err == nil && n == len(p.signature)
	return p.signed
}

const (
	mark        = "CEF:"
	headerPipes = 7
	cefKey      = " " + sigName
	cefOpen     = cefKey + "="
)

func splitCEF(entry []byte) (parts, error) {
	at := bytes.Index(entry, []byte(mark))
	if at < 0 {
		return parts{}, refuse(0, `no "CEF:"`)
	}
	at += len(mark)
	for pipes := 0; pipes < headerPipes; at++ {
		if at >= len(entry) {
			return parts{}, refuse(len(entry), "the entry ends before the seventh pipe")
		}
		switch entry[at] {
		case '\\':
			at++ // the next byte is escaped
		case '|':
			pipes++
		}
	}
	extensions := entry[at:]
	key := lastKey(extensions)
	switch {
	case key >= 0:
		at += key
		p := parts{head: entry[:at]}
		if !p.decode(entry[at+len(cefOpen):]) {
			return parts{}, refuse(at+1, "sig is not 86 characters of base64url with zero spare bits")
		}
		return p, nil
	case bytes.HasPrefix(extensions, []byte(cefOpen[1:])):
		return parts{}, refuse(at, "sig follows the header without a space")
	}
	return parts{head: entry}, nil
}

// lastKey returns the place of the last cefOpen, or -1. There is no other equals
// sign behind the one of a signature, so that this looks at less of a signed line
// than bytes.LastIndex, and in a simpler way.
func lastKey(extensions []byte) int {
	for {
		end := bytes.LastIndexByte(extensions, '=')
		if end < 0 {
			return -1
		}
		extensions = extensions[:end]
		if bytes.HasSuffix(extensions, []byte(cefKey)) {
			return end - len(cefKey)
		}
	}
}
