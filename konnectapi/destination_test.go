package konnectapi_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	destinationsV2 = "/v2/audit-log-destinations"
	destinationsV3 = "/v3/audit-log-destinations"
)

// newDestination is the body that creates one.
func newDestination(name string) string {
	return `{"name":"` + name + `","endpoint":"` + endpointURL + `","authorization":"` + authorization + `","log_format":"json"}`
}

// create creates a destination and returns its id.
func (s *setup) create(name string) string {
	s.t.Helper()
	return s.ok(http.StatusCreated, http.MethodPost, destinationsV3, newDestination(name))["id"].(string)
}

func TestDestinations(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t)
		s.ok(200, http.MethodPatch, webhookV2, `{"log_format":"json"}`) // so that there is a stream
		created := s.ok(http.StatusCreated, http.MethodPost, destinationsV3, newDestination("one"))
		id, now := created["id"].(string), time.Now().UTC().Format(time.RFC3339Nano)
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
		require.Equal(t, map[string]any{
			"id": id, "name": "one", "endpoint": endpointURL, "log_format": "json", "skip_ssl_verification": false, "created_at": now, "updated_at": now,
		}, created)
		for _, path := range []string{destinationsV2, destinationsV3} {
			require.Equal(t, created, s.ok(200, http.MethodGet, path+"/"+id, ""))
			require.Equal(t, created, s.ok(200, http.MethodGet, path+"/"+strings.ToUpper(id), ""))
			list := s.ok(200, http.MethodGet, path, "")
			require.Equal(t, map[string]any{
				"data": []any{created}, "meta": map[string]any{"next": nil, "previous": nil, "size": 100.0},
			}, list)
		}

		pass(time.Second)
		require.Equal(t, created, s.ok(200, http.MethodPatch, destinationsV2+"/"+id, `{"name":null,"log_format":"json"}`))
		changed := s.ok(200, http.MethodPatch, destinationsV2+"/"+id, `{"name":"two","skip_ssl_verification":true}`)
		created["name"], created["skip_ssl_verification"] = "two", true
		created["updated_at"] = time.Now().UTC().Format(time.RFC3339Nano)
		require.Equal(t, created, changed)
		require.Equal(t, changed, s.ok(200, http.MethodGet, destinationsV3+"/"+id, ""))

		s.ok(204, http.MethodDelete, destinationsV2+"/"+id, "")
		for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodDelete} {
			p := s.refused(404, method, destinationsV3+"/"+id, "")
			require.Equal(t, "Not Found", p.Detail)
		}
		require.Empty(t, s.ok(200, http.MethodGet, destinationsV3, "")["data"])
		require.Equal(t, []string{
			"admin update Authz.audit-log-webhook log_format",
			"admin create Authz.audit-log-destinations ",
			"admin update Authz.audit-log-destinations name,skip_ssl_verification",
			"admin delete Authz.audit-log-destinations ",
		}, s.changes("acme"))
	})
}

// What is another tenant's, or no id at all, does not exist.
func TestForeignDestinations(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	id := s.create("one")
	own := s.do(call{method: http.MethodGet, path: destinationsV3 + "/" + nobody})
	for _, foreign := range []string{id, nobody, "x", "..", "%2e%2e", strings.Repeat("x", 300), "11%2F"} {
		for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodDelete} {
			got := s.do(call{method: method, path: destinationsV3 + "/" + foreign, token: "other-admin"})
			require.Equal(t, 404, got.code)
			require.Equal(t, withoutInstance(own), withoutInstance(got))
		}
	}
	require.Empty(t, s.do(call{method: http.MethodGet, path: destinationsV3, token: "other-admin"}).names(t))
}

func withoutInstance(a answer) string {
	return regexp.MustCompile(`trace:\d+`).ReplaceAllString(a.body, "")
}

func TestCreateDestinationRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		body   string
		detail string
		fields string
	}{
		{"no body", ``, "Required field missing", "authorization endpoint log_format name"},
		{"nulls", `{"name":null,"endpoint":null,"authorization":null,"log_format":null}`, "Required field missing", "authorization endpoint log_format name"},
		{"blanks", `{"name":" ","endpoint":"","authorization":"","log_format":"cef"}`, "Required field missing", "authorization endpoint name"},
		{"no URL", `{"name":"n","endpoint":"x","authorization":"a","log_format":"cef"}`, "Invalid endpoint", "endpoint"},
		{"http", `{"name":"n","endpoint":"http://x.example","authorization":"a","log_format":"cef"}`, "Invalid endpoint", "endpoint"},
		{"format", `{"name":"n","endpoint":"https://x.example","authorization":"a","log_format":"xml"}`, "Invalid log_format", "log_format"},
		{"read-only", `{"id":"` + nobody + `","name":"n","endpoint":"https://x.example","authorization":"a","log_format":"cef"}`, "Invalid request body", "id"},
		{"array", `[]`, "Could not parse request body", "body"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			p := s.refused(400, http.MethodPost, destinationsV3, test.body)
			require.Equal(t, test.detail, p.Detail)
			var fields []string
			for _, w := range p.InvalidParameters {
				fields = append(fields, w.Field)
			}
			require.Equal(t, test.fields, strings.Join(fields, " "))
			require.Empty(t, s.ok(200, http.MethodGet, destinationsV3, "")["data"])
		})
	}
}

