package redact

import (
	"net/url"
	"strings"
	"unicode"
)

// The least lengths in bytes of parts of an endpoint to be masked on their own.
// Shorter ones are ordinary words, or too easily a part of one. The path and the
// query as a whole are masked whatever their length.
const (
	minSegment          = 16
	minSegmentWithDigit = 8
	minQueryPart        = 4
)

// EndpointSecrets returns the parts of u that may be a token, for a [Masker] of
// what is answered by the endpoint, as many servers quote the path they did not
// find, or by who was told of it.
func EndpointSecrets(u *url.URL) []string {
	secrets := []string{u.RawQuery}
	if u.Path != "" && u.Path != "/" {
		secrets = append(secrets, u.RequestURI(), u.EscapedPath(), u.Path)
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		secrets = appendSegment(secrets, segment)
	}
	return appendQuery(secrets, u.RawQuery)
}

// TextSecrets is EndpointSecrets for an endpoint that is no URL, or none with a
// host: whoever was told of it may quote it as a whole or in parts.
func TextSecrets(endpoint string) []string {
	secrets := []string{endpoint, strings.TrimSpace(endpoint)}
	before, query, _ := strings.Cut(endpoint, "?")
	if i := strings.LastIndexByte(before, '@'); i >= 0 {
		user := before[strings.LastIndexByte(before[:i], '/')+1 : i]
		_, password, _ := strings.Cut(user, ":")
		secrets = append(secrets, user, password)
	}
	for _, segment := range strings.FieldsFunc(before, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`/:@#;=&\"`, r)
	}) {
		for _, reading := range readings(segment) {
			secrets = appendSegment(secrets, reading)
		}
	}
	for part := range strings.FieldsSeq(query) {
		secrets = appendQuery(secrets, part)
	}
	return secrets
}

func appendSegment(secrets []string, segment string) []string {
	if len(segment) >= minSegment || len(segment) >= minSegmentWithDigit && strings.ContainsAny(segment, "0123456789") {
		return append(secrets, segment)
	}
	return secrets
}

// appendQuery appends the values of a query. Not by url.Values, which lacks what has
// a semicolon or a broken escape: it is sent nonetheless, and servers differ in
// what they make of it.
func appendQuery(secrets []string, query string) []string {
	for pair := range strings.SplitSeq(query, "&") {
		secrets = appendQueryPart(secrets, pair)
		if strings.Contains(pair, ";") {
			for part := range strings.SplitSeq(pair, ";") {
				secrets = appendQueryPart(secrets, part)
			}
		}
	}
	return secrets
}

// appendQueryPart appends the value of a pair in a query.
func appendQueryPart(secrets []string, pair string) []string {
	_, value, _ := strings.Cut(pair, "=")
	if strings.Trim(value, "=") == "" { // "?token", without a name
		value = pair
	}
	for _, value := range [...]string{value, strings.TrimRight(value, "=")} { // base64 may be quoted without its padding
		for _, reading := range readings(value) {
			if len(reading) >= minQueryPart {
				secrets = append(secrets, reading)
			}
		}
	}
	return secrets
}

// readings returns what servers may take a value of a query for: the value as it
// is, unescaped, and what there is between escapes that are broken.
func readings(value string) []string {
	var pieces []string
	start := 0
	for i := range len(value) {
		if value[i] != '%' {
			continue
		}
		if _, err := url.QueryUnescape(value[i:min(i+len("%00"), len(value))]); err != nil {
			pieces = append(pieces, value[start:i])
			start = i + 1
		}
	}
	pieces = append(pieces, value[start:])
	for i, piece := range pieces {
		pieces[i], _ = url.QueryUnescape(piece) // no escape is broken in it
	}
	return append(pieces, value, strings.Join(pieces, "%"))
}
