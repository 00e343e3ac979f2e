package preset_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/preset"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// filled returns the example of an endpoint with its placeholders filled in.
func filled(p preset.Preset) string {
	return strings.NewReplacer("<key>", "0123456789abcdef", "<code>", "ZaVnC4dhaV2xGT==").Replace(p.Endpoint)
}

// authorization returns a value of the right form.
func authorization(p preset.Preset) webhook.Secret {
	if p.Scheme == "" {
		return webhook.NewSecret("none")
	}
	return webhook.NewSecret(p.Scheme + " s3cr3t-value")
}

// TestTable holds the table to its own documentation.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	titles := []string{}
	for _, p := range preset.All() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			require.Regexp(t, `^[a-z-]+$`, p.Name)
			require.NotEmpty(t, p.Title)
			require.NotEmpty(t, p.Sources)
			for _, s := range p.Sources {
				require.NotEmpty(t, s.Facts)
				if s.URL == "" {
					require.Equal(t, s.Facts+": not verified", s.String())
					continue
				}
				require.Equal(t, s.Facts+": "+s.URL, s.String())
				u, err := url.Parse(s.URL)
				require.NoError(t, err)
				require.Equal(t, "https", u.Scheme)
			}
			got, ok := preset.Get(p.Name)
			require.True(t, ok)
			require.Equal(t, p.Title, got.Title)

			if p.Refusal != "" {
				require.Contains(t, p.Refusal, ": put ", "it says what to put in between")
				require.Empty(t, p.Endpoint)
				require.Empty(t, p.Formats)
				require.Zero(t, p.BatchBytes)
				return
			}
			require.NotEmpty(t, p.Formats)
			require.Contains(t, []string{"gzip", "none"}, p.Compression)
			require.Positive(t, p.BatchEvents)
			require.LessOrEqual(t, p.BatchEvents, 500)
			require.Positive(t, p.BatchBytes)
			require.LessOrEqual(t, p.BatchBytes, 1_000_000)
			if p.BodyLimit > 0 {
				require.LessOrEqual(t, p.BatchBytes, p.BodyLimit)
			}
			require.False(t, p.SecretInURL && p.Scheme != "")
			require.NoError(t, p.Check(filled(p), authorization(p), p.Formats[0]), "its own example")
		})
		require.False(t, seen[p.Name], p.Name)
		seen[p.Name] = true
		titles = append(titles, strings.ToLower(p.Title))
	}
	require.IsNonDecreasing(t, titles, "by title")
	require.Len(t, seen, 15)
	_, ok := preset.Get("arcsight")
	require.False(t, ok)
}

