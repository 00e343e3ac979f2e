package webhook_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestValidateEndpoint(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{
		"https://example.com",
		"https://example.com/",
		"HTTPS://Example.COM/audit-logs",
		"https://example.com.:8443/a/b;c?token=x%20y&z=[1]",
		"https://http-inputs_acme.example.com/services/collector/raw",
		"https://192.0.2.1/",
		"https://[2001:db8::1]:443/x",
		"https://localhost:65535",
		"https://xn--mller-kva.example",
		"https://example.com/" + strings.Repeat("x", webhook.MaxEndpointBytes-len("https://example.com/")),
	} {
		t.Run(endpoint[:min(len(endpoint), 60)], func(t *testing.T) {
			t.Parallel()
			require.NoError(t, webhook.ValidateEndpoint(endpoint))
		})
	}
}

func TestValidateEndpointErrors(t *testing.T) {
	t.Parallel()
	const (
		invalid  = "Invalid endpoint"
		noURL    = "must be a valid URL"
		notHTTPS = "must be an https URL"
	)
	for _, c := range []struct{ name, endpoint, detail, reason string }{
		{"empty", "", "Required field missing", "cannot be blank"},
		{"blank", " \t\n", "Required field missing", "cannot be blank"},
		{"plain text", "unconfigured", invalid, noURL},
		{"no scheme", "example.com/audit", invalid, noURL},
		{"no scheme, port", "example.com:443/audit", invalid, noURL},
		{"scheme of the page", "//example.com/audit", invalid, notHTTPS},
		{"path only", "/audit", invalid, noURL},
		{"http", "http://example.com", invalid, notHTTPS},
		{"http to loopback", "http://127.0.0.1:8080", invalid, notHTTPS},
		{"ftp", "ftp://example.com", invalid, notHTTPS},
		{"opaque", "https:example.com", invalid, noURL},
		{"no host", "https:///audit", invalid, noURL},
		{"port without host", "https://:443/audit", invalid, noURL},
		{"user only, no host", "https://user@/audit", invalid, noURL},
		{"user", "https://user@example.com", invalid, "must not hold user information"},
		{"user and password", "https://user:s3cr3t-value@example.com", invalid, "must not hold user information"},
		{"empty user", "https://@example.com", invalid, "must not hold user information"},
		{"fragment", "https://example.com/#top", invalid, "must not have a fragment"},
		{"empty fragment", "https://example.com/#", invalid, "must not have a fragment"},
		{"space inside", "https://example.com/a b", invalid, noURL},
		{"space around", " https://example.com", invalid, noURL},
		{"line break", "https://example.com/\r\nHost: x", invalid, noURL},
		{"null", "https://example.com/\x00", invalid, noURL},
		{"delete", "https://example.com/\x7f", invalid, noURL},
		{"not ASCII", "https://müller.example", invalid, noURL},
		{"bad escape", "https://example.com/%zz", invalid, noURL},
		{"bad escape in the host", "https://exa%zzmple.com", invalid, noURL},
		{"backslash", `https://example.com\@evil.example`, invalid, noURL},
		{"quotes in the host", `https://"example".com`, invalid, noURL},
		{"angle brackets", `https://<example>.com`, invalid, noURL},
		{"two dots", "https://example..com", invalid, noURL},
		{"only a dot", "https://.", invalid, noURL},
		{"long label", "https://" + strings.Repeat("x", 64) + ".com", invalid, noURL},
		{"long host", "https://" + strings.Repeat("x.", 127) + "com", invalid, noURL},
		{"port 0", "https://example.com:0", invalid, noURL},
		{"port too high", "https://example.com:65536", invalid, noURL},
		{"empty port", "https://example.com:", invalid, noURL},
		{"port no number", "https://example.com:https", invalid, noURL},
		{"IPv6 without brackets", "https://2001:db8::1/", invalid, noURL},
		{"IPv6 zone", "https://[fe80::1%25eth0]/", invalid, noURL},
		{"IPv4 in brackets", "https://[192.0.2.1]/", invalid, noURL},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requireInvalid(t, webhook.ValidateEndpoint(c.endpoint), webhook.ValidationError{
				Detail:     c.detail,
				Parameters: []webhook.InvalidParameter{{Field: "endpoint", Reason: c.reason}},
			})
		})
	}
	requireInvalid(t, webhook.ValidateEndpoint("https://example.com/"+strings.Repeat("x", 2029)), webhook.ValidationError{
		Detail: invalid,
		Parameters: []webhook.InvalidParameter{{
			Field: "endpoint", Reason: "must not have more than 2048 characters", Source: "body", Rule: "max_length", Maximum: new(2048),
		}},
	})
}

func TestValidateAuthorization(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"x", "Bearer example-token", "Splunk 0-1-2", "Basic dTpw", "a  b", "!~", strings.Repeat("x", webhook.MaxAuthorizationBytes),
	} {
		require.NoError(t, webhook.ValidateAuthorization(webhook.NewSecret(value)))
	}
}

