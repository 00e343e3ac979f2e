package konnectapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnectapi"
)

func replayOf(start, end time.Time) string {
	return fmt.Sprintf(`{"start_at":"%s","end_at":"%s"}`, start.UTC().Format(time.RFC3339Nano), end.UTC().Format(time.RFC3339Nano))
}

func TestReplay(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v2/audit-log-replay-job", "/v3/audit-log-replay-job", "/v2/portals/" + acmePortal + "/audit-log-replay-job", "/v3/portals/" + acmePortal + "/audit-log-replay-job"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t)
				require.Equal(t,
					`{"start_at":"0001-01-01T00:00:00Z","end_at":"0001-01-01T00:00:00Z","status":"unconfigured","updated_at":"0001-01-01T00:00:00Z"}`,
					s.do(call{method: http.MethodGet, path: path}).body)
				began := time.Now()
				bound := bindTo(s.create("one"), true)
				s.ok(200, http.MethodPatch, webhookV3, bound)
				s.ok(200, http.MethodPatch, portalWebhook, bound)
				pass(time.Minute)
				before := len(s.siem.received())

				s.siem.answer(http.StatusServiceUnavailable)
				now := time.Now()
				job := s.ok(http.StatusAccepted, http.MethodPut, path, replayOf(began, now))
				want := map[string]any{
					"start_at": began.UTC().Format(time.RFC3339Nano), "end_at": now.UTC().Format(time.RFC3339Nano),
					"status": "accepted", "updated_at": now.UTC().Format(time.RFC3339Nano),
				}
				require.Equal(t, want, job)
				pass(time.Second)
				require.Equal(t, "running", s.ok(200, http.MethodGet, path, "")["status"])
				p := s.refused(409, http.MethodPut, path, replayOf(began, now))
				require.Equal(t, "Resource Conflict", p.Title)
				require.Equal(t, "A replay job is currently running", p.Detail)
				s.siem.answer(0)
				pass(time.Minute)
				require.Equal(t, "completed", s.ok(200, http.MethodGet, path, "")["status"])
				all := s.siem.received()[before:]
				require.Len(t, all, 3) // the request for the job, what set the webhook up, and the request again
				for _, e := range all {
					require.Equal(t, konnectapi.EventService, e.ClassID)
				}
			})
		})
	}
}

func TestReplayRefused(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	now := time.Now()
	off := s.refused(400, http.MethodPut, "/v3/audit-log-replay-job", replayOf(now, now))
	require.Equal(t, "enabled", off.InvalidParameters[0].Field)
	s.ok(200, http.MethodPatch, webhookV2, configured)
	for _, test := range []struct{ name, body, field string }{
		{"no body", ``, "end_at"},
		{"null", `{"start_at":"2023-01-01T00:00:00Z","end_at":null}`, "end_at"},
		{"no time", `{"start_at":"t0k-x","end_at":"t0k-x"}`, "start_at"},
		{"long ago", replayOf(now.AddDate(0, 0, -8), now), "start_at"},
		{"in the future", replayOf(now, now.Add(time.Hour)), "end_at"},
		{"backwards", replayOf(now, now.Add(-time.Hour)), "end_at"},
		{"read-only", `{"status":"completed"}`, "status"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.field, s.refused(400, http.MethodPut, "/v3/audit-log-replay-job", test.body).InvalidParameters[0].Field)
		})
	}
}

// Ten requests at once, then one every six seconds, for each webhook.
func TestReplayRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		put := func(path string) answer { return s.do(call{method: http.MethodPut, path: path, body: `{}`}) }
		const own, portals = "/v3/audit-log-replay-job", "/v3/portals/" + acmePortal + "/audit-log-replay-job"
		for range 10 {
			require.Equal(t, 400, put(own).code)
		}
		got := put("/v2/audit-log-replay-job")
		require.Equal(t, http.StatusTooManyRequests, got.code)
		require.Equal(t, "6", got.header.Get("Retry-After"))
		require.Equal(t, 400, put(portals).code)
		pass(6 * time.Second)
		require.Equal(t, 400, put(own).code)
		require.Equal(t, http.StatusTooManyRequests, put(own).code)
		require.Equal(t, 200, s.do(call{method: http.MethodGet, path: own}).code)
	})
}

// A portal's webhook cannot be deleted while its job is running; that of the
// tenant can, and its job fails.
func TestDeleteWhileReplaying(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		began := time.Now()
		bound := bindTo(s.create("one"), true)
		for _, path := range []string{webhookV3, portalWebhook} {
			s.ok(200, http.MethodPatch, path, bound)
		}
		pass(time.Minute)
		s.siem.answer(http.StatusServiceUnavailable)
		for _, path := range []string{"/v3/audit-log-replay-job", "/v3/portals/" + acmePortal + "/audit-log-replay-job"} {
			s.ok(http.StatusAccepted, http.MethodPut, path, replayOf(began, time.Now()))
		}
		pass(time.Second)
		require.Equal(t, "A replay job is currently running", s.refused(409, http.MethodDelete, portalWebhook, "").Detail)
		s.ok(204, http.MethodDelete, webhookV3, "")
		pass(time.Second)
		require.Equal(t, "failed", s.ok(200, http.MethodGet, "/v3/audit-log-replay-job", "")["status"])
		s.siem.answer(0)
		pass(time.Minute)
		s.ok(204, http.MethodDelete, portalWebhook, "")
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	const set = `{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"1","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	for _, test := range []struct {
		name string
		keys []byte
		err  error
		code int
		want string
	}{
		{name: "none", code: 200, want: `{"keys":[]}`},
		{name: "keys", keys: []byte(set), code: 200, want: set},
		{name: "no JSON", keys: []byte("t0k-x"), code: 500},
		{name: "error", err: errors.New("the vault is locked"), code: 500},
		{name: "not available", err: konnectapi.ErrUnavailable, code: 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, func(c *konnectapi.Config) {
				if test.name != "none" {
					c.Keys = func(context.Context) ([]byte, error) { return test.keys, test.err }
				}
			})
			got := s.do(call{method: http.MethodGet, path: webhookV2 + "/jwks.json", token: "-"})
			require.Equal(t, test.code, got.code)
			require.NotContains(t, got.body, "vault")
			if test.code == 200 {
				require.Equal(t, test.want, got.body)
				require.Equal(t, "application/json", got.header.Get("Content-Type"))
			}
		})
	}
}
