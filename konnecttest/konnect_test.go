package konnecttest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const authorization = "Splunk 0f3c-secret"

// setup starts a SIEM and a Konnect that is configured to deliver to it.
func setup(t *testing.T) (*konnecttest.SIEM, *konnecttest.Konnect, *client.Client) {
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: authorization})
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{RootCAs: siem.RootCAs(), Clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}})
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

func TestShipInEachFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			siem, konnect, c := setup(t)
			_, err := c.Webhook.Update(t.Context(), webhook.Patch{LogFormat: webhook.Set(format)})
			require.NoError(t, err)
			events := konnecttest.Events(7, 1_200, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
			require.NoError(t, konnect.Ship(t.Context(), events...))
			got, err := siem.WaitEvents(t.Context(), len(events))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(events, got))

			requests := siem.Requests()
			require.Len(t, requests, 3, "batches of at most 500")
			for _, r := range requests {
				require.NoError(t, r.Err)
				require.Equal(t, []string{authorization}, r.Header["Authorization"])
				require.Equal(t, []string{"text/plain"}, r.Header["Content-Type"])
				require.Equal(t, "gzip", r.Header.Get("Content-Encoding"))
				require.Less(t, r.WireBytes, len(r.Body)/2)
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
		got, err := c.Webhook.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, got.LastAttemptAt.IsZero(), want.LastAttemptAt.IsZero())
		got.LastAttemptAt, want.LastAttemptAt = time.Time{}, time.Time{}
		require.Empty(t, cmp.Diff(want, got))
	}
	ever := time.Unix(1, 0)
	expect(status.Status{WebhookEnabled: true, WebhookStatus: status.Active})

	siem.Script(konnecttest.Step{Status: 500}, konnecttest.Step{Status: 429, Header: http.Header{"Retry-After": {"3"}}})
	require.NoError(t, konnect.Ship(t.Context(), events...))
	expect(status.Status{WebhookEnabled: true, WebhookStatus: status.Active, LastAttemptAt: ever, LastResponseCode: 200})
	require.Len(t, siem.Requests(), 3)

	siem.Otherwise(konnecttest.Step{Status: 503})
	err := konnect.Ship(t.Context(), events...)
	var failed *konnecttest.ShipError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 0, failed.Delivered)
	var cause *delivery.Error
	require.ErrorAs(t, err, &cause)
	require.Equal(t, delivery.ReasonExhausted, cause.Reason)
	expect(status.Status{WebhookEnabled: true, WebhookStatus: status.Inactive, LastAttemptAt: ever, LastResponseCode: 503, LastResponseMessage: "Service Unavailable"})

	_, err = c.Webhook.Update(t.Context(), webhook.Patch{Enabled: webhook.Set(false)})
	require.NoError(t, err)
	expect(status.Status{WebhookStatus: status.Inactive, LastAttemptAt: ever, LastResponseCode: 503, LastResponseMessage: "Service Unavailable"})
	require.ErrorIs(t, konnect.Ship(t.Context(), events...), konnecttest.ErrNotEnabled)

	_, err = c.Webhook.Update(t.Context(), webhook.Patch{Enabled: webhook.Set(true)})
	require.NoError(t, err)
	siem.Otherwise(konnecttest.Step{})
	require.NoError(t, konnect.Ship(t.Context(), events...))
	expect(status.Status{WebhookEnabled: true, WebhookStatus: status.Active, LastAttemptAt: ever, LastResponseCode: 200})

	siem.Close()
	require.Error(t, konnect.Ship(t.Context(), events...))
	got := konnect.Status()
	require.Equal(t, status.Inactive, got.WebhookStatus)
	require.Zero(t, got.LastResponseCode, "a connection error has no code")
	require.Contains(t, got.LastResponseMessage, "connection refused")
}

type cancelAtAttempt struct{ cancel context.CancelFunc }

func (h cancelAtAttempt) AttemptStarted(context.Context, delivery.Result) { h.cancel() }

func TestCancellationIsNoFailure(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{})
	siem.Otherwise(konnecttest.Step{Delay: konnecttest.Hang})
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{Token: "t", RootCAs: siem.RootCAs(), Hooks: []delivery.Hook{cancelAtAttempt{cancel}}})
	code, _, _ := call(t, konnect, "PATCH", "/v2/audit-log-webhook", "Bearer t", `{"endpoint":"`+siem.URL()+`","authorization":"x","enabled":true}`)
	require.Equal(t, 200, code)
	err := konnect.Ship(ctx, konnecttest.Events(1, 1, time.Unix(0, 0))...)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, status.Active, konnect.Status().WebhookStatus)
	require.Empty(t, siem.Events())
}

// The caller's own deadline says nothing about the endpoint.
func TestDeadlineIsNoFailure(t *testing.T) {
	t.Parallel()
	siem, konnect, _ := setup(t)
	siem.Otherwise(konnecttest.Step{Status: 500})
	ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond) // less than the first wait
	defer cancel()
	err := konnect.Ship(ctx, konnecttest.Events(1, 1, time.Unix(0, 0))...)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	got := konnect.Status()
	require.Equal(t, status.Active, got.WebhookStatus)
	require.Equal(t, 500, got.LastResponseCode)
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

func TestShipStopsAtAnEventThatCannotBeEncoded(t *testing.T) {
	t.Parallel()
	siem, konnect, _ := setup(t)
	events := konnecttest.Events(1, 3, time.Unix(0, 0))
	events[2].Attributes = append(events[2].Attributes, auditlog.String("not a key", "x"))
	err := konnect.Ship(t.Context(), events...)
	var failed *konnecttest.ShipError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, 2, failed.Delivered)
	require.ErrorContains(t, err, `2 events delivered, then: event 2: field "not a key"`)
	require.Len(t, siem.Events(), 2)
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
		{"no such method", "DELETE", "/v2/audit-log-webhook", "", 404, "Not Found"},
		{"huge body", "PATCH", "/v2/audit-log-webhook", strings.Repeat(" ", 2<<20), 413, "The request body is too large"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{Token: "kpat_t", Clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}})
			code, header, body := call(t, konnect, test.method, test.path, "Bearer kpat_t", test.body)
			require.Equal(t, test.status, code)
			if code == 200 {
				require.Equal(t, "application/json", header.Get("Content-Type"))
				require.Equal(t, test.want, body)
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
		for _, path := range []string{"/v2/audit-log-webhook", "/elsewhere"} {
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
	after.LogFormat = before.LogFormat
	require.Empty(t, cmp.Diff(before, after))
}

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
