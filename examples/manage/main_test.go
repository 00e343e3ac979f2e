package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	destinationID = "07ec3858-066b-4629-bdc5-d4aa893b424d"
	portalID      = "9cb77dc2-ff99-4d47-84ab-7c5c1b3ef939"
	destination   = `{"id":"` + destinationID + `","name":"SIEM","endpoint":"https://siem.example.com/services/collector/raw","log_format":"cef"}`
	entry         = `{"type":"authorization","ts":"2023-03-21T09:29:14.52Z","signature":"MEUC","service":"s","resource":"krn:x","action":"list","granted":true,"org_id":"o","principal_id":"p"}`
)

// konnect answers calls, by method and path, with a document; what it has none
// for with 404. A document may be several, for one call after the other.
type konnect struct {
	*httptest.Server

	mu        sync.Mutex
	documents map[string][]string
	calls     []string
}

func newKonnect(t *testing.T, documents map[string][]string) *konnect {
	t.Helper()
	k := &konnect{documents: documents}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.mu.Lock()
		defer k.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		call := r.Method + " " + r.URL.Path
		k.calls = append(k.calls, strings.TrimSpace(call+" "+string(body)))
		answers := k.documents[call]
		if len(answers) == 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if len(answers) > 1 {
			k.documents[call] = answers[1:]
		}
		_, _ = io.WriteString(w, answers[0])
	}))
	t.Cleanup(k.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return k
}

// manage runs the program, with the server as its target.
func (k *konnect) manage(t *testing.T, args ...string) (out, report string, err error) {
	t.Helper()
	var stdout, stderr strings.Builder
	err = run(t.Context(), append([]string{"-target", k.URL, "-token", "kpat_example"}, args...), &stdout, &stderr)
	return stdout.String(), stderr.String(), err
}

func TestSetUp(t *testing.T) {
	t.Parallel()
	k := newKonnect(t, map[string][]string{
		"GET /v3/audit-log-destinations":  {`{"data":[],"meta":{"next":null}}`},
		"POST /v3/audit-log-destinations": {destination},
		"PATCH /v3/audit-log-webhook":     {`{"enabled":true}`},
	})
	out, report, err := k.manage(t, "set-up", "-name", "SIEM", "-preset", "splunk", "-endpoint", "https://siem.example.com/services/collector/raw", "-authorization", "Splunk example-token")
	require.NoError(t, err)
	require.Equal(t, destinationID+"\n", out)
	require.Contains(t, report, "note: Lines have whole seconds first")
	require.Contains(t, report, "the webhook sends to SIEM\n")
	require.NotContains(t, out+report, "example-token")
	require.Contains(t, k.calls, `POST /v3/audit-log-destinations {"name":"SIEM","endpoint":"https://siem.example.com/services/collector/raw","log_format":"cef","skip_ssl_verification":false,"authorization":"Splunk example-token"}`)
	require.Contains(t, k.calls, `PATCH /v3/audit-log-webhook {"audit_log_destination_id":"`+destinationID+`","enabled":true}`)
}

