package redact_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/redact"
)

// Every character here is escaped by something.
const (
	credential = `ab"c\d/e<f>g&h'i+j=k%25l`
	secret     = "Bearer " + credential
)

func TestMaskerMasks(t *testing.T) {
	t.Parallel()

	quoted := func(s string) string {
		encoded, err := json.Marshal(s)
		require.NoError(t, err)
		return string(encoded[1 : len(encoded)-1])
	}
	escape := regexp.MustCompile("%[0-9A-F]{2}")
	lower := func(s string) string { return escape.ReplaceAllStringFunc(url.QueryEscape(s), strings.ToLower) }
	php := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `/`, `\/`)
	allHex := func(format string) func(string) string {
		return func(s string) string {
			var b strings.Builder
			for i := range len(s) {
				fmt.Fprintf(&b, format, s[i])
			}
			return b.String()
		}
	}
	encodings := []struct {
		name   string
		encode func(string) string
	}{
		{"as it is", func(s string) string { return s }},
		{"JSON of Go, with HTML escaping", quoted},
		{"JSON of PHP, with its slashes", php.Replace},
		{"JSON, all escaped", allHex(`\u%04x`)},
		{"JSON, all escaped, upper case", allHex(`\u%04X`)},
		{"hexadecimal escapes", allHex(`\x%02x`)},
		{"Go", func(s string) string { q := fmt.Sprintf("%q", s); return q[1 : len(q)-1] }},
		{"query", url.QueryEscape},
		{"query, lower case", lower},
		{"path", url.PathEscape},
		{"percent, all escaped", allHex("%%%02X")},
		{"HTML", html.EscapeString},
		{"HTML by name", strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "/", "&sol;", "=", "&equals;").Replace},
		{"HTML, decimal", allHex("&#%d;")},
		{"HTML, hexadecimal", allHex("&#x%x;")},
		{"HTML, hexadecimal, upper case", allHex("&#X%X;")},
		{"base64", func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) }},
		{"base64 for URLs", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }},
	}
	masker := redact.NewMasker(secret)
	for _, tt := range encodings {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, part := range []string{secret, credential} {
				encoded := tt.encode(part)
				want := "no [redacted] here, [redacted] there"
				text := strings.ReplaceAll(want, "[redacted]", encoded)
				require.Equal(t, want, masker.Text(text))
				require.Equal(t, want, masker.Snippet(strings.NewReader(text)))
				require.Equal(t, want, masker.Error(errors.New(text)).Error())
			}
		})
	}
}

func TestMaskerMasksInsideOtherBase64(t *testing.T) {
	t.Parallel()

	masker := redact.NewMasker("Bearer 0123456789abcdef")
	for _, before := range []string{"", "x", "xy", "xyz"} {
		for _, after := range []string{"", "x", "xy", "xyz"} {
			encoded := base64.StdEncoding.EncodeToString([]byte(before + "Bearer 0123456789abcdef" + after))
			masked := masker.Text(encoded)
			require.Contains(t, masked, "[redacted]", "%q %q", before, after)

			// What may be left is the neighbours, and a part of one
			// character of the secret on either side.
			left := strings.ReplaceAll(masked, "[redacted]", "")
			require.LessOrEqual(t, len(left), 4*2+2, "%q", masked)
		}
	}
}

func TestMaskerParts(t *testing.T) {
	t.Parallel()

	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:pass:word"))
	tests := []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"no secret", nil, "Bearer x", "Bearer x"},
		{"empty secret", []string{""}, "Bearer x", "Bearer x"},
		{"a whole secret may be short", []string{"xy"}, "axyb", "a[redacted]b"},
		{"of one character is none", []string{"x"}, "axb", "axb"},
		{"a part may not", []string{"Bearer x"}, "x, Bearer x", "x, [redacted]"},
		{"the scheme is none", []string{"Bearer tok-en"}, "Bearer expected", "Bearer expected"},
		{"credential after more spaces", []string{"Bearer  tok-en"}, "tok-en", "[redacted]"},
		{"without scheme", []string{"tok-en"}, "<tok-en>", "<[redacted]>"},
		{"several", []string{"tok-en", "another"}, "tok-en another", "[redacted] [redacted]"},
		{"one within another", []string{"tok", "tok-en"}, "tok-en tok", "[redacted] [redacted]"},
		{"one after another", []string{"tok-en"}, "tok-entok-en", "[redacted][redacted]"},
		{"decoded Basic", []string{basic}, "user admin:pass:word", "user [redacted]"},
		{"password of Basic", []string{basic}, "password pass:word of admin", "password [redacted] of admin"},
		{"Basic by any case", []string{"basic" + basic[5:]}, "pass:word", "[redacted]"},
		{"Basic that is none", []string{"Basic !!!!"}, "got !!!!", "got [redacted]"},
		{"Basic without password", []string{"Basic " + base64.StdEncoding.EncodeToString([]byte("lonely"))}, "lonely", "[redacted]"},
		{"an escape that is a part of the secret", []string{`a"%25`}, `a\"%25 a\"%2525`, "[redacted] [redacted]"},
		{"not quite", []string{"tok-en"}, "tok-e tok_en TOKEN tok&#;en", "tok-e tok_en TOKEN tok&#;en"},
		{"in upper case", []string{"Bearer tok-en"}, `BEARER TOK-EN TOK\u002dEN \u0054ok-en T&#79;k-en`, "[redacted] [redacted] [redacted] [redacted]"},
		{"in lower case", []string{"Bearer Tok-EN"}, "bearer tok-en %54ok-en", "[redacted] [redacted]"},
		{"never joined by cleaning", []string{"tok-en"}, "tok\x00-en tok-\u200ben", `tok\x00-en tok-\u200ben`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, redact.NewMasker(tt.secrets...).Text(tt.text))
		})
	}
}

