package konnecttest_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// TestGuideCommands runs the three commands of Konnect's set-up guide as it
// prints them, but for host and token, and expects the bodies that it prints.
func TestGuideCommands(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed, and the guide's commands need it", program)
		}
	}
	clock := newClock(time.Date(2023, 4, 1, 0, 0, 1, 0, time.UTC), 1)
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token", Hosts: []string{"example.com"}})
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{RootCAs: siem.RootCAs(), DialContext: siem.DialContext, Clock: clock})
	run := func(command, want string) {
		t.Helper()
		command = strings.NewReplacer(
			"https://{region}.api.konghq.com", konnect.URL(), "<personal-access-token>", konnect.Token(),
		).Replace(command)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command).Output()
		require.NoError(t, err)
		head, body, ok := strings.Cut(string(out), "\r\n\r\n")
		require.True(t, ok, "%s", out)
		require.Contains(t, head, "HTTP/1.1 200 OK\r\n")
		require.Contains(t, head, "Content-Type: application/json\r\n")
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, []byte(want)))
		require.Equal(t, compact.String(), withoutFractions(body))
	}
	const configured = `{
    "endpoint":"https://example.com/audit-logs",
    "log_format":"cef",
    "enabled":true,
    "skip_ssl_verification":false,
    "updated_at":"2023-04-01T00:00:01Z"
}`
	run(`curl -i -X PATCH https://{region}.api.konghq.com/v2/audit-log-webhook \
    --header "Content-Type: application/json" \
    --header "Authorization: Bearer <personal-access-token>" \
    --data '{
        "endpoint": "https://example.com/audit-logs",
        "enabled": true,
        "authorization": "Bearer example-token",
        "log_format": "cef"
    }'`, configured)

	clock.set(time.Date(2023, 4, 4, 18, 11, 16, 0, time.UTC))
	require.NoError(t, konnect.Record(t.Context(), konnecttest.Events(1, 3, clock.Now())...))
	require.NoError(t, konnect.Drain(t.Context()))
	require.Len(t, delivered(siem), 3)

	run(`curl -i -X GET https://{region}.api.konghq.com/v2/audit-log-webhook \
    --header "Authorization: Bearer <personal-access-token>"`, configured)
	run(`curl -i -X GET https://{region}.api.konghq.com/v2/audit-log-webhook/status \
    --header "Authorization: Bearer <personal-access-token>"`, `{
    "last_attempt_at": "2023-04-04T18:11:16Z",
    "last_response_code": 200,
    "webhook_enabled": true,
    "webhook_status": "active"
}`)
}
