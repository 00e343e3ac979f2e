package konnectapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// terraform sends a request as the client does that Terraform's provider has,
// which was generated from the OpenAPI files, and wants of the answer what that
// decodes.
func (s *setup) terraform(code int, method, path, body string) map[string]any {
	s.t.Helper()
	accept := "application/json;q=1, application/problem+json;q=0"
	if method == http.MethodDelete {
		accept = "application/problem+json"
	}
	got := s.do(call{method: method, path: path, body: body, header: http.Header{
		"Accept": {accept}, "User-Agent": {"speakeasy-sdk/terraform 3.19.0 2.882.0 2.2.2 github.com/kong/terraform-provider-konnect/v3/internal/sdk"},
	}})
	require.Equal(s.t, code, got.code, got.body)
	switch {
	case code == http.StatusNoContent:
		return nil
	case code >= 400:
		require.Equal(s.t, "application/problem+json", got.header.Get("Content-Type"))
	default:
		require.Equal(s.t, "application/json", got.header.Get("Content-Type"))
	}
	var document map[string]any
	require.NoError(s.t, json.Unmarshal([]byte(got.body), &document))
	for name, value := range document {
		if strings.HasSuffix(name, "_at") {
			_, err := time.Parse(time.RFC3339, value.(string))
			require.NoError(s.t, err)
		}
	}
	return document
}

// The life of each of Terraform's resources: every member is in every request,
// and null if it is not set.
func TestTerraform(t *testing.T) {
	t.Parallel()
	s := newSetup(t)

	// konnect_audit_log: read before it exists, create, update, read, destroy.
	s.terraform(200, http.MethodGet, webhookV2, "")
	made := s.terraform(200, http.MethodPatch, webhookV2,
		`{"authorization":"`+authorization+`","enabled":true,"endpoint":"`+endpointURL+`","log_format":"cef","skip_ssl_verification":false}`)
	require.Equal(t, true, made["enabled"])
	got := s.terraform(200, http.MethodPatch, webhookV2, `{"authorization":null,"enabled":true,"endpoint":null,"log_format":"json","skip_ssl_verification":false}`)
	require.Equal(t, endpointURL, got["endpoint"])
	require.Equal(t, "json", got["log_format"])
	got = s.terraform(200, http.MethodPatch, webhookV2, `{"authorization":null,"enabled":null,"endpoint":null,"log_format":null,"skip_ssl_verification":null}`)
	require.Equal(t, true, got["enabled"])
	require.Equal(t, false, s.terraform(200, http.MethodPatch, webhookV2, `{"enabled":false}`)["enabled"])
	s.terraform(200, http.MethodGet, webhookV2, "")
	s.terraform(400, http.MethodPatch, webhookV2, `{"authorization":null,"enabled":true,"endpoint":"x","log_format":"cef","skip_ssl_verification":false}`)

	// konnect_audit_log_destination.
	id := s.terraform(201, http.MethodPost, destinationsV2,
		`{"authorization":"`+authorization+`","endpoint":"`+endpointURL+`","log_format":"cef","name":"SIEM","skip_ssl_verification":null}`)["id"].(string)
	s.terraform(200, http.MethodGet, destinationsV2+"/"+id, "")
	got = s.terraform(200, http.MethodPatch, destinationsV2+"/"+id, `{"authorization":null,"endpoint":null,"log_format":null,"name":"two","skip_ssl_verification":null}`)
	require.Equal(t, "two", got["name"])
	require.Equal(t, endpointURL, got["endpoint"])

	// konnect_portal_audit_log_webhook.
	s.terraform(404, http.MethodGet, portalWebhook, "")
	got = s.terraform(200, http.MethodPatch, portalWebhook, `{"audit_log_destination_id":"`+id+`","enabled":true}`)
	require.Equal(t, id, got["audit_log_destination_id"])
	got = s.terraform(200, http.MethodPatch, portalWebhook, `{"audit_log_destination_id":null,"enabled":false}`)
	require.Equal(t, map[string]any{"audit_log_destination_id": id, "enabled": false}, got)
	s.terraform(409, http.MethodDelete, destinationsV2+"/"+id, "")
	s.terraform(204, http.MethodDelete, portalWebhook, "")
	s.terraform(404, http.MethodGet, portalWebhook, "") // refreshed: it is gone
	s.terraform(404, http.MethodDelete, portalWebhook, "")
	s.terraform(204, http.MethodDelete, destinationsV2+"/"+id, "")
	s.terraform(404, http.MethodGet, destinationsV2+"/"+id, "")

	// Without the rights for it.
	p := s.requireProblem(s.do(call{method: http.MethodGet, path: webhookV2, token: "-", header: http.Header{"Accept": {"application/json;q=1, application/problem+json;q=0"}}}))
	require.Equal(t, http.StatusUnauthorized, p.Status)
}

// The calls of kongctl listen, in their order: some at the region, some at the
// host global, which are the same here.
func TestKongctlListen(t *testing.T) {
	t.Parallel()
	s := newSetup(t)

	before := s.ok(200, http.MethodGet, webhookV2, "")
	require.Equal(t, false, before["enabled"])
	require.Equal(t, "unconfigured", before["endpoint"])
	require.Empty(t, s.ok(200, http.MethodGet, destinationsV3, "")["data"])
	made := s.ok(http.StatusCreated, http.MethodPost, destinationsV3,
		`{"name":"kongctl-listen","endpoint":"https://tunnel.example.com/audit-logs","log_format":"json","skip_ssl_verification":false,"authorization":"`+authorization+`"}`)
	id, ok := made["id"].(string)
	require.True(t, ok && id != "")
	require.NotContains(t, made, "audit_log_destination_id")
	require.NotContains(t, made, "destination_id")
	s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))

	var inUse webhook.Problem
	got := s.do(call{method: http.MethodDelete, path: destinationsV2 + "/" + id})
	require.Equal(t, http.StatusConflict, got.code)
	require.NoError(t, json.Unmarshal([]byte(got.body), &inUse))
	require.Contains(t, got.body, "destination is in use") // it is looked for in the text

	s.ok(200, http.MethodPatch, webhookV2, `{"enabled":false}`) // bound through version 3
	s.ok(204, http.MethodDelete, webhookV3, "")
	s.ok(204, http.MethodDelete, destinationsV2+"/"+id, "") // made under version 3
	require.Equal(t, before, s.ok(200, http.MethodGet, webhookV2, ""))
}
