package redact

import (
	"bytes"
	"encoding/base64"
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	// mask is what stands in place of a secret.
	mask = "[redacted]"

	// minPart is the least length of a part of a secret, such as the token
	// after "Bearer", to be masked on its own. Shorter ones are no secrets,
	// and masking them would blot out ordinary text.
	minPart = 4

	// minSecret is the least length of a secret to be masked at all.
	minSecret = 2

	// In characters of the result.
	maxSnippet = 256
	maxError   = 512
	maxText    = 4096

	// rawPerChar is how many bytes are looked at for a character of the
	// result: more than needed, as some of them may be white space, but not
	// many more, as masking takes time in the length of the text and, where
	// the peer means harm, of the secret.
	rawPerChar = 4
)

// Masker blots out a set of secrets.
type Masker struct {
	// A closure, so that a Masker printed as a part of its owner shows
	// nothing. The needles are made on first use: that is on the first failure,
	// and they may weigh more than the rest of an idle sender.
	needles func() needleSet
}

// needleSet is what to look for.
type needleSet struct {
	all    []string  // in lower case, longest first
	starts [256]bool // the bytes that one of them, as it is or escaped, begins with
}

// NewMasker returns a Masker of secrets, which are visible ASCII with inner
// spaces. Those of less than two bytes are ignored: they protect nothing, and
// masking them would blot out ordinary text. Each is masked as a whole and by
// its parts of at least four bytes (what follows the scheme of an authorization
// value, and the user and password in Basic credentials); as it is, with any of
// its characters escaped for JSON, a URL or HTML, and in base64, with ASCII
// letters in any case.
func NewMasker(secrets ...string) *Masker {
	secrets = slices.Clone(secrets)
	return &Masker{needles: sync.OnceValue(func() needleSet { return needles(secrets) })}
}

// needles returns what to look for.
func needles(secrets []string) needleSet {
	var all []string
	for _, secret := range secrets {
		if len(secret) < minSecret {
			continue
		}
		parts := []string{secret}
		if scheme, credential, ok := strings.Cut(secret, " "); ok {
			credential = strings.TrimSpace(credential)
			parts = append(parts, credential)
			if strings.EqualFold(scheme, "Basic") {
				parts = append(parts, basic(credential)...)
			}
		}
		for i, part := range parts {
			if i == 0 || len(part) >= minPart {
				all = append(append(all, part), inBase64(part)...)
			}
		}
	}
	for i, needle := range all {
		all[i] = lowerASCII(needle)
	}
	slices.SortFunc(all, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	set := needleSet{all: slices.Compact(all)}
	for _, needle := range set.all {
		set.starts[needle[0]], set.starts[upper(needle[0])] = true, true
	}
	if len(set.all) > 0 {
		for i := range len(escapeStarts) {
			set.starts[escapeStarts[i]] = true
		}
	}
	return set
}

// basic returns the decoded Basic credentials and the password in them
// (RFC 7617 §2), or nothing if they do not decode.
func basic(credential string) []string {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(credential, "="))
	if err != nil {
		return nil
	}
	_, password, _ := strings.Cut(string(decoded), ":")
	return []string{string(decoded), password}
}

// inBase64 returns what base64 makes of s: on its own, and, at each of the
// three alignments, those characters that do not depend on the text around it.
func inBase64(s string) []string {
	var all []string
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		all = append(all, encoding.EncodeToString([]byte(s)))
		for shift := range 3 {
			inner := encoding.EncodeToString(append(make([]byte, shift), s...))
			inner = inner[(shift*8+5)/6:]
			if (shift+len(s))%3 != 0 {
				inner = inner[:len(inner)-1]
			}
			if len(inner) >= 2*minPart {
				all = append(all, inner)
			}
		}
	}
	return all
}

// Text masks the secrets in s and then makes it fit for one line: white space
// becomes single spaces, control, bidirectional and invisible characters are
// escaped, and after 4096 characters the rest is cut off.
func (m *Masker) Text(s string) string { return m.text(s, maxText) }

// Snippet returns the beginning of what r holds, at most 256 printable
// characters, treated as by [Masker.Text]. No part of a secret is left where
// the text was cut. What is no text comes out as "[binary]".
func (m *Masker) Snippet(r io.Reader) string {
	const limit = maxSnippet * rawPerChar
	raw, err := io.ReadAll(io.LimitReader(r, limit))
	if bytes.IndexByte(raw, 0) >= 0 { // UTF-16 would spell a secret out
		return "[binary]"
	}
	return clean(m.mask(string(raw), err != nil || len(raw) == limit), maxSnippet)
}

// text treats s as Text does, with a limit in characters.
func (m *Masker) text(s string, limit int) string {
	raw := s[:min(len(s), limit*rawPerChar)]
	return clean(m.mask(raw, len(raw) < len(s)), limit)
}

// mask replaces the secrets in s. If s was cut, a secret that its end may be
// the beginning of is one too.
func (m *Masker) mask(s string, cut bool) string {
	if s == "" || m.needles == nil {
		return s
	}
	needles := m.needles()
	var b strings.Builder
	for i := 0; i < len(s); {
		if !needles.starts[s[i]] {
			b.WriteByte(s[i])
			i++
			continue
		}
		longest := 0
		for _, needle := range needles.all {
			length, ranOut := match(s[i:], needle)
			if ranOut && cut {
				length = len(s) - i
			}
			longest = max(longest, length)
		}
		if longest == 0 {
			b.WriteByte(s[i])
			i++
			continue
		}
		b.WriteString(mask)
		i += longest
	}
	return b.String()
}