func TestAllIsACopy(t *testing.T) {
	t.Parallel()
	all := preset.All()
	all[0].Name = "changed"
	_, ok := preset.Get("changed")
	require.False(t, ok)
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const token = "s3cr3t-value"
	for _, c := range []struct {
		preset, endpoint, authorization string
		format                          webhook.LogFormat
		want                            string
	}{
		{"splunk", "https://splunk.example.com:8088/services/collector/raw?channel=07ec3858-066b-4629-bdc5-d4aa893b424d", "Splunk " + token, webhook.CEF, ""},
		{"splunk", "https://splunk.example.com:8088/services/collector/raw/1.0/", "splunk " + token, "", ""},
		{"splunk", "https://splunk.example.com:8088/services/collector/event", "Splunk " + token, "", "webhook: endpoint: must be of the form https://splunk.example.com:8088/services/collector/raw"},
		{"splunk", "https://splunk.example.com:8088/services/collector/raw", "Bearer " + token, "", "webhook: authorization: must be the word Splunk, a space and the token"},
		{"splunk", "https://splunk.example.com:8088/services/collector/raw", token, "", "webhook: authorization: must be the word Splunk, a space and the token"},
		{"splunk", "http://splunk.example.com:8088/services/collector/raw", "Splunk " + token, "", "webhook: endpoint: must be an https URL"},
		{"splunk-cloud", "https://http-inputs-acme.splunkcloud.com/services/collector/raw", "Splunk " + token, webhook.JSON, ""},
		{"sumologic", "https://endpoint4.collection.sumologic.com/receiver/v1/http/" + token, "none", "", ""},
		{"sumologic", "https://endpoint4.collection.sumologic.com/receiver/v1/http/", "none", "", "webhook: endpoint: must be of the form https://endpoint4.collection.sumologic.com/receiver/v1/http/<code>"},
		{"sumologic", "https://endpoint4.collection.sumologic.com/receiver/v1/http/" + token, "", "", "webhook: authorization: cannot be blank"},
		{"datadog", "https://http-intake.logs.datadoghq.eu/api/v2/logs?dd-api-key=" + token, "none", webhook.JSON, ""},
		{"datadog", "https://http-intake.logs.datadoghq.eu/api/v2/logs", "none", webhook.JSON, "webhook: endpoint: must be of the form https://http-intake.logs.datadoghq.com/api/v2/logs?dd-api-key=<key>"},
		{"datadog", "https://http-intake.logs.datadoghq.eu/v1/input?dd-api-key=" + token, "none", webhook.JSON, "webhook: endpoint: must be of the form https://http-intake.logs.datadoghq.com/api/v2/logs?dd-api-key=<key>"},
		{"logscale", "https://cloud.example.com/services/collector/raw", "Bearer " + token, webhook.CPS, ""},
		{"logscale", "https://cloud.example.com/api/v1/ingest/hec", "Bearer " + token, webhook.CPS, "webhook: endpoint: must be of the form https://cloud.example.com/api/v1/ingest/hec/raw"},
		{"dynatrace", "https://gate.example.com:9999/e/abc/api/v2/logs/ingest?content-type=application%2Fjsonl", "Api-Token " + token, webhook.JSON, ""},
		{"dynatrace", "https://abc12345.live.dynatrace.com/api/v2/logs/ingest", "Api-Token " + token, webhook.JSON, "webhook: endpoint: must be of the form https://abc12345.live.dynatrace.com/api/v2/logs/ingest?content-type=application/x-ndjson"},
		{"dynatrace", "https://abc12345.live.dynatrace.com/api/v2/logs/ingest?content-type=text/plain", "Api-Token " + token, webhook.JSON, "webhook: endpoint: must be of the form https://abc12345.live.dynatrace.com/api/v2/logs/ingest?content-type=application/x-ndjson"},
		{
			"dynatrace", "https://abc12345.live.dynatrace.com/", "Bearer " + token, "",
			"webhook: authorization: must be the word Api-Token, a space and the token; endpoint: must be of the form https://abc12345.live.dynatrace.com/api/v2/logs/ingest?content-type=application/x-ndjson; log_format: must be json",
		},
		{"vector", "https://vector.example.com/any/path", "any", "leef", "webhook: log_format: must be json or cps or cef"},
		{"loki-raw", "https://alloy.example.com/loki/api/v1/push", "any", webhook.JSON, "webhook: endpoint: must be of the form https://alloy.example.com/loki/api/v1/raw"},
	} {
		t.Run(c.preset+" "+c.endpoint, func(t *testing.T) {
			t.Parallel()
			p, ok := preset.Get(c.preset)
			require.True(t, ok)
			err := p.Check(c.endpoint, webhook.NewSecret(c.authorization), c.format)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			var invalid *webhook.ValidationError
			require.ErrorAs(t, err, &invalid)
			require.NotEmpty(t, invalid.Detail)
			require.EqualError(t, err, c.want)
			require.NotContains(t, err.Error(), token)
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sentinel", "elasticsearch", "elastic-agent", "loki"} {
		p, ok := preset.Get(name)
		require.True(t, ok)
		err := p.Check("https://example.com/", webhook.NewSecret("Bearer x"), webhook.JSON)
		var invalid *webhook.ValidationError
		require.ErrorAs(t, err, &invalid)
		require.Empty(t, cmp.Diff([]webhook.InvalidParameter{{Field: "endpoint", Reason: p.Refusal, Source: "body", Rule: "invalid"}}, invalid.Parameters))
	}
}

func TestCheckReplay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.January, 8, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		preset string
		age    time.Duration
		want   string
	}{
		{"splunk", 7 * 24 * time.Hour, ""},
		{"datadog", 18 * time.Hour, ""},
		{"datadog", 18*time.Hour + time.Second, "webhook: start_at: must not be more than 18 hours ago: Datadog Logs drops older events, or stores them under another time"},
		{"dynatrace", 24 * time.Hour, ""},
		{"dynatrace", 25 * time.Hour, "webhook: start_at: must not be more than 24 hours ago: Dynatrace, Log ingestion API drops older events, or stores them under another time"},
	} {
		p, ok := preset.Get(c.preset)
		require.True(t, ok)
		err := p.CheckReplay(now.Add(-c.age), now)
		if c.want == "" {
			require.NoError(t, err, c.preset)
			continue
		}
		require.EqualError(t, err, c.want)
	}
}
