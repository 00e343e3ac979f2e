package webhook_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const destinationID = "07ec3858-066b-4629-bdc5-d4aa893b424d"

func siem() webhook.Destination {
	return webhook.Destination{
		ID:            destinationID,
		Name:          "SIEM",
		Endpoint:      "https://example.com/audit-logs",
		Authorization: webhook.NewSecret(credential),
		LogFormat:     webhook.CEF,
		CreatedAt:     before(),
		UpdatedAt:     before(),
	}
}

func TestDestinationJSON(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(siem())
	require.NoError(t, err)
	require.Equal(t, `{"id":"07ec3858-066b-4629-bdc5-d4aa893b424d","name":"SIEM","endpoint":"https://example.com/audit-logs","log_format":"cef",`+
		`"skip_ssl_verification":false,"created_at":"2023-04-01T00:00:01Z","updated_at":"2023-04-01T00:00:01Z"}`, string(data))

	var back webhook.Destination
	require.NoError(t, json.Unmarshal(data, &back))
	want := siem()
	want.Authorization = webhook.Secret{}
	require.Empty(t, cmp.Diff(want, back))
}

func TestDestinationUnmarshal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, json string
		want       webhook.Destination
	}{
		{"nothing", `{}`, webhook.Destination{LogFormat: webhook.CEF}},
		{"nulls", `{"id":null,"name":null,"log_format":null,"updated_at":null}`, webhook.Destination{LogFormat: webhook.CEF}},
		{
			"an authorization that should not be there, a format of tomorrow, both zero times",
			`{"id":"x","authorization":"` + credential + `","log_format":"leef","skip_ssl_verification":true,"created_at":"0001-01-01T00:00:0Z","updated_at":"0001-01-01T00:00:00Z"}`,
			webhook.Destination{ID: "x", LogFormat: "leef", SkipSSLVerification: true},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := siem()
			require.NoError(t, json.Unmarshal([]byte(c.json), &got))
			require.Empty(t, cmp.Diff(c.want, got))
		})
	}
	for _, bad := range []string{`[]`, `{"id":1}`, `{"created_at":"yesterday"}`, `{"updated_at":"yesterday"}`} {
		got := siem()
		require.ErrorContains(t, json.Unmarshal([]byte(bad), &got), "webhook: ", bad)
		require.Empty(t, cmp.Diff(siem(), got), "an error changes nothing")
	}
}

func TestEncodeDestination(t *testing.T) {
	t.Parallel()
	body := webhook.EncodeDestination(siem())
	require.Equal(t, `{"name":"SIEM","endpoint":"https://example.com/audit-logs","log_format":"cef","skip_ssl_verification":false,"authorization":"`+credential+`"}`, string(body))
	back, err := webhook.DecodeDestination(body)
	require.NoError(t, err)
	want := siem()
	want.ID, want.CreatedAt, want.UpdatedAt = "", time.Time{}, time.Time{}
	require.Empty(t, cmp.Diff(want, back))

	require.Contains(t, string(webhook.EncodeDestination(webhook.Destination{})), `"log_format":"cef"`)
}

func TestDecodeDestinationErrors(t *testing.T) {
	t.Parallel()
	missing := func(fields ...string) *webhook.ValidationError {
		e := &webhook.ValidationError{Detail: "Required field missing"}
		for _, field := range fields {
			e.Parameters = append(e.Parameters, webhook.InvalidParameter{Field: field, Reason: "cannot be blank"})
		}
		return e
	}
	for _, c := range []struct {
		name, body string
		want       *webhook.ValidationError
	}{
		{"empty body", ``, missing("authorization", "endpoint", "log_format", "name")},
		{"null is missing", `{"name":null,"endpoint":"https://example.com","log_format":"cef","authorization":"x"}`, missing("name")},
		{
			"what the server gives", `{"id":"x","created_at":"2023-04-01T00:00:01Z"}`,
			&webhook.ValidationError{Detail: "Invalid request body", Parameters: []webhook.InvalidParameter{
				{Field: "id", Reason: "is not a known property", Source: "body", Rule: "unknown_property"},
				{Field: "created_at", Reason: "is not a known property", Source: "body", Rule: "unknown_property"},
			}},
		},
		{
			"types", `{"name":1,"skip_ssl_verification":"no"}`,
			&webhook.ValidationError{Detail: "Invalid request body", Parameters: []webhook.InvalidParameter{
				{Field: "name", Reason: "must be a string", Source: "body", Rule: "is_string"},
				{Field: "skip_ssl_verification", Reason: "must be a boolean", Source: "body", Rule: "is_boolean"},
			}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := webhook.DecodeDestination([]byte(c.body))
			require.Empty(t, cmp.Diff(webhook.Destination{}, got))
			var invalid *webhook.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.Empty(t, cmp.Diff(c.want, invalid))
		})
	}
}

func TestDestinationValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, siem().Validate())
	for _, c := range []struct {
		name   string
		change func(*webhook.Destination)
		want   string
	}{
		{"a name of the greatest length", func(d *webhook.Destination) { d.Name = strings.Repeat("ü", webhook.MaxNameChars) }, ""},
		{"no format is CEF", func(d *webhook.Destination) { d.LogFormat = "" }, ""},
		{"no name", func(d *webhook.Destination) { d.Name = " " }, "webhook: name: cannot be blank"},
		{"a long name", func(d *webhook.Destination) { d.Name = strings.Repeat("ü", webhook.MaxNameChars+1) }, "webhook: name: must not have more than 255 characters"},
		{"a control character", func(d *webhook.Destination) { d.Name = "a\x1b[31m" }, "webhook: name: must not hold control characters"},
		{"bytes that are no text", func(d *webhook.Destination) { d.Name = "a\xff" }, "webhook: name: must not hold control characters"},
		{"everything", func(d *webhook.Destination) {
			*d = webhook.Destination{Endpoint: "http://example.com", LogFormat: "leef"}
		}, "webhook: authorization: cannot be blank; endpoint: must be an https URL; log_format: must be one of cef, json, cps; name: cannot be blank"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := siem()
			c.change(&d)
			err := d.Validate()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
}

func TestDestinationApply(t *testing.T) {
	t.Parallel()
	now := before().Add(time.Hour)
	changed := func(change func(*webhook.Destination)) webhook.Destination {
		d := siem()
		d.UpdatedAt = now
		change(&d)
		return d
	}
	for _, c := range []struct {
		name  string
		patch webhook.DestinationPatch
		want  webhook.Destination
	}{
		{"nothing", webhook.DestinationPatch{}, siem()},
		{
			"the same values",
			webhook.DestinationPatch{
				Name: webhook.Set("SIEM"), Endpoint: webhook.Set(siem().Endpoint), Authorization: webhook.Set(siem().Authorization),
				LogFormat: webhook.Set(webhook.CEF), SkipSSLVerification: webhook.Set(false),
			},
			siem(),
		},
		{"name", webhook.DestinationPatch{Name: webhook.Set("other")}, changed(func(d *webhook.Destination) { d.Name = "other" })},
		{"endpoint", webhook.DestinationPatch{Endpoint: webhook.Set("https://example.org")}, changed(func(d *webhook.Destination) { d.Endpoint = "https://example.org" })},
		{
			"authorization", webhook.DestinationPatch{Authorization: webhook.Set(webhook.NewSecret("Splunk x"))},
			changed(func(d *webhook.Destination) { d.Authorization = webhook.NewSecret("Splunk x") }),
		},
		{"format", webhook.DestinationPatch{LogFormat: webhook.Set(webhook.CPS)}, changed(func(d *webhook.Destination) { d.LogFormat = webhook.CPS })},
		{"verification", webhook.DestinationPatch{SkipSSLVerification: webhook.Set(true)}, changed(func(d *webhook.Destination) { d.SkipSSLVerification = true })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := siem().Apply(c.patch, now.In(time.FixedZone("west", -5*3600)))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, got))
			require.Equal(t, c.want.UpdatedAt, got.UpdatedAt, "in UTC")
		})
	}
	got, err := siem().Apply(webhook.DestinationPatch{Name: webhook.Set("x"), Endpoint: webhook.Set("")}, now)
	require.EqualError(t, err, "webhook: endpoint: cannot be blank")
	require.Empty(t, cmp.Diff(siem(), got), "an error changes nothing")
}

func TestDestinationPatchWire(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		patch webhook.DestinationPatch
		want  string
	}{
		{"nothing", webhook.DestinationPatch{}, `{}`},
		{"only the name", webhook.DestinationPatch{Name: webhook.Set("x")}, `{"name":"x"}`},
		{
			"zero values that were set",
			webhook.DestinationPatch{
				Name: webhook.Set(""), Endpoint: webhook.Set(""), Authorization: webhook.Set(webhook.Secret{}),
				LogFormat: webhook.Set(webhook.LogFormat("")), SkipSSLVerification: webhook.Set(false),
			},
			`{"name":"","endpoint":"","log_format":"","skip_ssl_verification":false,"authorization":""}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want == `{}`, c.patch.IsZero())
			body := webhook.EncodeDestinationPatch(c.patch)
			require.Equal(t, c.want, string(body))
			back, err := webhook.DecodeDestinationPatch(body)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.patch, back))
		})
	}
	got, err := webhook.DecodeDestinationPatch([]byte(`{"name":"x","enabled":true}`))
	require.EqualError(t, err, "webhook: enabled: is not a known property")
	require.True(t, got.IsZero())
}

func TestDestinationLog(t *testing.T) {
	t.Parallel()
	d := siem()
	d.Endpoint += "?token=s3cr3t-value"
	patch := webhook.DestinationPatch{Name: webhook.Set("SIEM"), Endpoint: webhook.Set(d.Endpoint), Authorization: webhook.Set(d.Authorization)}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	log.Info("x", "d", d, "p", patch)
	fmt.Fprintln(&out, d, patch)
	requireNoCredential(t, out.String())
	require.Contains(t, out.String(), "d.endpoint=https://example.com d.authorization=[redacted]")
	require.Contains(t, out.String(), "p.name=SIEM p.endpoint=https://example.com p.authorization=[redacted]\n")
	require.Contains(t, out.String(), "[name=SIEM endpoint=https://example.com authorization=[redacted]]")
}

func FuzzDecodeDestination(f *testing.F) {
	f.Add([]byte(``))
	f.Add(webhook.EncodeDestination(siem()))
	f.Add([]byte(`{"name":"x","name":null,"id":{"a":[]},"log_format":"\ud800"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := webhook.DecodeDestination(body)
		if err != nil {
			var invalid *webhook.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Parameters)
			require.Empty(t, cmp.Diff(webhook.Destination{}, d))
			return
		}
		if d.LogFormat == "" {
			return // which is written as CEF
		}
		back, err := webhook.DecodeDestination(webhook.EncodeDestination(d))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(d, back))
	})
}
