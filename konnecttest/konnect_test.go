package konnecttest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const authorization = "Splunk 0f3c-secret"

// setup starts a SIEM and a Konnect that is configured to deliver to it.
func setup(t *testing.T) (*konnecttest.SIEM, *konnecttest.Konnect, *client.Client) {
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: authorization})
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{RootCAs: siem.RootCAs(), Clock: newClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 100)})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(konnect.URL(), konnect.Token(), client.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	_, err = c.Webhook.Update(t.Context(), webhook.Patch{
		Endpoint: webhook.Set(siem.URL()), Authorization: webhook.Set(webhook.NewSecret(authorization)), Enabled: webhook.Set(true),
	})
	require.NoError(t, err)
	return siem, konnect, c
}

func TestRecordInEachFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			siem, konnect, c := setup(t)
			_, err := c.Webhook.Update(t.Context(), webhook.Patch{LogFormat: webhook.Set(format)})
			require.NoError(t, err)
			events := konnecttest.Events(7, 1_200, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			require.NoError(t, konnect.Record(t.Context(), events...))
			require.NoError(t, konnect.Drain(t.Context()))
			require.Empty(t, cmp.Diff(events, delivered(siem)))

			for _, r := range siem.Requests() {
				require.LessOrEqual(t, len(r.Lines), 500)
				if len(withoutChanges(slices.Clone(r.Events))) == 0 {
					continue // of the set-up, before the format was changed
				}
				require.NoError(t, r.Err)
				require.Equal(t, []string{authorization}, r.Header["Authorization"])
				require.Equal(t, []string{"text/plain"}, r.Header["Content-Type"])
				require.Equal(t, "gzip", r.Header.Get("Content-Encoding"))
				require.NotEmpty(t, r.BatchID())
				require.Equal(t, auditlog.Format(format), auditlog.Detect(r.Body))
			}
		})
	}
}

// The status through an outage: what is configured, what the attempts were, and
// what becomes of the condition.
func TestStatusFollowsDeliveries(t *testing.T) {
	t.Parallel()
	siem, konnect, c := setup(t)
	events := konnecttest.Events(1, 10, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	expect := func(want status.Status) {
		t.Helper()
		require.Eventually(t, func() bool {
			got, err := c.Webhook.Status(t.Context())
			require.NoError(t, err)
			attempted := !got.LastAttemptAt.IsZero()
			got.LastAttemptAt = time.Time{}
			return attempted && got == want
		}, time.Minute, 5*time.Millisecond)
	}
	require.NoError(t, konnect.Drain(t.Context())) // the event of the set-up
	siem.Script(konnecttest.Step{Status: 500}, konnecttest.Step{Status: 429, Header: http.Header{"Retry-After": {"3"}}})
	require.NoError(t, konnect.Record(t.Context(), events...))
	require.NoError(t, konnect.Drain(t.Context()))
	expect(status.Status{WebhookEnabled: true, WebhookStatus: status.Active, LastResponseCode: 200})

	siem.Otherwise(konnecttest.Step{Status: 503})
	require.NoError(t, konnect.Record(t.Context(), events...))
	expect(status.Status{WebhookEnabled: true, WebhookStatus: status.Inactive, LastResponseCode: 503, LastResponseMessage: "Service Unavailable"})

	_, err := c.Webhook.Update(t.Context(), webhook.Patch{Enabled: webhook.Set(false)})
	require.NoError(t, err)
	expect(status.Status{WebhookStatus: status.Inactive, LastResponseCode: 503, LastResponseMessage: "Service Unavailable"})

	siem.Otherwise(konnecttest.Step{})
	_, err = c.Webhook.Update(t.Context(), webhook.Patch{Enabled: webhook.Set(true)})
	require.NoError(t, err)
	require.NoError(t, konnect.Drain(t.Context()))
	expect(status.Status{WebhookEnabled: true, WebhookStatus: status.Active, LastResponseCode: 200})
	require.Len(t, delivered(siem), 20)

	siem.Close()
	require.NoError(t, konnect.Record(t.Context(), events...))
	require.Eventually(t, func() bool { return konnect.Status().WebhookStatus == status.Inactive }, time.Minute, 5*time.Millisecond)
	got := konnect.Status()
	require.Zero(t, got.LastResponseCode, "a connection error has no code")
	require.Contains(t, got.LastResponseMessage, "connection refused")
}

// delivered returns the events that the SIEM has taken, those of a batch once: an
// attempt that a change or its timeout broke off may have been taken all the same.
func delivered(siem *konnecttest.SIEM) []auditlog.Event {
	var all []auditlog.Event
	seen := map[string]bool{}
	for _, r := range siem.Requests() {
		if r.Taken && !seen[r.BatchID()] {
			seen[r.BatchID()] = true
			all = append(all, r.Events...)
		}
	}
	return withoutChanges(all)
}

// withoutChanges leaves out the events that tell of changes of the webhook.
func withoutChanges(all []auditlog.Event) []auditlog.Event {
	return slices.DeleteFunc(all, func(e auditlog.Event) bool { return e.ClassID == konnectapi.EventService })
}

// The API fails as it is told to, and keeps what it was asked.
func TestAPIScript(t *testing.T) {
	t.Parallel()
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{Token: "t"})
	konnect.Script(
		konnecttest.Step{Status: 500},
		konnecttest.Step{Status: 429, Header: http.Header{"Retry-After": {"7"}}, Body: "slow down"},
		konnecttest.Step{Delay: time.Millisecond},
		konnecttest.Step{Status: 400},
	)
	patch := func() (int, http.Header, string) {
		return call(t, konnect, "PATCH", "/v2/audit-log-webhook?x=1", "Bearer t", `{"enabled":false}`)
	}
	code, header, body := patch()
	require.Equal(t, 500, code)
	require.Equal(t, webhook.ProblemMediaType, header.Get("Content-Type"))
	require.Contains(t, body, `"title":"Internal Server Error"`)
	code, header, body = patch()
	require.Equal(t, []any{429, "7", "slow down"}, []any{code, header.Get("Retry-After"), body})
	code, _, _ = patch()
	require.Equal(t, 200, code)
	code, _, body = patch()
	require.Equal(t, 400, code)
	require.Contains(t, body, `"invalid_parameters"`)
	konnect.Otherwise(konnecttest.Step{Status: 403})
	for range 2 {
		code, _, _ = patch()
		require.Equal(t, 403, code)
	}
	var got []int
	for i, r := range konnect.Requests() {
		require.Equal(t, "PATCH /v2/audit-log-webhook?x=1", r.Method+" "+r.Path)
		require.Equal(t, `{"enabled":false}`, string(r.Body))
		require.Equal(t, "Bearer t", r.Header.Get("Authorization"))
		require.Equal(t, i != 2, r.Scripted)
		got = append(got, r.Status)
	}
	require.Equal(t, []int{500, 429, 200, 400, 403, 403}, got)

	konnect.Otherwise(konnecttest.Step{Break: konnecttest.BreakAfterReading})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, konnect.URL(), nil)
	require.NoError(t, err)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err == nil {
		require.NoError(t, resp.Body.Close())
	}
	require.Error(t, err)
	require.Panics(t, func() { konnect.Script(konnecttest.Step{Status: 99}) })
	require.Panics(t, func() { konnect.Otherwise(konnecttest.Step{Status: 600}) })
}

