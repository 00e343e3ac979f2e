package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const configured = `{"endpoint":"https://example.com/audit-logs","log_format":"cef","enabled":true,"skip_ssl_verification":false,"updated_at":"2023-04-01T00:00:01Z"}`

func configuredConfig() webhook.Config {
	return webhook.Config{
		Endpoint:  "https://example.com/audit-logs",
		Enabled:   true,
		LogFormat: webhook.CEF,
		UpdatedAt: time.Date(2023, time.April, 1, 0, 0, 1, 0, time.UTC),
	}
}

// requireRequest checks the one request that a server received.
func requireRequest(t *testing.T, got []request, method, uri, body string) {
	t.Helper()
	require.Len(t, got, 1)
	require.Equal(t, method, got[0].Method)
	require.Equal(t, uri, got[0].URI)
	require.Equal(t, body, got[0].Body)
	want := http.Header{
		"Accept":          {"application/json, application/problem+json"},
		"Accept-Encoding": {"gzip"},
		"Authorization":   {"Bearer " + token},
		"User-Agent":      {"auditlog-go"},
	}
	if body != "" {
		want.Set("Content-Type", "application/json")
	}
	got[0].Header.Del("Content-Length")
	require.Empty(t, cmp.Diff(want, got[0].Header))
}

func TestWebhookGet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       webhook.Config
	}{
		{"configured", configured, configuredConfig()},
		{
			"unconfigured, with the documented zero time",
			`{"endpoint":"unconfigured","log_format":"cef","enabled":false,"skip_ssl_verification":false,"updated_at":"0001-01-01T00:00:0Z"}`,
			webhook.Config{LogFormat: webhook.CEF},
		},
		{"members missing", `{"enabled":true}`, webhook.Config{Enabled: true, LogFormat: webhook.CEF}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, answer(http.StatusOK, c.body))
			got, err := api.client.Webhook.Get(t.Context())
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, got))
			requireRequest(t, api.requests(), "GET", "/v2/audit-log-webhook", "")
		})
	}
}

func TestWebhookUpdate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		patch webhook.Patch
		body  string
	}{
		{
			"set up",
			webhook.Patch{
				Endpoint:      webhook.Set("https://example.com/audit-logs"),
				Authorization: webhook.Set(webhook.NewSecret("Bearer example-token")),
				Enabled:       webhook.Set(true),
				LogFormat:     webhook.Set(webhook.CEF),
			},
			`{"endpoint":"https://example.com/audit-logs","enabled":true,"log_format":"cef","authorization":"Bearer example-token"}`,
		},
		{"another field leaves enabled alone", webhook.Patch{LogFormat: webhook.Set(webhook.JSON)}, `{"log_format":"json"}`},
		{"switching off", webhook.Patch{Enabled: webhook.Set(false)}, `{"enabled":false}`},
		{"a value that the server will refuse is the server's to judge", webhook.Patch{Endpoint: webhook.Set("")}, `{"endpoint":""}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, answer(http.StatusOK, configured))
			got, err := api.client.Webhook.Update(t.Context(), c.patch)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(configuredConfig(), got))
			requireRequest(t, api.requests(), "PATCH", "/v2/audit-log-webhook", c.body)
		})
	}
}

func TestWebhookUpdateOfNothingIsGet(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(http.StatusOK, configured))
	got, err := api.client.Webhook.Update(t.Context(), webhook.Patch{})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(configuredConfig(), got))
	requireRequest(t, api.requests(), "GET", "/v2/audit-log-webhook", "")
}

func TestWebhookStatus(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       status.Status
	}{
		{
			"active", `{"last_attempt_at":"2023-04-04T18:11:16Z","last_response_code":200,"webhook_enabled":true,"webhook_status":"active"}`,
			status.Status{
				LastAttemptAt:    time.Date(2023, time.April, 4, 18, 11, 16, 0, time.UTC),
				LastResponseCode: 200, WebhookEnabled: true, WebhookStatus: status.Active,
			},
		},
		{"unconfigured", `{"webhook_enabled":false,"webhook_status":"unconfigured"}`, status.Status{WebhookStatus: status.Unconfigured}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, answer(http.StatusOK, c.body))
			got, err := api.client.Webhook.Status(t.Context())
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.want, got))
			requireRequest(t, api.requests(), "GET", "/v2/audit-log-webhook/status", "")
		})
	}
}

// TestWebhookErrors shows that each call passes errors on, with a zero value.
func TestWebhookErrors(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(http.StatusForbidden, ``))

	config, err := api.client.Webhook.Get(t.Context())
	require.ErrorIs(t, err, client.ErrForbidden)
	require.Empty(t, cmp.Diff(webhook.Config{}, config))

	config, err = api.client.Webhook.Update(t.Context(), webhook.Patch{Enabled: webhook.Set(false)})
	require.ErrorIs(t, err, client.ErrForbidden)
	require.Empty(t, cmp.Diff(webhook.Config{}, config))

	document, err := api.client.Webhook.Status(t.Context())
	require.ErrorIs(t, err, client.ErrForbidden)
	require.Zero(t, document)
}
