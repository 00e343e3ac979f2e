package webhook_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func fullPatch() webhook.Patch {
	return webhook.Patch{
		Endpoint:            webhook.Set("https://example.com/audit-logs"),
		Authorization:       webhook.Set(webhook.NewSecret("Bearer example-token")),
		Enabled:             webhook.Set(true),
		LogFormat:           webhook.Set(webhook.CEF),
		SkipSSLVerification: webhook.Set(false),
	}
}

func TestEncodePatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		patch webhook.Patch
		want  string
	}{
		{"nothing", webhook.Patch{}, `{}`},
		{
			"all", fullPatch(),
			`{"endpoint":"https://example.com/audit-logs","enabled":true,"log_format":"cef","skip_ssl_verification":false,"authorization":"Bearer example-token"}`,
		},
		{"only enabled", webhook.Patch{Enabled: webhook.Set(false)}, `{"enabled":false}`},
		{"only another field: enabled is not sent", webhook.Patch{LogFormat: webhook.Set(webhook.JSON)}, `{"log_format":"json"}`},
		{"only the authorization", webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Splunk x"))}, `{"authorization":"Splunk x"}`},
		{
			"zero values that were set",
			webhook.Patch{
				Endpoint: webhook.Set(""), Authorization: webhook.Set(webhook.Secret{}), Enabled: webhook.Set(false),
				LogFormat: webhook.Set(webhook.LogFormat("")), SkipSSLVerification: webhook.Set(false),
			},
			`{"endpoint":"","enabled":false,"log_format":"","skip_ssl_verification":false,"authorization":""}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body := webhook.EncodePatch(c.patch)
			require.Equal(t, c.want, string(body))

			back, err := webhook.DecodePatch(body)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.patch, back))
		})
	}
}

func TestPatchIsZero(t *testing.T) {
	t.Parallel()
	require.True(t, webhook.Patch{}.IsZero())
	for name, patch := range map[string]webhook.Patch{
		"endpoint":              {Endpoint: webhook.Set("")},
		"authorization":         {Authorization: webhook.Set(webhook.Secret{})},
		"enabled":               {Enabled: webhook.Set(false)},
		"log_format":            {LogFormat: webhook.Set(webhook.LogFormat(""))},
		"skip_ssl_verification": {SkipSSLVerification: webhook.Set(false)},
	} {
		require.False(t, patch.IsZero(), name)
	}
}

func TestDecodePatchRefusesWhatJSONWouldReplace(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a space that is not JSON's": "\u00a0",
		"bytes that are not UTF-8":   "{\"endpoint\":\"https://h/\xff\"}",
	} {
		_, err := webhook.DecodePatch([]byte(body))
		var invalid *webhook.ValidationError
		require.ErrorAs(t, err, &invalid, name)
		require.Equal(t, "Could not parse request body", invalid.Detail)
	}
}

func TestDecodePatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       webhook.Patch
	}{
		{"empty body", "", webhook.Patch{}},
		{"blank body", " \r\n\t", webhook.Patch{}},
		{"empty object", " {} \n", webhook.Patch{}},
		{
			"the guide's set-up",
			`{"endpoint":"https://example.com/audit-logs","enabled":true,"authorization":"Bearer example-token","log_format":"cef"}`,
			webhook.Patch{
				Endpoint: webhook.Set("https://example.com/audit-logs"), Enabled: webhook.Set(true),
				Authorization: webhook.Set(webhook.NewSecret("Bearer example-token")), LogFormat: webhook.Set(webhook.CEF),
			},
		},
		{
			"Terraform sends what is unset as null",
			`{"authorization":null,"enabled":true,"endpoint":null,"log_format":"cef","skip_ssl_verification":false}`,
			webhook.Patch{Enabled: webhook.Set(true), LogFormat: webhook.Set(webhook.CEF), SkipSSLVerification: webhook.Set(false)},
		},
		{"all null", `{"authorization":null,"enabled":null,"endpoint":null,"log_format":null,"skip_ssl_verification":null}`, webhook.Patch{}},
		{"an unknown member that is null is absent", `{"audit_log_destination_id":null}`, webhook.Patch{}},
		{"escaped names and values", `{"\u0065nabled":true,"endpoint":"https:\/\/example.com"}`, webhook.Patch{Enabled: webhook.Set(true), Endpoint: webhook.Set("https://example.com")}},
		{"values are not judged", `{"log_format":"leef","authorization":""}`, webhook.Patch{LogFormat: webhook.Set(webhook.LogFormat("leef")), Authorization: webhook.Set(webhook.Secret{})}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := webhook.DecodePatch([]byte(c.body))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, got))
		})
	}
}

func TestDecodePatchUnreadable(t *testing.T) {
	t.Parallel()
	want := &webhook.ValidationError{
		Detail:     "Could not parse request body",
		Parameters: []webhook.InvalidParameter{{Field: "body", Reason: "request format is invalid"}},
	}
	for _, body := range []string{
		"null", "true", "1", `"enabled"`, "[]", `[{"enabled":true}]`, "enabled=true", "<xml/>",
		"{", "}", `{"enabled"`, `{"enabled":`, `{"enabled":true`, `{"enabled":true,`, `{"enabled":true,}`, `{,}`,
		`{enabled:true}`, `{'enabled':true}`, `{1:true}`, `{"enabled":tru}`, `{"enabled":true "endpoint":""}`, `{"enabled" true}`,
		`{"enabled":true}}`, `{"enabled":true}{}`, `{"enabled":true} x`, "\xef\xbb\xbf{}", "{\"end\npoint\":\"\"}",
		`{"unknown":1,`, `{"enabled":` + strings.Repeat("[", 20_000),
	} {
		t.Run(body[:min(len(body), 20)], func(t *testing.T) {
			t.Parallel()
			patch, err := webhook.DecodePatch([]byte(body))
			require.Empty(t, cmp.Diff(webhook.Patch{}, patch))
			var got *webhook.ValidationError
			require.ErrorAs(t, err, &got, "%v", err)
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestDecodePatchInvalidMembers(t *testing.T) {
	t.Parallel()
	const typed = "Invalid request body"
	for _, c := range []struct {
		name, body string
		want       []webhook.InvalidParameter
	}{
		{"unknown", `{"enabld":true}`, []webhook.InvalidParameter{{Field: "enabld", Reason: "is not a known property", Source: "body", Rule: "unknown_property"}}},
		{"another case is another name", `{"Enabled":true}`, []webhook.InvalidParameter{{Field: "Enabled", Reason: "is not a known property", Source: "body", Rule: "unknown_property"}}},
		{"read-only", `{"updated_at":"2023-04-01T00:00:01Z"}`, []webhook.InvalidParameter{{Field: "updated_at", Reason: "is not a known property", Source: "body", Rule: "unknown_property"}}},
		{"twice", `{"enabled":true,"enabled":true}`, []webhook.InvalidParameter{{Field: "enabled", Reason: "must not be given twice", Source: "body", Rule: "invalid"}}},
		{"twice, once as null", `{"enabled":null,"enabled":true}`, []webhook.InvalidParameter{{Field: "enabled", Reason: "must not be given twice", Source: "body", Rule: "invalid"}}},
		{"twice, once escaped", `{"enabled":true,"\u0065nabled":false}`, []webhook.InvalidParameter{{Field: "enabled", Reason: "must not be given twice", Source: "body", Rule: "invalid"}}},
		{"three times is one fault", `{"enabled":true,"enabled":true,"enabled":true}`, []webhook.InvalidParameter{{Field: "enabled", Reason: "must not be given twice", Source: "body", Rule: "invalid"}}},
		{
			"types", `{"endpoint":1,"authorization":["Bearer s3cr3t-value"],"enabled":"true","log_format":{},"skip_ssl_verification":0}`,
			[]webhook.InvalidParameter{
				{Field: "endpoint", Reason: "must be a string", Source: "body", Rule: "is_string"},
				{Field: "authorization", Reason: "must be a string", Source: "body", Rule: "is_string"},
				{Field: "enabled", Reason: "must be a boolean", Source: "body", Rule: "is_boolean"},
				{Field: "log_format", Reason: "must be a string", Source: "body", Rule: "is_string"},
				{Field: "skip_ssl_verification", Reason: "must be a boolean", Source: "body", Rule: "is_boolean"},
			},
		},
		{"a name that is not repeated", `{"\u001b[31mred":1}`, []webhook.InvalidParameter{{Field: "body", Reason: "is not a known property", Source: "body", Rule: "unknown_property"}}},
		{"two such names are one fault", `{"":1,"` + strings.Repeat("x", 65) + `":1}`, []webhook.InvalidParameter{{Field: "body", Reason: "is not a known property", Source: "body", Rule: "unknown_property"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			patch, err := webhook.DecodePatch([]byte(c.body))
			require.Empty(t, cmp.Diff(webhook.Patch{}, patch))
			var got *webhook.ValidationError
			require.ErrorAs(t, err, &got, "%v", err)
			require.Empty(t, cmp.Diff(&webhook.ValidationError{Detail: typed, Parameters: c.want}, got))
			requireNoCredential(t, err.Error())
		})
	}
}

func TestDecodePatchReportsAFewFaults(t *testing.T) {
	t.Parallel()
	var body strings.Builder
	body.WriteString("{")
	for i := range 1000 {
		fmt.Fprintf(&body, `"unknown%d":1,`, i)
	}
	body.WriteString(`"enabled":true}`)
	_, err := webhook.DecodePatch([]byte(body.String()))
	var got *webhook.ValidationError
	require.ErrorAs(t, err, &got)
	require.Len(t, got.Parameters, 16)
}

func TestPatchValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, webhook.Patch{}.Validate())
	require.NoError(t, fullPatch().Validate())
	require.NoError(t, webhook.Patch{Enabled: webhook.Set(true)}.Validate(), "the rest of the configuration is not known here")
	require.EqualError(t, webhook.Patch{
		Endpoint:  webhook.Set("http://example.com"),
		LogFormat: webhook.Set(webhook.LogFormat("leef")),
	}.Validate(), "webhook: endpoint: must be an https URL; log_format: must be one of cef, json, cps")
}

func FuzzDecodePatch(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `{"enabled":true,"endpoint":null}`, `{"enabled":true,"enabled":false}`, `{"x":{"y":[1,2]}}`,
		`{"endpoint":"https://example.com","authorization":"Bearer \ud800","log_format":"cef","skip_ssl_verification":false}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		patch, err := webhook.DecodePatch(body)
		if err != nil {
			var invalid *webhook.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Parameters)
			require.True(t, patch.IsZero())
			return
		}
		if len(strings.Trim(string(body), " \t\r\n")) > 0 {
			require.True(t, json.Valid(body))
		}
		back, err := webhook.DecodePatch(webhook.EncodePatch(patch))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(patch, back))
	})
}