// Portals have webhooks of their own.
func TestPortals(t *testing.T) {
	t.Parallel()
	const portal = "3E5714BE-12fa-44b1-b74a-7eafb2d8d9d6"
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{})
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{Token: "t", Portals: []string{portal}, RootCAs: siem.RootCAs()})
	_, _, body := call(t, konnect, "POST", "/v3/audit-log-destinations", "Bearer t", `{"name":"SIEM","endpoint":"`+siem.URL()+`","authorization":"x","log_format":"json"}`)
	var made struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	path := "/v3/portals/" + strings.ToLower(portal) + "/audit-log-webhook"
	code, _, _ := call(t, konnect, "PATCH", path, "Bearer t", `{"audit_log_destination_id":"`+made.ID+`","enabled":true}`)
	require.Equal(t, 200, code)
	code, _, _ = call(t, konnect, "GET", strings.Replace(path, "3e", "4e", 1), "Bearer t", "")
	require.Equal(t, 404, code)

	events := konnecttest.Events(1, 3, time.Unix(1_750_000_000, 0))
	require.NoError(t, konnect.Shipper().Record(t.Context(), konnect.WebhookID(portal), events...))
	require.NoError(t, konnect.Shipper().Drain(t.Context(), konnect.WebhookID(portal)))
	require.Len(t, delivered(siem), 3)
	require.Equal(t, status.Unconfigured, konnect.Status().WebhookStatus)
}

func TestCloseDoesNotWaitForHalfARequest(t *testing.T) {
	t.Parallel()
	konnect, err := konnecttest.StartKonnect(konnecttest.KonnectConfig{Token: "t"})
	require.NoError(t, err)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(konnect.URL(), "http://"))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = io.WriteString(conn, "PATCH /v2/audit-log-webhook HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{")
	require.NoError(t, err)
	_, err = bufio.NewReader(conn).ReadString('\n') // 100 Continue: the body is being read
	require.NoError(t, err)
	konnect.Close()
}

func TestRecordRefuses(t *testing.T) {
	t.Parallel()
	_, konnect, _ := setup(t)
	events := konnecttest.Events(1, 3, time.Unix(0, 0))
	events[2].Attributes = append(events[2].Attributes, auditlog.String("not a key", "x"))
	require.ErrorContains(t, konnect.Record(t.Context(), events...), `event 2: field "not a key"`)

	unconfigured := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{})
	require.ErrorIs(t, unconfigured.Record(t.Context(), events[0]), shipper.ErrUnconfigured)
}

