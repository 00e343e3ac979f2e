package konnectapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	webhookV3     = "/v3/audit-log-webhook"
	portalWebhook = "/v3/portals/" + acmePortal + "/audit-log-webhook"
	portalStream  = "portal " + acmePortal
)

func bindTo(id string, enabled bool) string {
	return fmt.Sprintf(`{"audit_log_destination_id":"%s","enabled":%t}`, id, enabled)
}

// One webhook in two views, from its binding to its removal.
func TestTwoViews(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		require.Equal(t, "Not Found", s.refused(404, http.MethodGet, webhookV3, "").Detail)
		one, two := s.create("one"), s.create("two")
		bound := map[string]any{"audit_log_destination_id": one, "enabled": false}
		require.Equal(t, bound, s.ok(200, http.MethodPatch, webhookV3, `{"audit_log_destination_id":"`+strings.ToUpper(one)+`"}`))
		require.Equal(t, bound, s.ok(200, http.MethodGet, webhookV3, ""))
		bound["enabled"] = true
		require.Equal(t, bound, s.ok(200, http.MethodPatch, webhookV3, `{"enabled":true}`))
		require.Equal(t, bound, s.ok(200, http.MethodPatch, webhookV3, `{}`))

		v2 := s.ok(200, http.MethodGet, webhookV2, "")
		require.Equal(t, endpointURL, v2["endpoint"])
		require.Equal(t, "json", v2["log_format"])
		require.Equal(t, true, v2["enabled"])
		pass(time.Minute)
		require.Equal(t, "Authz.audit-log-webhook", s.siem.received()[0].Name)

		// What version 2 switches stays bound.
		s.ok(200, http.MethodPatch, webhookV2, `{"enabled":false}`)
		bound["enabled"] = false
		require.Equal(t, bound, s.ok(200, http.MethodGet, webhookV3, ""))
		// So does what version 2 sets to what it is.
		s.ok(200, http.MethodPatch, webhookV2, `{"authorization":null,"enabled":true,"endpoint":"`+endpointURL+`","log_format":"json","skip_ssl_verification":false}`)
		bound["enabled"] = true
		require.Equal(t, bound, s.ok(200, http.MethodGet, webhookV3, ""))
		// Another destination.
		bound["audit_log_destination_id"] = two
		require.Equal(t, bound, s.ok(200, http.MethodPatch, webhookV3, bindTo(two, true)))

		s.ok(204, http.MethodDelete, webhookV3, "")
		s.refused(404, http.MethodGet, webhookV3, "")
		s.refused(404, http.MethodDelete, webhookV3, "")
		require.Equal(t, "unconfigured", s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
		require.Equal(t, "unconfigured", s.ok(200, http.MethodGet, webhookV3+"/status", "")["webhook_status"])
		require.Equal(t, []string{
			"admin update Authz.audit-log-webhook audit_log_destination_id",
			"admin update Authz.audit-log-webhook enabled",
			"admin update Authz.audit-log-webhook enabled",
			"admin update Authz.audit-log-webhook enabled",
			"admin update Authz.audit-log-webhook audit_log_destination_id",
			"admin delete Authz.audit-log-webhook ",
		}, s.changes("acme"))
	})
}

// A change in version 2 of what the destination says takes the webhook off it,
// and the destination stays as it is.
func TestDetach(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"endpoint":"https://other.example.com"}`, `{"authorization":"Bearer other"}`, `{"log_format":"cps"}`, `{"skip_ssl_verification":true}`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			id := s.create("one")
			s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
			before := s.ok(200, http.MethodGet, destinationsV3+"/"+id, "")
			detached := s.ok(200, http.MethodPatch, webhookV2, body)
			require.Equal(t, true, detached["enabled"])
			require.Equal(t, before, s.ok(200, http.MethodGet, destinationsV3+"/"+id, ""))
			s.refused(404, http.MethodGet, webhookV3, "")
			s.refused(404, http.MethodPatch, webhookV3, `{"enabled":false}`)
			s.refused(404, http.MethodDelete, webhookV3, "")
			require.Equal(t, detached, s.ok(200, http.MethodGet, webhookV2, ""))

			// The destination has no say any more, and can go.
			s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"endpoint":"https://third.example.com"}`)
			require.Equal(t, detached, s.ok(200, http.MethodGet, webhookV2, ""))
			s.ok(204, http.MethodDelete, destinationsV3+"/"+id, "")
		})
	}
}

func TestUpdateBindingRefused(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	foreign := s.do(call{method: http.MethodPost, path: destinationsV3, body: newDestination("theirs"), token: "other-admin"})
	require.Equal(t, http.StatusCreated, foreign.code)
	theirs := strings.Split(foreign.body, `"`)[3]
	for _, test := range []struct {
		name, path, body string
		code             int
		field, detail    string
	}{
		{"no id", webhookV3, `{"audit_log_destination_id":"t0k-x"}`, 400, "audit_log_destination_id", "Could not parse destination id"},
		{"empty id", webhookV3, `{"audit_log_destination_id":""}`, 400, "audit_log_destination_id", "Could not parse destination id"},
		{"unknown", webhookV3, bindTo(nobody, true), 404, "", "Not Found"},
		{"another tenant's", webhookV3, bindTo(theirs, true), 404, "", "Not Found"},
		{"on without a destination", webhookV3, `{"enabled":true}`, 400, "audit_log_destination_id", "Required field missing"},
		{"off without a destination", webhookV3, `{"enabled":false}`, 404, "", "Not Found"},
		{"nothing", webhookV3, ``, 404, "", "Not Found"},
		{"unknown member", webhookV3, `{"endpoint":"https://x.example"}`, 400, "endpoint", "Invalid request body"},
		{"type", webhookV3, `{"enabled":1}`, 400, "enabled", "Invalid request body"},
		{"portal: on without a destination", portalWebhook, `{"enabled":true}`, 400, "audit_log_destination_id", "Required field missing"},
		{"portal: another tenant's", portalWebhook, bindTo(theirs, true), 404, "", "Not Found"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := s.refused(test.code, http.MethodPatch, test.path, test.body)
			require.Equal(t, test.detail, p.Detail)
			if test.field != "" {
				require.Equal(t, test.field, p.InvalidParameters[0].Field)
			}
		})
	}
	// What is unconfigured can be switched off.
	require.Equal(t, map[string]any{"enabled": false}, s.ok(200, http.MethodPatch, portalWebhook, `{"audit_log_destination_id":null,"enabled":false}`))
	require.Empty(t, s.changes("acme"))
	require.Empty(t, s.changes(portalStream))
}

