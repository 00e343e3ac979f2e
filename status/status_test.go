package status_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/status"
)

func TestStatusJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		status status.Status
		want   string
	}{
		{
			"before the first attempt",
			status.Status{WebhookEnabled: true, WebhookStatus: status.Active},
			`{"webhook_enabled":true,"webhook_status":"active"}`,
		},
		{
			"after a success",
			status.Status{
				LastAttemptAt: time.Date(2023, 4, 4, 18, 11, 16, 0, time.UTC), LastResponseCode: 200,
				WebhookEnabled: true, WebhookStatus: status.Active,
			},
			`{"last_attempt_at":"2023-04-04T18:11:16Z","last_response_code":200,"webhook_enabled":true,"webhook_status":"active"}`,
		},
		{
			"after a refusal",
			status.Status{
				LastAttemptAt: time.Date(2023, 3, 21, 9, 29, 14, 520e6, time.UTC), LastResponseCode: 401,
				LastResponseMessage: "Unauthorized", WebhookEnabled: true, WebhookStatus: status.Inactive,
			},
			`{"last_attempt_at":"2023-03-21T09:29:14.52Z","last_response_code":401,"last_response_message":"Unauthorized",` +
				`"webhook_enabled":true,"webhook_status":"inactive"}`,
		},
		{
			"after no answer",
			status.Status{
				LastAttemptAt: time.Date(2023, 3, 21, 9, 29, 14, 0, time.UTC), LastResponseMessage: "connection refused",
				WebhookStatus: status.Inactive,
			},
			`{"last_attempt_at":"2023-03-21T09:29:14Z","last_response_message":"connection refused",` +
				`"webhook_enabled":false,"webhook_status":"inactive"}`,
		},
		{
			"unconfigured",
			status.State{}.Status(),
			`{"webhook_enabled":false,"webhook_status":"unconfigured"}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(c.status)
			require.NoError(t, err)
			require.Equal(t, c.want, string(data))

			var back status.Status
			require.NoError(t, json.Unmarshal(data, &back))
			require.Empty(t, cmp.Diff(c.status, back))
		})
	}
}

func TestStatusJSONIsUTC(t *testing.T) {
	t.Parallel()
	local := time.Date(2023, 4, 4, 20, 11, 16, 0, time.FixedZone("CEST", 2*3600))
	data, err := json.Marshal(status.Status{LastAttemptAt: local, WebhookStatus: status.Active})
	require.NoError(t, err)
	require.Equal(t, `{"last_attempt_at":"2023-04-04T18:11:16Z","webhook_enabled":false,"webhook_status":"active"}`, string(data))
}

func TestStatusJSONUnwritableTime(t *testing.T) {
	t.Parallel()
	_, err := json.Marshal(status.Status{LastAttemptAt: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)})
	require.Error(t, err)
}

func TestStatusUnmarshal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, json string
		want       status.Status
	}{
		{"nothing", `{}`, status.Status{}},
		{"null members", `{"last_attempt_at":null,"last_response_code":null,"webhook_status":null}`, status.Status{}},
		{"the documented zero time", `{"last_attempt_at":"0001-01-01T00:00:0Z"}`, status.Status{}},
		{"the real zero time", `{"last_attempt_at":"0001-01-01T00:00:00Z"}`, status.Status{}},
		{"an offset", `{"last_attempt_at":"2023-04-04T20:11:16+02:00"}`, status.Status{LastAttemptAt: time.Date(2023, 4, 4, 18, 11, 16, 0, time.UTC)}},
		{"an unknown member", `{"webhook_enabled":true,"since":1}`, status.Status{WebhookEnabled: true}},
		{"a condition of tomorrow", `{"webhook_status":"paused"}`, status.Status{WebhookStatus: "paused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := status.Status{LastResponseCode: 500, LastResponseMessage: "of before"}
			require.NoError(t, json.Unmarshal([]byte(c.json), &got))
			require.Equal(t, c.want, got)
		})
	}
}

func TestStatusUnmarshalErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, json, want string }{
		{"no time", `{"last_attempt_at":"yesterday"}`, "last_attempt_at"},
		{"a number for a time", `{"last_attempt_at":1680631876}`, "last_attempt_at"},
		{"a string for a code", `{"last_response_code":"200"}`, "last_response_code"},
		{"no object", `["active"]`, "status: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := status.Status{WebhookEnabled: true, WebhookStatus: status.Active}
			got := before
			require.ErrorContains(t, json.Unmarshal([]byte(c.json), &got), c.want)
			require.Equal(t, before, got)
		})
	}
}

func TestMeaning(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		enabled bool
		status  status.Condition
		want    string
	}{
		{true, status.Active, "Ready to send events: no attempt has been made yet, or the last delivery succeeded."},
		{true, status.Inactive, "The last delivery failed; sending is switched on and will be resumed."},
		{false, status.Active, "The configuration is saved, but sending is switched off."},
		{false, status.Inactive, "The last delivery failed, and sending is switched off."},
		{false, status.Unconfigured, "No webhook has been configured yet."},
		{true, status.Unconfigured, `Unknown status: enabled true, status "unconfigured".`},
		{false, "paused\x1b[31m", `Unknown status: enabled false, status "paused\x1b[31m".`},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, status.Status{WebhookEnabled: c.enabled, WebhookStatus: c.status}.Meaning())
		})
	}
}
