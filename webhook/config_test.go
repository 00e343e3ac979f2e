package webhook_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func before() time.Time { return time.Date(2023, time.April, 1, 0, 0, 1, 0, time.UTC) }

// configured returns a complete configuration.
func configured() webhook.Config {
	return webhook.Config{
		Endpoint:      "https://example.com/audit-logs",
		Authorization: webhook.NewSecret("Bearer example-token"),
		Enabled:       true,
		LogFormat:     webhook.CEF,
		UpdatedAt:     before(),
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	now := before().Add(time.Hour)
	for _, c := range []struct {
		name  string
		from  webhook.Config
		patch webhook.Patch
		want  webhook.Config
	}{
		{
			"first set-up", webhook.Config{},
			webhook.Patch{
				Endpoint:      webhook.Set("https://example.com/audit-logs"),
				Authorization: webhook.Set(webhook.NewSecret("Bearer example-token")),
				Enabled:       webhook.Set(true),
				LogFormat:     webhook.Set(webhook.JSON),
			},
			webhook.Config{
				Endpoint: "https://example.com/audit-logs", Authorization: webhook.NewSecret("Bearer example-token"),
				Enabled: true, LogFormat: webhook.JSON, UpdatedAt: now,
			},
		},
		{"nothing set changes nothing", configured(), webhook.Patch{}, configured()},
		{"nothing set on an unconfigured webhook", webhook.Config{}, webhook.Patch{}, webhook.Config{}},
		{"switching an unconfigured webhook off changes nothing", webhook.Config{}, webhook.Patch{Enabled: webhook.Set(false)}, webhook.Config{}},
		{
			"the defaults on an unconfigured webhook change nothing", webhook.Config{},
			webhook.Patch{Enabled: webhook.Set(false), LogFormat: webhook.Set(webhook.CEF), SkipSSLVerification: webhook.Set(false)},
			webhook.Config{},
		},
		{
			"the same values change nothing", configured(),
			webhook.Patch{
				Endpoint: webhook.Set(configured().Endpoint), Authorization: webhook.Set(configured().Authorization),
				Enabled: webhook.Set(true), LogFormat: webhook.Set(webhook.CEF),
			},
			configured(),
		},
		{
			"one field leaves the others", configured(), webhook.Patch{LogFormat: webhook.Set(webhook.CPS)},
			func() webhook.Config { c := configured(); c.LogFormat, c.UpdatedAt = webhook.CPS, now; return c }(),
		},
		{
			"switching off", configured(), webhook.Patch{Enabled: webhook.Set(false)},
			func() webhook.Config { c := configured(); c.Enabled, c.UpdatedAt = false, now; return c }(),
		},
		{
			"another authorization", configured(), webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Splunk x"))},
			func() webhook.Config {
				c := configured()
				c.Authorization, c.UpdatedAt = webhook.NewSecret("Splunk x"), now
				return c
			}(),
		},
		{
			"another endpoint", configured(), webhook.Patch{Endpoint: webhook.Set("https://example.org"), SkipSSLVerification: webhook.Set(true)},
			func() webhook.Config {
				c := configured()
				c.Endpoint, c.SkipSSLVerification, c.UpdatedAt = "https://example.org", true, now
				return c
			}(),
		},
		{
			"piece by piece: authorization first", webhook.Config{}, webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Bearer x"))},
			webhook.Config{Authorization: webhook.NewSecret("Bearer x"), LogFormat: webhook.CEF, UpdatedAt: now},
		},
		{
			"piece by piece: then the endpoint", webhook.Config{Authorization: webhook.NewSecret("Bearer x"), LogFormat: webhook.CEF, UpdatedAt: before()},
			webhook.Patch{Endpoint: webhook.Set("https://example.com"), Enabled: webhook.Set(true)},
			webhook.Config{Endpoint: "https://example.com", Authorization: webhook.NewSecret("Bearer x"), Enabled: true, LogFormat: webhook.CEF, UpdatedAt: now},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := c.from.Apply(c.patch, now.In(time.FixedZone("west", -5*3600)))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, got))
			require.Equal(t, c.want.UpdatedAt, got.UpdatedAt, "in UTC")
		})
	}
}

