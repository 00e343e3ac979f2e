package signature_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

const cefHeader = "h CEF:0|V|P|1|id|name|5|"

func TestRefusalsNameTheirPlace(t *testing.T) {
	t.Parallel()
	made := strings.Repeat("A", 86)
	for _, test := range []struct {
		name, line string
		want       signature.SyntaxError
	}{
		{"empty", "", signature.SyntaxError{Offset: 0, Reason: "the entry is empty"}},
		{"space", " x", signature.SyntaxError{Offset: 0, Reason: "the entry begins with a space or a control character"}},
		{"byte order mark", "\ufeffx", signature.SyntaxError{Offset: 0, Reason: "the entry begins with a byte order mark"}},
		{"CR before LF", "ab\rc\nd", signature.SyntaxError{Offset: 2, Reason: "a line break in the entry"}},
		{"LF before CR", "abc\nd\re", signature.SyntaxError{Offset: 3, Reason: "a line break in the entry"}},
		{"not UTF-8", "\u20ac\xff", signature.SyntaxError{Offset: 3, Reason: "not UTF-8"}},
		{"no header", "h LEEF:2", signature.SyntaxError{Offset: 0, Reason: `no "CEF:"`}},
		{"short header", "h CEF:0|", signature.SyntaxError{Offset: 8, Reason: "the entry ends before the seventh pipe"}},
		{"no space", cefHeader + "sig=", signature.SyntaxError{Offset: 24, Reason: "sig follows the header without a space"}},
		{"no signature", cefHeader + "a=b sig=x", signature.SyntaxError{Offset: 28, Reason: "sig is not 86 characters of base64url with zero spare bits"}},
		{"JSON ends", `{"a":1`, signature.SyntaxError{Offset: 6, Reason: "the entry ends within an object"}},
		{"JSON ends in a string", `{"a":"b`, signature.SyntaxError{Offset: 7, Reason: "the entry ends within an object"}},
		{"not JSON", `{"a":1,b:2}`, signature.SyntaxError{Offset: 7, Reason: "not JSON"}},
		{"not a value", `{"a":nil}`, signature.SyntaxError{Offset: 5, Reason: "not a JSON value"}},
		{"control character", "{\"a\":\"\t\"}", signature.SyntaxError{Offset: 6, Reason: "a control character in a string"}},
		{"escape", `{"a":"\x"}`, signature.SyntaxError{Offset: 6, Reason: "not an escape"}},
		{"half an escape", `{"a":"\`, signature.SyntaxError{Offset: 6, Reason: "not an escape"}},
		{"something after JSON", `{"a":1}x`, signature.SyntaxError{Offset: 7, Reason: "something after the object"}},
		{"something after CPS", `{"event":{"a":1}}x`, signature.SyntaxError{Offset: 16, Reason: `not the brace that ends {"event":{…}}`}},
		{"a name twice", `{"a":1,"a":2}`, signature.SyntaxError{Offset: 7, Reason: "a second member of the same name"}},
		{"half a pair", `{"\ud800":1}`, signature.SyntaxError{Offset: 1, Reason: "a name with an escape that stands for no character"}},
		{"form of sig", `{"a":1,"sig":1}`, signature.SyntaxError{Offset: 7, Reason: `not "sig":"…" with 86 characters of base64url with zero spare bits`}},
		{"white space", `{"a":1, "sig":"` + made + `"}`, signature.SyntaxError{Offset: 8, Reason: "white space next to sig"}},
		{"sig alone", `{"sig":"` + made + `"}`, signature.SyntaxError{Offset: 1, Reason: "sig is the only member"}},
		{"sig at the end", `{"sig":"` + made + `"`, signature.SyntaxError{Offset: 95, Reason: "the entry ends within an object"}},
		{"event of another form", `{"a":1,"event":{}}`, signature.SyntaxError{Offset: 7, Reason: `an object as event, but the entry is not {"event":{…}}`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := signature.Split([]byte(test.line))
			var got *signature.SyntaxError
			require.ErrorAs(t, err, &got)
			require.Empty(t, cmp.Diff(test.want, *got))
			require.Equal(t, fmt.Sprintf("byte %d: %s", test.want.Offset, test.want.Reason), err.Error())
		})
	}
}

// A payload that is part of the line has no room that an append could take from
// what follows it.
func TestPayloadIsClipped(t *testing.T) {
	t.Parallel()
	s := signer(t, "first")
	line, err := s.Append(nil, []byte(cefHeader+"a=b"))
	require.NoError(t, err)
	before := string(line)
	payload, _, err := signature.Split(line)
	require.NoError(t, err)
	_ = append(payload, "changed"...)
	require.Equal(t, before, string(line))
}

// Hostile lines of a megabyte take no more than their share of time: were it the
// square of their length, this would take hours.
func TestLongLines(t *testing.T) {
	t.Parallel()
	const n = 1 << 20
	var members strings.Builder
	for i := 0; members.Len() < n; i++ {
		fmt.Fprintf(&members, `"%x":0,`, i)
	}
	nested := func(depth int) string {
		return `{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
	}
	for _, test := range []struct {
		name, line string
		refused    bool
	}{
		{"members", "{" + members.String() + `"x":0}`, false},
		{"members in an envelope", `{"event":{` + members.String() + `"x":0}}`, false},
		{"names with escapes", "{" + strings.ReplaceAll(members.String(), `":`, `\u002d":`) + `"x":0}`, false},
		{"nested as deep as may be", nested(9_999), false},
		{"nested deeper", nested(10_000), true},
		{"opening brackets", `{"a":` + strings.Repeat("[", n), true},
		{"opening braces", strings.Repeat(`{"a":`, n/5), true},
		{"white space", "{" + strings.Repeat(" ", n) + "}", false},
		{"escapes", `{"a":"` + strings.Repeat(`\u002d`, n/6) + `"}`, false},
		{"digits", `{"a":` + strings.Repeat("1", n) + "}", false},
		{"backslashes in a header", "CEF:" + strings.Repeat(`\|`, n/2), true},
		{"marks", strings.Repeat("CEF:", n/4), true},
		{"no signatures", cefHeader + strings.Repeat(" sig=", n/5), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			payload, made, err := signature.Split([]byte(test.line))
			require.Equal(t, test.refused, err != nil, "%v", err)
			require.Nil(t, made)
			require.Equal(t, test.refused, payload == nil)
		})
	}
}
