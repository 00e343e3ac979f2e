package delivery

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// errNotHTTPS is an error of its own as it is also checked before each request.
var errNotHTTPS = errors.New("must be an absolute https URL")

// parseEndpoint parses the URL of an endpoint and checks it. Its errors hold
// nothing of the URL.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, errors.New("is no valid URL") // not err: it quotes the URL
	}
	if err := checkEndpoint(u); err != nil {
		return nil, err
	}
	// What is no endpoint for Konnect, and its client, is none here.
	if invalid, ok := errors.AsType[*webhook.ValidationError](webhook.ValidateEndpoint(endpoint)); ok {
		return nil, errors.New(invalid.Parameters[0].Reason)
	}
	return u, nil
}

// checkEndpoint reports why nothing may be sent to u.
func checkEndpoint(u *url.URL) error {
	if u.Scheme != "https" || u.Opaque != "" {
		return errNotHTTPS
	}
	if u.Hostname() == "" {
		return errors.New("has no host")
	}
	if u.User != nil {
		return errors.New("has user info, which belongs into the authorization")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("has no valid port")
		}
	}
	return nil
}

// The least lengths in bytes of parts of an endpoint to be masked on their own.
// Shorter ones are ordinary words, or too easily a part of one. The path and the
// query as a whole are masked whatever their length.
const (
	minSegment          = 16
	minSegmentWithDigit = 8
	minQueryPart        = 4
)

// endpointSecrets returns the parts of u that may be a token, to be masked in
// what the endpoint answers: many servers quote the path they did not find.
func endpointSecrets(u *url.URL) []string {
	secrets := []string{u.RawQuery}
	if u.Path != "" && u.Path != "/" {
		secrets = append(secrets, u.RequestURI(), u.EscapedPath(), u.Path)
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if len(segment) >= minSegment || len(segment) >= minSegmentWithDigit && strings.ContainsAny(segment, "0123456789") {
			secrets = append(secrets, segment)
		}
	}
	// Not by url.Values, which lacks what has a semicolon or a broken escape: it
	// is sent nonetheless, and servers differ in what they make of it.
	for pair := range strings.SplitSeq(u.RawQuery, "&") {
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
	key, value, _ := strings.Cut(pair, "=")
	if value == "" {
		value = key // "?token", without a name
	}
	for _, reading := range readings(value) {
		if len(reading) >= minQueryPart {
			secrets = append(secrets, reading)
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