func TestPortals(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	id := s.create("one")
	for _, version := range []string{"/v2", "/v3"} {
		path := version + "/portals/" + strings.ToUpper(acmePortal) + "/audit-log-webhook"
		s.refused(404, http.MethodGet, path, "")
		require.Equal(t, "unconfigured", s.ok(200, http.MethodGet, path+"/status", "")["webhook_status"])
		want := map[string]any{"audit_log_destination_id": id, "enabled": true}
		require.Equal(t, want, s.ok(200, http.MethodPatch, path, bindTo(id, true)))
		require.Equal(t, want, s.ok(200, http.MethodGet, path, ""))
		require.Equal(t, "active", s.ok(200, http.MethodGet, path+"/status", "")["webhook_status"])
		s.refused(404, http.MethodGet, webhookV3, "") // that of the tenant itself
		s.ok(204, http.MethodDelete, path, "")
	}
	told := s.recorded(portalStream)
	require.Len(t, told, 4)
	require.Equal(t, acmePortal, text(told[0], "portal_id"))
	require.Equal(t, id, text(told[0], "audit_log_destination_id"))

	for _, unknown := range []string{otherPortal, nobody, "x", "{portal}"} {
		for _, c := range []call{
			{method: http.MethodGet, path: "/v3/portals/" + unknown + "/audit-log-webhook"},
			{method: http.MethodPatch, path: "/v3/portals/" + unknown + "/audit-log-webhook", body: bindTo(id, true)},
			{method: http.MethodDelete, path: "/v3/portals/" + unknown + "/audit-log-webhook"},
			{method: http.MethodGet, path: "/v3/portals/" + unknown + "/audit-log-webhook/status"},
		} {
			require.Equal(t, 404, s.do(c).code)
		}
	}
}

// Portals that nobody can be asked about, and a service without portals.
func TestPortalErrors(t *testing.T) {
	t.Parallel()
	for code, lookup := range map[int]func(context.Context, konnectapi.Caller, string) (string, error){
		404: nil,
		503: func(context.Context, konnectapi.Caller, string) (string, error) { return "", konnectapi.ErrUnavailable },
		500: func(context.Context, konnectapi.Caller, string) (string, error) { return "", errors.New("broken") },
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, func(c *konnectapi.Config) { c.Portal = lookup })
			s.refused(code, http.MethodGet, portalWebhook, "")
		})
	}
}

// What a destination becomes, all its webhooks become.
func TestSharedDestination(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		one, two := s.create("one"), s.create("two")
		s.ok(200, http.MethodPatch, webhookV3, bindTo(one, true))
		s.ok(200, http.MethodPatch, portalWebhook, bindTo(two, false))
		s.ok(200, http.MethodPatch, portalWebhook, bindTo(one, false))
		pass(time.Minute)
		s.ok(200, http.MethodPatch, destinationsV3+"/"+one, `{"endpoint":"https://other.example.com","authorization":"Bearer new"}`)
		pass(time.Minute)
		auth, host := s.siem.last()
		require.Equal(t, "Bearer new", auth)
		require.Equal(t, "other.example.com", host)
		require.Equal(t, "https://other.example.com", s.ok(200, http.MethodGet, webhookV2, "")["endpoint"])
		w, err := s.shipper.Get(t.Context(), portalStream)
		require.NoError(t, err)
		require.Equal(t, "https://other.example.com", w.Endpoint)
		require.False(t, w.Enabled)
		require.True(t, w.Authorization.Equal(webhook.NewSecret("Bearer new")))
		const told = "admin update Authz.audit-log-destinations endpoint,authorization"
		require.Equal(t, []string{"admin update Authz.audit-log-webhook audit_log_destination_id,enabled", told}, s.changes("acme"))
		require.Equal(t, told, s.changes(portalStream)[2])
		require.Contains(t, s.stored(one), `"webhooks":["acme","portal `)
		s.ok(200, http.MethodPatch, destinationsV3+"/"+two, `{"name":"three"}`)
		require.NotContains(t, s.stored(two), "webhooks")

		for _, in := range []string{webhookV3, portalWebhook} {
			p := s.refused(409, http.MethodDelete, destinationsV3+"/"+one, "")
			require.Contains(t, p.Detail, "destination is in use")
			require.Equal(t, "Conflict", p.Title)
			s.ok(204, http.MethodDelete, in, "")
		}
		s.ok(204, http.MethodDelete, destinationsV3+"/"+one, "")
		s.ok(204, http.MethodDelete, destinationsV3+"/"+two, "") // no more in use
	})
}
