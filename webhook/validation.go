package webhook

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Limits of this package's own: Konnect documents none.
const (
	// MaxEndpointBytes is the length of the longest endpoint.
	MaxEndpointBytes = 2048
	// MaxAuthorizationBytes is the length of the longest authorization.
	MaxAuthorizationBytes = 4096
)

// ValidationError says what is wrong with a [Patch] or its values, field by
// field, in the words of Konnect's documentation where it has any. It never
// quotes a value.
type ValidationError struct {
	// Detail sums it up, such as "Required field missing": the detail of the
	// first parameter.
	Detail string
	// Parameters has one entry or more.
	Parameters []InvalidParameter
}

// Error names every field at fault.
func (e *ValidationError) Error() string {
	var text strings.Builder
	text.WriteString("webhook: ")
	for i, p := range e.Parameters {
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(p.Field + ": " + p.Reason)
	}
	return text.String()
}

// Problem returns the answer of status 400 that a server gives. The instance
// names the request, such as "konnect:trace:367401798674419821".
func (e *ValidationError) Problem(instance string) Problem {
	return Problem{
		Status:            400,
		Title:             "Bad Request",
		Instance:          instance,
		Detail:            e.Detail,
		InvalidParameters: e.Parameters,
	}
}

// ValidateEndpoint checks the URL of an endpoint: absolute, https, with a
// host, without user information and without fragment, written in visible
// ASCII, at most [MaxEndpointBytes] long. Its error is a [*ValidationError] on
// the field endpoint.
func ValidateEndpoint(endpoint string) error {
	var invalid ValidationError
	invalid.checkEndpoint(endpoint)
	return invalid.orNil()
}

// ValidateAuthorization checks the value of an Authorization header: not
// blank, visible ASCII with spaces inside only, at most
// [MaxAuthorizationBytes] long. Its error is a [*ValidationError] on the field
// authorization.
func ValidateAuthorization(authorization Secret) error {
	var invalid ValidationError
	invalid.checkAuthorization(authorization)
	return invalid.orNil()
}

func (e *ValidationError) checkEndpoint(endpoint string) {
	const field, detail = "endpoint", "Invalid endpoint"
	if strings.TrimSpace(endpoint) == "" {
		e.missing(field)
		return
	}
	if len(endpoint) > MaxEndpointBytes {
		e.tooLong(field, detail, MaxEndpointBytes)
		return
	}
	if reason := endpointFault(endpoint); reason != "" {
		e.add(detail, InvalidParameter{Field: field, Reason: reason})
	}
}

// endpointFault returns the reason why a URL cannot be an endpoint, empty if
// it can.
func endpointFault(endpoint string) string {
	const noURL = "must be a valid URL"
	if !visible(endpoint) {
		return noURL
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil, u.Host == "", !validHost(u):
		return noURL
	case u.Scheme != "https":
		return "must be an https URL"
	case u.User != nil:
		return "must not hold user information"
	case strings.Contains(endpoint, "#"):
		return "must not have a fragment"
	}
	return ""
}

// validHost is stricter than package net/url, which lets quotes and brackets
// pass, and ports up to any number.
func validHost(u *url.URL) bool {
	if strings.HasSuffix(u.Host, ":") {
		return false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	host := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(host)
		return err == nil && addr.Is6() && addr.Zone() == ""
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, hostChars) != "" {
			return false
		}
	}
	return true
}

// hostChars may stand in a label of a host name. The underscore is not for
// hosts, but is met in the names of containers.
const hostChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"

func (e *ValidationError) checkAuthorization(authorization Secret) {
	const field, detail = "authorization", "Invalid authorization"
	value := authorization.Reveal()
	switch {
	case strings.TrimSpace(value) == "":
		e.missing(field)
	case len(value) > MaxAuthorizationBytes:
		e.tooLong(field, detail, MaxAuthorizationBytes)
	case !visible(strings.ReplaceAll(value, " ", "")), strings.Trim(value, " ") != value:
		e.add(detail, InvalidParameter{
			Field: field, Reason: "must be visible ASCII characters, with spaces only between them", Source: "body", Rule: "invalid",
		})
	}
}

func (e *ValidationError) checkLogFormat(format LogFormat) {
	switch format {
	case CEF, JSON, CPS:
	default:
		e.add("Invalid log_format", InvalidParameter{
			Field: "log_format", Reason: "must be one of cef, json, cps", Source: "body", Rule: "enum",
			Choices: []any{string(CEF), string(JSON), string(CPS)},
		})
	}
}

// visible reports whether a text is ASCII without controls and spaces.
func visible(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

const badBody = "Invalid request body"

// unreadable is the documented answer to a body that is not a JSON object.
func unreadable() error {
	return &ValidationError{
		Detail:     "Could not parse request body",
		Parameters: []InvalidParameter{{Field: "body", Reason: "request format is invalid"}},
	}
}

func (e *ValidationError) missing(field string) {
	e.add("Required field missing", InvalidParameter{Field: field, Reason: "cannot be blank"})
}

func (e *ValidationError) tooLong(field, detail string, limit int) {
	e.add(detail, InvalidParameter{
		Field: field, Reason: fmt.Sprintf("must not have more than %d characters", limit),
		Source: "body", Rule: "max_length", Maximum: &limit,
	})
}

func (e *ValidationError) unknown(name string) {
	e.add(badBody, InvalidParameter{
		Field: shown(name), Reason: "is not a known property", Source: "body", Rule: "unknown_property",
	})
}

func (e *ValidationError) duplicate(name string) {
	e.add(badBody, InvalidParameter{
		Field: shown(name), Reason: "must not be given twice", Source: "body", Rule: "invalid",
	})
}

func (e *ValidationError) wrongType(name, kind string) {
	reason := "must be a " + kind
	if kind == kindDateTime {
		reason = "must be a date and time after RFC 3339"
	}
	e.add(badBody, InvalidParameter{Field: name, Reason: reason, Source: "body", Rule: "is_" + kind})
}

// shown returns the name of a member as it may be repeated in an answer: the
// client chose it, it may be long or full of escape sequences.
func shown(name string) string {
	if name == "" || len(name) > 64 || !visible(name) {
		return "body"
	}
	return name
}

// add appends a parameter, unless there is the same one already, such as a
// blank field that also keeps the webhook from being enabled: the schema wants
// them unique.
func (e *ValidationError) add(detail string, p InvalidParameter) {
	for _, have := range e.Parameters {
		if have.Field == p.Field && have.Reason == p.Reason {
			return
		}
	}
	if len(e.Parameters) == 0 {
		e.Detail = detail
	}
	e.Parameters = append(e.Parameters, p)
}

// orNil returns the error, or nil if nothing was found wrong.
func (e *ValidationError) orNil() error {
	if len(e.Parameters) == 0 {
		return nil
	}
	return e
}