func TestApplyErrors(t *testing.T) {
	t.Parallel()
	const blank = "cannot be blank"
	for _, c := range []struct {
		name   string
		from   webhook.Config
		patch  webhook.Patch
		detail string
		fields []string
		reason string // of the first
	}{
		{
			"enabling an unconfigured webhook", webhook.Config{}, webhook.Patch{Enabled: webhook.Set(true)},
			"Required field missing", []string{"authorization", "endpoint"}, blank,
		},
		{
			"enabling without authorization", webhook.Config{}, webhook.Patch{Enabled: webhook.Set(true), Endpoint: webhook.Set("https://example.com")},
			"Required field missing", []string{"authorization"}, blank,
		},
		{
			"enabling without endpoint", webhook.Config{}, webhook.Patch{Enabled: webhook.Set(true), Authorization: webhook.Set(webhook.NewSecret("x"))},
			"Required field missing", []string{"endpoint"}, blank,
		},
		{
			"enabling with a blank authorization is one fault", webhook.Config{Endpoint: "https://example.com"},
			webhook.Patch{Enabled: webhook.Set(true), Authorization: webhook.Set(webhook.NewSecret(" "))},
			"Required field missing", []string{"authorization"}, blank,
		},
		{
			"enabling with a blank endpoint is one fault", webhook.Config{Authorization: webhook.NewSecret("x")},
			webhook.Patch{Enabled: webhook.Set(true), Endpoint: webhook.Set("")},
			"Required field missing", []string{"endpoint"}, blank,
		},
		{
			"blanking the authorization", configured(), webhook.Patch{Authorization: webhook.Set(webhook.Secret{})},
			"Required field missing", []string{"authorization"}, blank,
		},
		{
			"blanking the endpoint of a disabled webhook", webhook.Config{}, webhook.Patch{Endpoint: webhook.Set("")},
			"Required field missing", []string{"endpoint"}, blank,
		},
		{
			"every fault is named", configured(),
			webhook.Patch{
				Endpoint: webhook.Set("http://example.com"), Authorization: webhook.Set(webhook.NewSecret("a\nb")),
				LogFormat: webhook.Set(webhook.LogFormat("leef")),
			},
			"Invalid authorization", []string{"authorization", "endpoint", "log_format"}, "must be visible ASCII characters, with spaces only between them",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := c.from.Apply(c.patch, before().Add(time.Hour))
			require.Empty(t, cmp.Diff(c.from, got), "an error changes nothing")
			var invalid *webhook.ValidationError
			require.ErrorAs(t, err, &invalid, "%v", err)
			require.Equal(t, c.detail, invalid.Detail)
			var fields []string
			for _, p := range invalid.Parameters {
				fields = append(fields, p.Field)
			}
			require.Equal(t, c.fields, fields)
			require.Equal(t, c.reason, invalid.Parameters[0].Reason)
		})
	}
}

func TestConfigJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config webhook.Config
		want   string
	}{
		{
			"unconfigured", webhook.Config{},
			`{"endpoint":"unconfigured","log_format":"cef","enabled":false,"skip_ssl_verification":false,"updated_at":"0001-01-01T00:00:00Z"}`,
		},
		{
			"configured", configured(),
			`{"endpoint":"https://example.com/audit-logs","log_format":"cef","enabled":true,"skip_ssl_verification":false,"updated_at":"2023-04-01T00:00:01Z"}`,
		},
		{
			"another zone and a fraction",
			webhook.Config{
				Endpoint: "https://example.com", LogFormat: webhook.CPS, SkipSSLVerification: true,
				UpdatedAt: time.Date(2023, 3, 21, 11, 29, 14, 520e6, time.FixedZone("", 2*3600)),
			},
			`{"endpoint":"https://example.com","log_format":"cps","enabled":false,"skip_ssl_verification":true,"updated_at":"2023-03-21T09:29:14.52Z"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.config)
			require.NoError(t, err)
			require.Equal(t, c.want, string(data))
		})
	}
}

func TestConfigUnmarshal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, json string
		want       webhook.Config
	}{
		{"nothing", `{}`, webhook.Config{LogFormat: webhook.CEF}},
		{"null members", `{"endpoint":null,"log_format":null,"enabled":null,"skip_ssl_verification":null,"updated_at":null}`, webhook.Config{LogFormat: webhook.CEF}},
		{
			"unconfigured, with the documented zero time",
			`{"endpoint":"unconfigured","enabled":false,"log_format":"cef","skip_ssl_verification":false,"updated_at":"0001-01-01T00:00:0Z"}`,
			webhook.Config{LogFormat: webhook.CEF},
		},
		{
			"unconfigured, with the real zero time",
			`{"endpoint":"unconfigured","updated_at":"0001-01-01T00:00:00Z"}`,
			webhook.Config{LogFormat: webhook.CEF},
		},
		{
			"configured",
			`{"endpoint":"https://example.com/audit-logs","log_format":"json","enabled":true,"skip_ssl_verification":true,"updated_at":"2023-04-01T02:00:01+02:00"}`,
			webhook.Config{Endpoint: "https://example.com/audit-logs", LogFormat: webhook.JSON, Enabled: true, SkipSSLVerification: true, UpdatedAt: before()},
		},
		{
			"members and a format of tomorrow, and an authorization that has no business there",
			`{"log_format":"leef","regions":["eu"],"authorization":"Bearer x"}`,
			webhook.Config{LogFormat: "leef"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := configured()
			require.NoError(t, json.Unmarshal([]byte(c.json), &got))
			require.Empty(t, cmp.Diff(c.want, got))
			require.Equal(t, c.want.UpdatedAt, got.UpdatedAt, "in UTC")
		})
	}
}

func TestConfigUnmarshalErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, json, want string }{
		{"no object", `"unconfigured"`, "webhook: "},
		{"a string for a boolean", `{"enabled":"true"}`, "enabled"},
		{"no time", `{"updated_at":"yesterday"}`, "updated_at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := configured()
			require.ErrorContains(t, json.Unmarshal([]byte(c.json), &got), c.want)
			require.Empty(t, cmp.Diff(configured(), got))
		})
	}
}

func TestConfigured(t *testing.T) {
	t.Parallel()
	require.False(t, webhook.Config{}.Configured())
	require.True(t, configured().Configured())
}

func TestLogValueHidesTheEndpointsPath(t *testing.T) {
	t.Parallel()
	const endpoint = "https://collector.example.com:8443/receiver/v1/T0KEN?key=T0KEN"
	for _, c := range []struct {
		name  string
		value slog.LogValuer
		want  string
	}{
		{
			"config",
			webhook.Config{Endpoint: endpoint, Authorization: webhook.NewSecret("Bearer T0KEN"), Enabled: true, LogFormat: webhook.CEF, UpdatedAt: before()},
			`{"w":{"endpoint":"https://collector.example.com:8443","authorization":"[redacted]","enabled":true,"log_format":"cef","skip_ssl_verification":false,"updated_at":"2023-04-01T00:00:01Z"}}`,
		},
		{
			"unconfigured", webhook.Config{},
			`{"w":{"endpoint":"unconfigured","authorization":"","enabled":false,"log_format":"","skip_ssl_verification":false,"updated_at":"0001-01-01T00:00:00Z"}}`,
		},
		{
			"patch",
			webhook.Patch{
				Endpoint: webhook.Set(endpoint), Authorization: webhook.Set(webhook.NewSecret("Bearer T0KEN")), Enabled: webhook.Set(false),
				LogFormat: webhook.Set(webhook.JSON), SkipSSLVerification: webhook.Set(true),
			},
			`{"w":{"endpoint":"https://collector.example.com:8443","authorization":"[redacted]","enabled":false,"log_format":"json","skip_ssl_verification":true}}`,
		},
		{"one field", webhook.Patch{Enabled: webhook.Set(false)}, `{"w":{"enabled":false}}`},
		{"user information", webhook.Patch{Endpoint: webhook.Set("https://user:T0KEN@example.com/T0KEN")}, `{"w":{"endpoint":"https://example.com"}}`},
		{"no URL", webhook.Patch{Endpoint: webhook.Set("T0KEN")}, `{"w":{"endpoint":"invalid"}}`},
		{"no URL at all", webhook.Patch{Endpoint: webhook.Set("https://\x00T0KEN")}, `{"w":{"endpoint":"invalid"}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{
				ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
					if len(groups) == 0 && a.Key != "w" {
						return slog.Attr{}
					}
					return a
				},
			})).Info("x", "w", c.value)
			require.Equal(t, c.want+"\n", out.String())
		})
	}
}