func TestMaxDestinations(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(c *konnectapi.Config) { c.MaxDestinations = 2 })
	s.create("1")
	s.create("2")
	p := s.refused(400, http.MethodPost, destinationsV3, newDestination("3"))
	require.Equal(t, 2, *p.InvalidParameters[0].Maximum)
}

// What the operator of the Shipper forbids is refused where it is configured,
// not only where it is used.
func TestDestinationsOfTheOperator(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.shipperConfig = func(c *shipper.Config) {
		c.ForbidSkipSSLVerification, c.RequireNewAuthorization = true, true
		c.Delivery.DialContext = nil // so that addresses are checked
	}
	s.start()
	id := s.create("one")
	for _, test := range []struct {
		name, method, path, body, field string
	}{
		{"skip", http.MethodPatch, destinationsV3 + "/" + id, `{"skip_ssl_verification":true}`, "skip_ssl_verification"},
		{"another host", http.MethodPatch, destinationsV3 + "/" + id, `{"endpoint":"https://evil.example"}`, "authorization"},
		{"a private address", http.MethodPost, destinationsV3, strings.Replace(newDestination("two"), "siem.example.com", "10.0.0.1", 1), "endpoint"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.field, s.refused(400, test.method, test.path, test.body).InvalidParameters[0].Field)
		})
	}
}

// What is refused is not stored, also where it is for what the patch leaves as it is.
func TestRefusedIsNotStored(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	id := s.create("one")
	s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"skip_ssl_verification":true}`)
	s.ok(200, http.MethodPatch, webhookV3, bindTo(id, true))
	s.shipperConfig = func(c *shipper.Config) { c.ForbidSkipSSLVerification = true }
	s.start()
	stored, told := s.stored(id), len(s.changes("acme"))
	p := s.refused(400, http.MethodPatch, destinationsV3+"/"+id, `{"name":"two","authorization":"Bearer t0k-rotated"}`)
	require.Equal(t, "skip_ssl_verification", p.InvalidParameters[0].Field)
	require.Equal(t, stored, s.stored(id))
	require.Len(t, s.changes("acme"), told)

	s.ok(200, http.MethodPatch, destinationsV3+"/"+id, `{"authorization":"Bearer t0k-rotated","skip_ssl_verification":false}`)
	w, err := s.shipper.Get(t.Context(), "acme")
	require.NoError(t, err)
	require.True(t, w.Authorization.Equal(webhook.NewSecret("Bearer t0k-rotated")))
}

// Nothing secret is legible in the store, and a new key can take over.
func TestDestinationsAreSealed(t *testing.T) {
	t.Parallel()
	st, err := diskstore.Open(diskstore.Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	first, err := shipper.NewKey(bytes.Repeat([]byte{1}, shipper.KeyBytes))
	require.NoError(t, err)
	second, err := shipper.NewKey(bytes.Repeat([]byte{2}, shipper.KeyBytes))
	require.NoError(t, err)

	s := newSetup(t)
	with := func(keys ...shipper.Key) {
		s.shipperConfig = func(c *shipper.Config) { c.Keys = keys }
		s.start()
	}
	s.store = st
	with(first)
	id := s.create("one")
	for doc, err := range st.List(t.Context(), "") {
		require.NoError(t, err)
		require.NotContains(t, string(doc.Value), "siem.example.com")
		require.NotContains(t, string(doc.Value), secretMark)
	}
	with(second, first)
	require.NoError(t, s.Reseal(t.Context()))
	with(second)
	require.Equal(t, endpointURL, s.ok(200, http.MethodGet, destinationsV3+"/"+id, "")["endpoint"])
	with(first)
	s.refused(500, http.MethodGet, destinationsV3+"/"+id, "")
	s.refused(500, http.MethodGet, destinationsV3, "")
	require.Error(t, s.Reseal(t.Context()))
}

// Damaged documents are errors, not answers.
func TestMalformedDestinations(t *testing.T) {
	t.Parallel()
	const key = "destination/4/acme/" + nobody
	s := newSetup(t)
	sealed, err := s.shipper.Seal(key, []byte("t0k-x"))
	require.NoError(t, err)
	for i, test := range []struct{ name, key, value string }{
		{"no JSON", key, `t0k-x`},
		{"another version", key, `{"version":2}`},
		{"not sealed", key, `{"version":1}`},
		{"badly sealed", key, fmt.Sprintf(`{"version":1,"sealed":"%s"}`, base64Of(sealed))},
	} {
		_, err := s.store.Put(context.Background(), test.key, []byte(test.value), uint64(i))
		require.NoError(t, err)
		s.refused(500, http.MethodGet, destinationsV3+"/"+nobody, "")
		s.refused(500, http.MethodGet, destinationsV3, "")
		s.refused(500, http.MethodPatch, destinationsV3+"/"+nobody, `{}`)
	}
	_, err = s.store.Put(context.Background(), "destination/x", []byte(`{"version":1}`), 0)
	require.NoError(t, err)
	require.Error(t, s.Reseal(t.Context()))
	s.start()
	require.Contains(t, s.logs.String(), "a change of a destination could not be finished")
}
