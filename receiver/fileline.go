package receiver

import (
	"encoding/base64"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendJSON appends the line in a JSON object that tells where it comes from:
//
//	{"received":"2025-06-18T21:02:37.104Z","sender":"konnect","id":"…","number":1,"verified":"valid","key":"…","line":"…"}
//
// The members id, verified and key are there where they are known. Characters
// that are not printable are escaped, so that the file is safe to look at. A line
// that is not UTF-8 is in the member line_base64 instead.
func AppendJSON(dst []byte, batch *Batch, line *Line) []byte {
	dst = append(dst, `{"received":"`...)
	dst = batch.Received.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
	dst = append(dst, `","sender":`...)
	dst = appendQuoted(dst, batch.Sender)
	dst = appendMember(dst, "id", batch.ID)
	dst = append(dst, `,"number":`...)
	dst = strconv.AppendInt(dst, int64(line.Number), 10)
	dst = appendMember(dst, "verified", string(line.Outcome))
	dst = appendMember(dst, "key", line.KeyID)
	if utf8.Valid(line.Raw) {
		dst = append(dst, `,"line":`...)
		dst = appendQuoted(dst, string(line.Raw))
	} else {
		dst = append(dst, `,"line_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, line.Raw)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// AppendRaw appends the line as it was received. Nothing in it is escaped: do not
// print the file to a terminal.
func AppendRaw(dst []byte, _ *Batch, line *Line) []byte { return append(dst, line.Raw...) }

// appendMember appends a member unless its value is empty.
func appendMember(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":`...)
	return appendQuoted(dst, value)
}

// appendQuoted appends a JSON string in which all that is not printable is
// escaped: control characters, those that change the direction of text, and
// such. Bytes that are not UTF-8 become U+FFFD.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"', r == '\\':
			dst = append(dst, '\\', byte(r))
		case strconv.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = appendEscape(appendEscape(dst, high), low)
		default:
			dst = appendEscape(dst, r)
		}
	}
	return append(dst, '"')
}

func appendEscape(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