func TestStatus(t *testing.T) {
	t.Parallel()
	const document = `{"last_response_code":401,"last_response_message":"Unauthorized","webhook_enabled":true,"webhook_status":"inactive"}`
	for path, args := range map[string][]string{
		"/v2/audit-log-webhook/status":                          {"status"},
		"/v3/portals/" + portalID + "/audit-log-webhook/status": {"-portal", portalID, "status"},
	} {
		k := newKonnect(t, map[string][]string{"GET " + path: {document}})
		out, report, err := k.manage(t, args...)
		require.NoError(t, err)
		require.Equal(t, document+"\n", out)
		require.Equal(t, "The last delivery failed; sending is switched on and will be resumed.\nThe last answer: Unauthorized\n", report)
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	for path, args := range map[string][]string{
		"/v3/audit-log-replay-job":                          {"replay", "-from", "2h"},
		"/v3/portals/" + portalID + "/audit-log-replay-job": {"-portal", portalID, "replay", "-preset", "datadog", "-from", "36h", "-anyway"},
	} {
		k := newKonnect(t, map[string][]string{
			"PUT " + path: {`{"status":"accepted"}`},
			"GET " + path: {`{"status":"completed"}`},
		})
		out, report, err := k.manage(t, args...)
		require.NoError(t, err)
		require.Empty(t, out)
		require.Equal(t, "replay completed\n", report)
		require.Len(t, k.calls, 2)
	}
	k := newKonnect(t, map[string][]string{"PUT /v3/audit-log-replay-job": {`{}`}, "GET /v3/audit-log-replay-job": {`{"status":"failed"}`}})
	_, report, err := k.manage(t, "replay")
	require.ErrorIs(t, err, client.ErrReplayFailed)
	require.Equal(t, "replay failed\n", report)
}

func TestPull(t *testing.T) {
	t.Parallel()
	k := newKonnect(t, map[string][]string{"GET /v3/audit-logs": {
		`{"data":[` + entry + `],"meta":{"page":{"next":"/audit-logs?page[after]=c1"}}}`,
		`{"data":[` + entry + `],"meta":{"page":{"next":null}}}`,
	}})
	out, report, err := k.manage(t, "pull", "-format", "cef", "-from", "2023-03-21T00:00:00Z", "-to", "2023-03-22T00:00:00Z", "-type", "authorization")
	require.NoError(t, err)
	const line = "2023-03-21T09:29:14Z konghq.com CEF:0|KongInc|Konnect|1.0|s|Authz.krn:x|1|rt=1679390954520 src= action=list granted=true org_id=o principal_id=p trace_id= user_agent= unverified_signature=MEUC\n"
	require.Equal(t, line+line, out)
	require.Equal(t, "note: what is pulled cannot be verified; signatures stand under unverified_signature\n", report)

	k = newKonnect(t, map[string][]string{"GET /v3/audit-logs": {`{"data":[` + entry + `],"meta":{"page":{"next":"/audit-logs"}}}`}})
	out, _, err = k.manage(t, "pull")
	require.ErrorContains(t, err, "no cursor")
	require.Empty(t, out)

	k = newKonnect(t, map[string][]string{"GET /v3/audit-logs": {`{"data":[` + entry + `],"meta":{"page":{"next":"c1"}}}`}})
	out, _, err = k.manage(t, "pull")
	require.ErrorContains(t, err, "loop")
	require.Equal(t, 2, strings.Count(out, "\n"), "what came before is printed")
}

func TestTearDown(t *testing.T) {
	t.Parallel()
	k := newKonnect(t, map[string][]string{
		"GET /v3/audit-log-destinations":                     {`{"data":[` + destination + `],"meta":{"next":null}}`},
		"GET /v3/audit-log-webhook":                          {`{"audit_log_destination_id":"` + destinationID + `","enabled":true}`},
		"PATCH /v3/audit-log-webhook":                        {`{}`},
		"DELETE /v3/audit-log-webhook":                       {``},
		"DELETE /v3/audit-log-destinations/" + destinationID: {``},
	})
	_, report, err := k.manage(t, "tear-down", "-name", "SIEM")
	require.NoError(t, err)
	require.Equal(t, "nothing is sent to SIEM any more\n", report)
	require.Len(t, k.calls, 5)
}

// TestRefused shows what never reaches the server.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-token", "", "status"}, "client: the token is empty"},
		{[]string{"-token", "env:AUDITLOG_N0NE", "status"}, "-token: the environment variable is not set"},
		{[]string{"-target", "mars", "status"}, "neither a region"},
		{[]string{"-portal", "x", "status"}, "not a UUID"},
		{[]string{"set-up", "-authorization", "@/n0ne"}, "-authorization: the file cannot be read"},
		{[]string{"set-up", "-preset", "n0ne"}, "-preset is one of logscale, datadog"},
		{[]string{"set-up", "-preset", "splunk", "-authorization", "Bearer x", "-endpoint", "https://siem.example.com/"}, "Splunk Enterprise, HTTP Event Collector: webhook: authorization: must be the word Splunk"},
		{[]string{"set-up", "-preset", "sentinel"}, "put Logstash"},
		{[]string{"replay", "-from", "yesterday"}, "-from: neither a time"},
		{[]string{"replay", "-to", "-1h"}, "-to: neither a time"},
		{[]string{"replay", "-from", "200h"}, "must be within the last 7 days"},
		{[]string{"replay", "-from", "20h", "-preset", "datadog"}, "must not be more than 18 hours ago"},
		{[]string{"replay", "-preset", "n0ne"}, "-preset is one of"},
		{[]string{"pull", "-from", "x"}, "-from: neither a time"},
		{[]string{"pull", "-format", "xml"}, "-format is cef, json or cps"},
		{[]string{"-portal", portalID, "pull"}, "cannot be pulled"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			k := newKonnect(t, nil)
			out, _, err := k.manage(t, c.args...)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, out)
			require.Empty(t, k.calls)
		})
	}
}

func TestRefusedByTheServer(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"status"}, {"replay"}, {"pull"}, {"tear-down"}, {"set-up"}} {
		k := newKonnect(t, nil)
		_, _, err := k.manage(t, args...)
		require.ErrorIs(t, err, client.ErrNotFound, args)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args   []string
		err    error
		report string
	}{
		{nil, errUsage, "usage: manage -target REGION|URL"},
		{[]string{"-h"}, flag.ErrHelp, "tear-down  take the webhook off"},
		{[]string{"dance"}, errUsage, "usage: manage"},
		{[]string{"-x"}, errUsage, "flag provided but not defined"},
		{[]string{"status", "-x"}, errUsage, "flag provided but not defined"},
		{[]string{"replay", "-h"}, flag.ErrHelp, "how long ago"},
		{[]string{"status", "now"}, errUsage, "manage: status takes no arguments, only flags: now"},
	} {
		var out, report strings.Builder
		err := run(t.Context(), c.args, &out, &report)
		require.ErrorIs(t, err, c.err, "%q", c.args)
		require.Contains(t, report.String(), c.report)
		require.Empty(t, out.String())
	}
}

func TestPullStopsWhenNobodyReads(t *testing.T) {
	t.Parallel()
	k := newKonnect(t, map[string][]string{"GET /v3/audit-logs": {`{"data":[` + strings.Repeat(entry+",", 100) + entry + `],"meta":{"page":{"next":null}}}`}})
	broken := errors.New("broken pipe")
	err := run(context.Background(), []string{"-target", k.URL, "-token", "x", "pull"}, brokenWriter{broken}, io.Discard)
	require.ErrorIs(t, err, broken)
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestMoment(t *testing.T) {
	t.Parallel()
	p := &program{now: time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC)}
	at, err := p.moment("36h")
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 1, 7, 0, 0, 0, 0, time.UTC), at)
	at, err = p.moment("2026-01-08T00:00:00+02:00")
	require.NoError(t, err)
	require.True(t, at.Equal(time.Date(2026, 1, 7, 22, 0, 0, 0, time.UTC)))
}