func TestManagementAPI(t *testing.T) {
	t.Parallel()
	const unconfigured = `{"endpoint":"unconfigured","log_format":"cef","enabled":false,"skip_ssl_verification":false,"updated_at":"0001-01-01T00:00:00Z"}`
	valid := func(more string) string {
		return `{"endpoint":"https://siem.example.com/x","authorization":"Bearer t","enabled":true` + more + `}`
	}
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		want                     string // the body, or the problem's detail, field and reason
	}{
		{"get before the first set-up", "GET", "/v2/audit-log-webhook", "", 200, unconfigured},
		{"status before the first set-up", "GET", "/v2/audit-log-webhook/status", "", 200, `{"webhook_enabled":false,"webhook_status":"unconfigured"}`},
		{"switch off before the first set-up", "PATCH", "/v2/audit-log-webhook", `{"enabled":false}`, 200, unconfigured},
		{"nothing", "PATCH", "/v2/audit-log-webhook", ``, 200, unconfigured},
		{"nulls", "PATCH", "/v2/audit-log-webhook", `{"authorization":null,"enabled":null,"endpoint":null,"log_format":null,"skip_ssl_verification":null}`, 200, unconfigured},
		{"set up", "PATCH", "/v2/audit-log-webhook", valid(""), 200, `{"endpoint":"https://siem.example.com/x","log_format":"cef","enabled":true,"skip_ssl_verification":false,"updated_at":"2026-01-02T03:04:05Z"}`},
		{"set up in full", "PATCH", "/v2/audit-log-webhook", valid(`,"log_format":"cps","skip_ssl_verification":true`), 200, `{"endpoint":"https://siem.example.com/x","log_format":"cps","enabled":true,"skip_ssl_verification":true,"updated_at":"2026-01-02T03:04:05Z"}`},
		{"no JSON", "PATCH", "/v2/audit-log-webhook", `{`, 400, "Could not parse request body: body: request format is invalid"},
		{"enable without endpoint", "PATCH", "/v2/audit-log-webhook", `{"authorization":"Bearer t","enabled":true}`, 400, "Required field missing: endpoint: cannot be blank"},
		{"enable without authorization", "PATCH", "/v2/audit-log-webhook", `{"endpoint":"https://siem.example.com","enabled":true}`, 400, "Required field missing: authorization: cannot be blank"},
		{"blank authorization", "PATCH", "/v2/audit-log-webhook", `{"authorization":""}`, 400, "Required field missing: authorization: cannot be blank"},
		{"endpoint is no URL", "PATCH", "/v2/audit-log-webhook", `{"endpoint":"siem"}`, 400, "Invalid endpoint: endpoint: must be a valid URL"},
		{"unknown path", "GET", "/v2/audit-log", "", 404, "Not Found"},
		{"no such method", "DELETE", "/v2/audit-log-webhook", "", 405, "Method Not Allowed"},
		{"huge body", "PATCH", "/v2/audit-log-webhook", strings.Repeat(" ", 2<<20), 413, "The request body is too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{Token: "kpat_t", Clock: newClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 1)})
			code, header, body := call(t, konnect, test.method, test.path, "Bearer kpat_t", test.body)
			require.Equal(t, test.status, code)
			if code == 200 {
				require.Equal(t, "application/json", header.Get("Content-Type"))
				require.Equal(t, test.want, withoutFractions(body))
				return
			}
			require.Equal(t, "application/problem+json", header.Get("Content-Type"))
			var p webhook.Problem
			require.NoError(t, json.Unmarshal([]byte(body), &p))
			require.Equal(t, code, p.Status)
			require.Equal(t, http.StatusText(code), p.Title)
			require.Regexp(t, `^konnect:trace:\d+$`, p.Instance)
			got := p.Detail
			for _, i := range p.InvalidParameters {
				got += fmt.Sprintf(": %s: %s", i.Field, i.Reason)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{})
	require.Greater(t, len(konnect.Token()), 20)
	for _, given := range []string{"", "Bearer ", "Bearer x", konnect.Token(), "Basic " + konnect.Token()} {
		for _, path := range []string{"/v2/audit-log-webhook", "/v3/audit-logs"} {
			code, header, body := call(t, konnect, "GET", path, given, "")
			require.Equal(t, 401, code)
			require.Equal(t, "application/problem+json", header.Get("Content-Type"))
			require.Contains(t, body, `"detail":"Unauthorized"`)
		}
	}
}

func TestPatchKeepsWhatItDoesNotName(t *testing.T) {
	t.Parallel()
	_, konnect, c := setup(t)
	before := konnect.Webhook()
	_, err := c.Webhook.Update(t.Context(), webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
	require.NoError(t, err)
	after := konnect.Webhook()
	require.Equal(t, webhook.JSON, after.LogFormat)
	after.LogFormat, after.UpdatedAt = before.LogFormat, before.UpdatedAt
	require.Empty(t, cmp.Diff(before, after))
}

var fraction = regexp.MustCompile(`\.\d+Z`)

// withoutFractions cuts times to seconds: the clock does not stand still.
func withoutFractions(body string) string { return fraction.ReplaceAllString(body, "Z") }

func call(t *testing.T, k *konnecttest.Konnect, method, path, token, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, k.URL()+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, resp.Header, string(got)
}
