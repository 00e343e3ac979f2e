package konnectapi_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// FuzzHandler sends arbitrary requests to a Handler that holds secrets: it never
// fails, nor panics, nor tells one.
func FuzzHandler(f *testing.F) {
	f.Add("PATCH", "/v2/audit-log-webhook", "", "application/json", configured)
	f.Add("PATCH", "/v2/audit-log-webhook", "", "application/json", `{"authorization":null,"enabled":true}`)
	f.Add("PATCH", "/v2/audit-log-webhook", "", "application/json; charset=utf-8", `{"enabled":true,"enabled":false,"a":[[[[[[[[[{}]]]]]]]]]}`)
	f.Add("GET", "/v2/audit-log-webhook/status", "", "", "")
	f.Add("GET", "/v2/audit-log-webhook/jwks.json", "", "", "")
	f.Add("GET", "/openapi.json", "", "", "")
	f.Add("PATCH", "/v3/audit-log-webhook", "", "application/json", bindTo(nobody, true))
	f.Add("DELETE", "/v3/audit-log-webhook", "", "", "")
	f.Add("PUT", "/v3/audit-log-replay-job", "", "application/json", `{"start_at":"0000-01-01T00:00:00+23:59","end_at":"9999-12-31T23:59:59-23:59"}`)
	f.Add("POST", "/v3/audit-log-destinations", "", "application/json", newDestination("one"))
	f.Add("GET", "/v2/audit-log-destinations", "page[size]=1&page[after]=&filter[name][contains]=o", "", "")
	f.Add("GET", "/v3/audit-log-destinations", "page%5Bbefore%5D=ewogICJpZCI6ICJoZWxsbyB3b3JsZCIKfQ", "", "")
	f.Add("GET", "/v3/audit-logs", "filter[ts][gte]=0000-01-01T00:00:00Z&filter[ts][lte]=9999-12-31T23:59:59Z&filter[type]=authorization&page[size]=1000", "", "")
	f.Add("PATCH", "/v3/audit-log-destinations/"+nobody, "", "application/json", `{"name":"`+strings.Repeat("x", 300)+`"}`)
	f.Add("PATCH", "/v3/portals/"+acmePortal+"/audit-log-webhook", "", "application/json", `{"enabled":false}`)
	f.Add("GET", "/v3/portals/{portal}/audit-log-replay-job", "%zz", "", "")
	f.Add("HEAD", "//v2/../v3/audit-logs", ";", "", "")

	s := newSetup(f)
	s.shipperConfig = func(c *shipper.Config) {
		c.Logger = slog.New(slog.DiscardHandler)
		c.Delivery.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, net.ErrClosed }
	}
	s.start(func(c *konnectapi.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	// The fuzzer does not know this one.
	secret := rand.Text()
	webhookBody, destinationBody := strings.Replace(configured, "t0k-authorization", secret, 1), strings.Replace(newDestination("one"), "t0k-authorization", secret, 1)
	if w := s.raw(f, http.MethodPost, destinationsV3, destinationBody); w.Code != http.StatusCreated {
		f.Fatal(w.Body)
	}
	f.Fuzz(func(t *testing.T, method, path, query, mediaType, body string) {
		// What net/http would not let pass does not come here.
		if _, err := http.NewRequestWithContext(t.Context(), method, "https://example.com", nil); err != nil {
			t.Skip()
		}
		if w := s.raw(t, http.MethodPatch, webhookV2, webhookBody); w.Code != http.StatusOK {
			t.Fatal(w.Body)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", strings.NewReader(body))
		r.Method, r.URL = method, &url.URL{Path: "/" + strings.TrimPrefix(path, "/"), RawQuery: query}
		r.Header.Set("Authorization", "Bearer acme-admin")
		r.Header.Set("Content-Type", mediaType)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch answer := w.Body.String(); {
		case w.Code >= http.StatusInternalServerError:
			t.Fatal(w.Code, answer)
		case w.Code >= http.StatusBadRequest && w.Header().Get("Content-Type") != webhook.ProblemMediaType:
			t.Fatal("no problem document", answer)
		case strings.Contains(answer, secret):
			t.Fatal("a secret is answered", answer)
		}
	})
}

// raw makes a call whose answer is not looked at.
func (s *setup) raw(t testing.TB, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer acme-admin")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