func TestValidateAuthorizationErrors(t *testing.T) {
	t.Parallel()
	blank := webhook.ValidationError{
		Detail:     "Required field missing",
		Parameters: []webhook.InvalidParameter{{Field: "authorization", Reason: "cannot be blank"}},
	}
	ascii := webhook.ValidationError{
		Detail: "Invalid authorization",
		Parameters: []webhook.InvalidParameter{{
			Field: "authorization", Reason: "must be visible ASCII characters, with spaces only between them", Source: "body", Rule: "invalid",
		}},
	}
	for _, c := range []struct {
		name, value string
		want        webhook.ValidationError
	}{
		{"empty", "", blank},
		{"spaces", "   ", blank},
		{"tab and line break", "\t\r\n", blank},
		{"space before", " " + credential, ascii},
		{"space behind", credential + " ", ascii},
		{"line break behind", credential + "\n", ascii},
		{"header injection", credential + "\r\nX-Evil: 1", ascii},
		{"tab inside", "Bearer\ts3cr3t-value", ascii},
		{"null", credential + "\x00", ascii},
		{"delete", credential + "\x7f", ascii},
		{"not ASCII", credential + "é", ascii},
		{"not UTF-8", credential + "\xff", ascii},
		{"too long", strings.Repeat("x", webhook.MaxAuthorizationBytes+1), webhook.ValidationError{
			Detail: "Invalid authorization",
			Parameters: []webhook.InvalidParameter{{
				Field: "authorization", Reason: "must not have more than 4096 characters", Source: "body", Rule: "max_length", Maximum: new(4096),
			}},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			requireInvalid(t, webhook.ValidateAuthorization(webhook.NewSecret(c.value)), c.want)
		})
	}
}

func TestValidateLogFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS} {
		require.NoError(t, webhook.Patch{LogFormat: webhook.Set(format)}.Validate())
	}
	for _, format := range []webhook.LogFormat{"", "CEF", " cef", "leef"} {
		requireInvalid(t, webhook.Patch{LogFormat: webhook.Set(format)}.Validate(), webhook.ValidationError{
			Detail: "Invalid log_format",
			Parameters: []webhook.InvalidParameter{{
				Field: "log_format", Reason: "must be one of cef, json, cps", Source: "body", Rule: "enum", Choices: []any{"cef", "json", "cps"},
			}},
		})
	}
}

// requireInvalid checks an error, and that it tells nothing of the value.
func requireInvalid(t *testing.T, err error, want webhook.ValidationError) {
	t.Helper()
	var got *webhook.ValidationError
	require.ErrorAs(t, err, &got, "%v", err)
	require.Empty(t, cmp.Diff(want, *got))
	requireNoCredential(t, err.Error())
}

func TestValidationProblem(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{
			"blank authorization", webhook.ValidateAuthorization(webhook.Secret{}),
			`{"status":400,"title":"Bad Request","instance":"konnect:trace:1","detail":"Required field missing","invalid_parameters":[{"field":"authorization","reason":"cannot be blank"}]}`,
		},
		{
			"blank endpoint", webhook.ValidateEndpoint(""),
			`{"status":400,"title":"Bad Request","instance":"konnect:trace:1","detail":"Required field missing","invalid_parameters":[{"field":"endpoint","reason":"cannot be blank"}]}`,
		},
		{
			"endpoint no URL", webhook.ValidateEndpoint("example"),
			`{"status":400,"title":"Bad Request","instance":"konnect:trace:1","detail":"Invalid endpoint","invalid_parameters":[{"field":"endpoint","reason":"must be a valid URL"}]}`,
		},
		{
			"body", func() error { _, err := webhook.DecodePatch([]byte("x")); return err }(),
			`{"status":400,"title":"Bad Request","instance":"konnect:trace:1","detail":"Could not parse request body","invalid_parameters":[{"field":"body","reason":"request format is invalid"}]}`,
		},
		{
			"enum with its companion", webhook.Patch{LogFormat: webhook.Set(webhook.LogFormat("x"))}.Validate(),
			`{"status":400,"title":"Bad Request","instance":"konnect:trace:1","detail":"Invalid log_format","invalid_parameters":[{"field":"log_format","reason":"must be one of cef, json, cps","source":"body","rule":"enum","choices":["cef","json","cps"]}]}`,
		},
		{
			"maximum with its companion", webhook.ValidateEndpoint(strings.Repeat("x", 3000)),
			`{"status":400,"title":"Bad Request","instance":"konnect:trace:1","detail":"Invalid endpoint","invalid_parameters":[{"field":"endpoint","reason":"must not have more than 2048 characters","source":"body","rule":"max_length","maximum":2048}]}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var invalid *webhook.ValidationError
			require.ErrorAs(t, c.err, &invalid)
			data, err := json.Marshal(invalid.Problem("konnect:trace:1"))
			require.NoError(t, err)
			require.Equal(t, c.want, string(data))
		})
	}
}
