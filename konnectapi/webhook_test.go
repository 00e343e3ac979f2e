package konnectapi_test

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	webhookV2  = "/v2/audit-log-webhook"
	configured = `{"endpoint":"` + endpointURL + `","authorization":"` + authorization + `","enabled":true,"log_format":"cef"}`
)

func TestWebhookV2(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		require.Equal(t,
			`{"endpoint":"unconfigured","log_format":"cef","enabled":false,"skip_ssl_verification":false,"updated_at":"0001-01-01T00:00:00Z"}`,
			s.do(call{method: http.MethodGet, path: webhookV2}).body)
		require.JSONEq(t, `{"webhook_enabled":false,"webhook_status":"unconfigured"}`,
			s.do(call{method: http.MethodGet, path: webhookV2 + "/status"}).body)

		want := `{"endpoint":"` + endpointURL + `","log_format":"cef","enabled":true,"skip_ssl_verification":false,"updated_at":"` +
			time.Now().UTC().Format(time.RFC3339Nano) + `"}`
		require.Equal(t, want, s.do(call{method: http.MethodPatch, path: webhookV2, body: configured}).body)
		require.Equal(t, want, s.do(call{method: http.MethodGet, path: webhookV2}).body)
		require.JSONEq(t, `{"webhook_enabled":true,"webhook_status":"active"}`,
			s.do(call{method: http.MethodGet, path: webhookV2 + "/status"}).body)

		pass(time.Second)
		require.JSONEq(t, `{"last_attempt_at":"`+time.Now().UTC().Format(time.RFC3339Nano)+
			`","last_response_code":200,"webhook_enabled":true,"webhook_status":"active"}`,
			s.do(call{method: http.MethodGet, path: "/v3/audit-log-webhook/status"}).body)
		auth, host := s.siem.last()
		require.Equal(t, authorization, auth)
		require.Equal(t, "siem.example.com", host)
	})
}

func TestUpdateWebhookV2(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		body   string
		code   int
		detail string
		wrong  []webhook.InvalidParameter // field and reason
	}{
		{name: "no body", code: 200},
		{name: "nothing", body: `{}`, code: 200},
		{name: "as Terraform does", body: `{"authorization":null,"enabled":false,"endpoint":null,"log_format":"cef","skip_ssl_verification":false}`, code: 200},
		{name: "off", body: `{"enabled":false}`, code: 200},
		{name: "no JSON", body: `x`, code: 400, detail: "Could not parse request body", wrong: []webhook.InvalidParameter{
			{Field: "body", Reason: "request format is invalid"},
		}},
		{name: "deep", body: `{"a":[[[[[[[[[]]]]]]]]]}`, code: 400, detail: "Invalid request body", wrong: []webhook.InvalidParameter{
			{Field: "a", Reason: "is not a known property"},
		}},
		{name: "read-only", body: `{"updated_at":"2023-04-01T00:00:01Z"}`, code: 400, detail: "Invalid request body", wrong: []webhook.InvalidParameter{
			{Field: "updated_at", Reason: "is not a known property"},
		}},
		{name: "twice", body: `{"enabled":false,"enabled":false}`, code: 400, detail: "Invalid request body", wrong: []webhook.InvalidParameter{
			{Field: "enabled", Reason: "must not be given twice"},
		}},
		{name: "wrong type", body: `{"enabled":"t0k-x"}`, code: 400, detail: "Invalid request body", wrong: []webhook.InvalidParameter{
			{Field: "enabled", Reason: "must be a boolean"},
		}},
		{name: "on without anything", body: `{"enabled":true}`, code: 400, detail: "Required field missing", wrong: []webhook.InvalidParameter{
			{Field: "authorization", Reason: "cannot be blank"}, {Field: "endpoint", Reason: "cannot be blank"},
		}},
		{name: "no URL", body: `{"endpoint":"t0k-x"}`, code: 400, detail: "Invalid endpoint", wrong: []webhook.InvalidParameter{
			{Field: "endpoint", Reason: "must be a valid URL"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			got := s.do(call{method: http.MethodPatch, path: webhookV2, body: test.body})
			require.Equal(t, test.code, got.code, got.body)
			if test.code == http.StatusOK {
				require.Contains(t, got.body, `"endpoint":"unconfigured"`)
				require.Empty(t, s.changes("acme"))
				return
			}
			p := s.requireProblem(got)
			require.Equal(t, "Bad Request", p.Title)
			require.Equal(t, test.detail, p.Detail)
			var wrong []webhook.InvalidParameter
			for _, w := range p.InvalidParameters {
				wrong = append(wrong, webhook.InvalidParameter{Field: w.Field, Reason: w.Reason})
			}
			require.Equal(t, test.wrong, wrong)
		})
	}
}

// A PATCH changes what it names.
func TestUpdateKeepsTheRest(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.ok(200, http.MethodPatch, webhookV2, configured)
	require.Equal(t, true, s.ok(200, http.MethodPatch, webhookV2, `{"log_format":"json","enabled":null}`)["enabled"])
	got := s.ok(200, http.MethodPatch, webhookV2, `{"enabled":false}`)
	require.Equal(t, "json", got["log_format"])
	require.Equal(t, endpointURL, got["endpoint"])
	require.Equal(t, []string{
		"admin update Authz.audit-log-webhook endpoint,authorization,enabled",
		"admin update Authz.audit-log-webhook log_format",
		"admin update Authz.audit-log-webhook enabled",
	}, s.changes("acme"))
}

// Of many PATCHes at the same time none loses what another has changed.
func TestConcurrentUpdates(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	bodies := []string{
		`{"endpoint":"https://siem.example.com/other"}`, `{"authorization":"Bearer other"}`, `{"log_format":"cps"}`, `{"skip_ssl_verification":true}`,
	}
	var calls sync.WaitGroup
	for _, body := range bodies {
		calls.Go(func() { s.do(call{method: http.MethodPatch, path: webhookV2, body: body}) })
	}
	calls.Wait()
	require.Len(t, s.changes("acme"), len(bodies))
	got := s.ok(200, http.MethodPatch, webhookV2, `{"enabled":true}`)
	require.Equal(t, "https://siem.example.com/other", got["endpoint"])
	require.Equal(t, "cps", got["log_format"])
	require.Equal(t, true, got["skip_ssl_verification"])
}

// The event of the change that switches a webhook off is sent before it stops.
func TestOffIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		s.ok(200, http.MethodPatch, webhookV2, configured)
		pass(time.Minute)
		s.ok(200, http.MethodPatch, webhookV2, `{"enabled":false}`)
		pass(time.Minute)
		all := s.siem.received()
		last := all[len(all)-1]
		require.Equal(t, "Authz.audit-log-webhook", last.Name)
		require.Equal(t, "enabled", text(last, "changed_fields"))
		require.Equal(t, "admin", text(last, "principal_id"))
		require.Equal(t, "acme", text(last, "org_id"))
		require.Equal(t, "192.0.2.1", text(last, "src")) // of httptest
		require.Equal(t, "auditlog", last.Vendor)
		require.JSONEq(t, `{"webhook_enabled":false,"webhook_status":"active"}`, withoutAttempt(s))
	})
}

// withoutAttempt returns the status without the last_* members.
func withoutAttempt(s *setup) string {
	got := s.ok(200, http.MethodGet, webhookV2+"/status", "")
	return `{"webhook_enabled":` + map[any]string{true: "true", false: "false"}[got["webhook_enabled"]] +
		`,"webhook_status":"` + got["webhook_status"].(string) + `"}`
}