// An answer may be of many small texts, and tokens may be long: what a token is
// looked for as is worked out once, or this would take minutes.
func TestMaskerOfManyTexts(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("kpat_0123456789.", 256)
	masker := redact.NewMasker("Bearer " + long)
	for range 100_000 {
		require.Empty(t, masker.Text(""))
		require.Equal(t, "must be set", masker.Text("must be set"))
	}
	require.Equal(t, "[redacted]", masker.Text(long))
}

// Every way to begin a secret is looked for.
func TestMaskerOfAnEscapedFirstCharacter(t *testing.T) {
	t.Parallel()

	masker := redact.NewMasker("&tok-en")
	for _, text := range []string{"&tok-en", "%26tok-en", `\u0026tok-en`, `\x26tok-en`, "&amp;tok-en", "&#38;tok-en"} {
		require.Equal(t, "a [redacted] b", masker.Text("a "+text+" b"))
	}
}

func TestSnippet(t *testing.T) {
	t.Parallel()

	masker := redact.NewMasker("Bearer tok-en")
	tests := []struct {
		name string
		body io.Reader
		want string
	}{
		{"empty", strings.NewReader(""), ""},
		{"short", strings.NewReader("<h1>no\n</h1>"), "<h1>no </h1>"},
		{"as long as allowed", strings.NewReader(strings.Repeat("é", 256)), strings.Repeat("é", 256)},
		{"one too many", strings.NewReader(strings.Repeat("é", 257)), strings.Repeat("é", 255) + "…"},
		{"no half escape", strings.NewReader(strings.Repeat("é", 253) + "\x1b"), strings.Repeat("é", 253) + "…"},
		{"binary", strings.NewReader("t\x00o\x00k\x00-\x00e\x00n\x00"), "[binary]"},
		{"white space first", strings.NewReader(strings.Repeat(" ", 900) + "a"), "a"},
		{"more than is read", strings.NewReader(strings.Repeat(" ", 3000) + "a"), ""},
		{"a body that breaks", io.MultiReader(strings.NewReader("broken"), iotest.ErrReader(io.ErrUnexpectedEOF)), "broken"},
		{"a body that breaks in a secret", io.MultiReader(strings.NewReader("with Bearer to"), iotest.ErrReader(io.ErrUnexpectedEOF)), "with [redacted]"},
		{"a body that ends like one", strings.NewReader("with Bearer"), "with Bearer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := masker.Snippet(tt.body)
			require.Equal(t, tt.want, got)
			require.LessOrEqual(t, utf8.RuneCountInString(got), 256)
		})
	}
}

// Wherever a secret lies across the end of what is read or shown, and however
// it is escaped, no part of it is left.
func TestSnippetCutsNoSecret(t *testing.T) {
	t.Parallel()

	const token = "Q0Q1Q2Q3Q4Q5" // no Q elsewhere
	masker := redact.NewMasker("Bearer " + token)
	for _, encode := range []func(string) string{
		func(s string) string { return s },
		func(s string) string { return strings.ReplaceAll(s, "Q", "%51") },
		func(s string) string { return strings.ReplaceAll(s, "Q", `\u0051`) },
		func(s string) string { return strings.ReplaceAll(s, "Q", "&#x51;") },
	} {
		for _, filler := range []string{".", " ", "é"} {
			for _, end := range []int{256, 1024} { // shown, read
				for before := end - 90; before <= end; before++ {
					text := strings.Repeat(filler, before/len(filler)) + encode("Bearer "+token) + " tail"
					got := masker.Snippet(strings.NewReader(text))
					for _, leak := range []string{"Q", "51", "Bear"} {
						require.NotContains(t, got, leak, "%d bytes of %q", before, filler)
					}
				}
			}
		}
	}
}

func FuzzMasker(f *testing.F) {
	f.Add("tok-en", "before tok-en after")
	f.Add(`\\\\`, `\\\\\\\\`)
	f.Add("%25%", "%25%2525")
	f.Fuzz(func(t *testing.T, token, text string) {
		if len(token) < 12 || len(token) > 4096 || len(text) > 2048 || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) ||
			strings.Contains("[redacted][redacted]", token) {
			return
		}
		masker := redact.NewMasker(token)
		got := masker.Text(text + token + text)
		require.True(t, utf8.ValidString(got))
		if new(redact.Masker).Text(text) == text { // or an escape may happen to complete a token
			// Nor is it a leak if the mask's own brackets complete one.
			require.NotContains(t, strings.ReplaceAll(got, "[redacted]", "\n"), token)
		}
		require.LessOrEqual(t, utf8.RuneCountInString(masker.Snippet(strings.NewReader(text))), 256)
	})
}
