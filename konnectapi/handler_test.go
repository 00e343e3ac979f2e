package konnectapi_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
)

func TestAdmission(t *testing.T) {
	t.Parallel()
	get := call{method: http.MethodGet, path: webhookV2}
	patch := call{method: http.MethodPatch, path: webhookV2, body: `{"enabled":false}`}
	with := func(c call, change func(*call)) call {
		c.header = http.Header{}
		change(&c)
		return c
	}
	for _, test := range []struct {
		name   string
		config func(*konnectapi.Config)
		call   call
		code   int
		detail string // if not the text of the status
		allow  string
	}{
		{name: "good", call: get, code: 200},
		{name: "head", call: with(get, func(c *call) { c.method = http.MethodHead }), code: 200},
		{name: "no token", call: with(get, func(c *call) { c.token = "-" }), code: 401},
		{name: "bad token", call: with(get, func(c *call) { c.token = "x" }), code: 401},
		{name: "without the role", call: with(get, func(c *call) { c.token = "acme-viewer" }), code: 403, detail: "You do not have permission to perform this action"},
		{name: "nobody can be asked", call: with(get, func(c *call) { c.token = "down-admin" }), code: 503},
		{name: "nobody can be asked about the role", call: get, code: 503, config: func(c *konnectapi.Config) {
			c.Authorize = func(context.Context, konnectapi.Caller, konnectapi.Operation) error { return konnectapi.ErrUnavailable }
		}},
		{name: "no Authenticate", call: get, code: 401, config: func(c *konnectapi.Config) { c.Authenticate = nil }},
		{name: "no Authorize", call: get, code: 403, detail: "You do not have permission to perform this action", config: func(c *konnectapi.Config) { c.Authorize = nil }},
		{name: "no tenant", call: get, code: 500, config: func(c *konnectapi.Config) {
			c.Authenticate = func(*http.Request) (konnectapi.Caller, error) { return konnectapi.Caller{Principal: "admin"}, nil }
		}},
		{name: "long tenant", call: get, code: 500, config: func(c *konnectapi.Config) {
			c.Authenticate = func(*http.Request) (konnectapi.Caller, error) {
				return konnectapi.Caller{Tenant: strings.Repeat("x", shipper.MaxID+1), Principal: "admin"}, nil
			}
		}},

		{name: "no such path", call: with(get, func(c *call) { c.path = "/v2/t0k-x" }), code: 404},
		{name: "no such version", call: with(get, func(c *call) { c.path = "/v1/audit-log-webhook" }), code: 404},
		{name: "trailing slash", call: with(get, func(c *call) { c.path = "/v2/audit-log-webhook/" }), code: 404},
		{name: "two slashes", call: with(get, func(c *call) { c.path = "/v2//audit-log-webhook" }), code: 404},
		{name: "method", call: with(get, func(c *call) { c.method = http.MethodDelete }), code: 405, allow: "GET, HEAD, PATCH"},

		{name: "no type", call: with(patch, func(c *call) { c.header["Content-Type"] = nil }), code: 415, detail: "The request body must be application/json"},
		{name: "a form's type", call: with(patch, func(c *call) { c.header.Set("Content-Type", "text/plain") }), code: 415, detail: "The request body must be application/json"},
		{name: "two types", call: with(patch, func(c *call) { c.header["Content-Type"] = []string{"application/json", "text/plain"} }), code: 415, detail: "The request body must be application/json"},
		{name: "no media type", call: with(patch, func(c *call) { c.header.Set("Content-Type", "/") }), code: 415, detail: "The request body must be application/json"},
		{name: "another charset", call: with(patch, func(c *call) { c.header.Set("Content-Type", "application/json; charset=utf-16") }), code: 415, detail: "The request body must be application/json"},
		{name: "a charset", call: with(patch, func(c *call) { c.header.Set("Content-Type", "application/json; charset=UTF-8") }), code: 200},
		{name: "compressed", call: with(patch, func(c *call) { c.header.Set("Content-Encoding", "gzip") }), code: 415, detail: "The request body must be application/json"},
		{name: "a type without a body", call: with(patch, func(c *call) { c.body = ""; c.header.Set("Content-Type", "text/plain") }), code: 415, detail: "The request body must be application/json"},
		{name: "neither type nor body", call: with(patch, func(c *call) { c.body = "" }), code: 200},
		{name: "huge", call: with(patch, func(c *call) { c.body = strings.Repeat(" ", 64<<10) + c.body }), code: 413, detail: "The request body is too large"},
		{name: "large", call: with(patch, func(c *call) { c.body = strings.Repeat(" ", 60<<10) + c.body }), code: 200},

		{name: "from another origin", call: with(patch, func(c *call) { c.header.Set("Sec-Fetch-Site", "cross-site") }), code: 403, detail: "You do not have permission to perform this action"},
		{name: "from the same origin", call: with(patch, func(c *call) { c.header.Set("Sec-Fetch-Site", "same-origin") }), code: 200},
		{name: "from an origin that is trusted", call: with(patch, func(c *call) { c.header.Set("Origin", "https://console.example.com") }), code: 200, config: func(c *konnectapi.Config) {
			c.CrossOrigin = http.NewCrossOriginProtection()
			require.NoError(t, c.CrossOrigin.AddTrustedOrigin("https://console.example.com"))
		}},
		{name: "read from another origin", call: with(get, func(c *call) { c.header.Set("Sec-Fetch-Site", "cross-site") }), code: 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, func(c *konnectapi.Config) {
				if test.config != nil {
					test.config(c)
				}
			})
			got := s.do(test.call)
			require.Equal(t, test.code, got.code, got.body)
			require.Equal(t, test.allow, got.header.Get("Allow"))
			require.Equal(t, test.code == http.StatusUnauthorized, got.header.Get("WWW-Authenticate") == "Bearer")
			require.Equal(t, test.code == http.StatusServiceUnavailable, got.header.Get("Retry-After") == "1")
			if test.code < 300 {
				return
			}
			p := s.requireProblem(got)
			require.Equal(t, http.StatusText(test.code), p.Title)
			if test.detail == "" {
				test.detail = http.StatusText(test.code)
			}
			require.Equal(t, test.detail, p.Detail)
		})
	}
}

// What Authorize is told.
func TestOperation(t *testing.T) {
	t.Parallel()
	var asked []konnectapi.Operation
	s := newSetup(t, func(c *konnectapi.Config) {
		c.Authorize = func(_ context.Context, _ konnectapi.Caller, op konnectapi.Operation) error {
			asked = append(asked, op)
			return nil
		}
	})
	s.ok(200, http.MethodGet, webhookV2, "")
	s.ok(200, http.MethodPatch, webhookV2, "")
	require.Equal(t, []konnectapi.Operation{{ID: "get-webhook-v2"}, {ID: "update-webhook-v2", Write: true}}, asked)
}

// A rule for a portal holds however the client writes its id.
func TestOperationPortal(t *testing.T) {
	t.Parallel()
	const id = "aaaaaaaa-1111-4111-8111-111111111111"
	s := newSetup(t, func(c *konnectapi.Config) {
		c.Authorize = func(_ context.Context, _ konnectapi.Caller, op konnectapi.Operation) error {
			if op.PortalID == id {
				return errors.New("not this portal")
			}
			return nil
		}
		c.Portal = func(_ context.Context, _ konnectapi.Caller, asked string) (string, error) {
			if asked != id {
				return "", konnectapi.ErrNotFound
			}
			return "portal " + asked, nil
		}
	})
	for _, written := range []string{id, strings.ToUpper(id), "AAAA" + id[4:]} {
		s.refused(403, http.MethodGet, "/v3/portals/"+written+"/audit-log-webhook/status", "")
	}
}

// A tenant with a webhook of another id, as where it has one in each region.
func TestCallersWebhook(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(c *konnectapi.Config) {
		c.Authenticate = func(*http.Request) (konnectapi.Caller, error) {
			return konnectapi.Caller{Tenant: "acme", Webhook: "acme@eu", Principal: "admin", PrincipalName: "Ann", Source: "203.0.113.9"}, nil
		}
	})
	s.ok(200, http.MethodPatch, webhookV2, configured)
	require.Empty(t, s.recorded("acme"))
	all := s.recorded("acme@eu")
	require.Len(t, all, 1)
	require.Equal(t, "Ann", text(all[0], "principal_name"))
	require.Equal(t, "203.0.113.9", text(all[0], "src"))
}

// What is wrong inside is logged and not answered.
func TestInternalErrors(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(c *konnectapi.Config) {
		c.Authenticate = func(*http.Request) (konnectapi.Caller, error) {
			return konnectapi.Caller{Tenant: "acme", Webhook: strings.Repeat("x", shipper.MaxID+1), Principal: "admin"}, nil
		}
	})
	p := s.refused(500, http.MethodGet, webhookV2, "")
	require.Equal(t, "Internal Server Error", p.Detail)
	require.Contains(t, s.logs.String(), "webhook id")

	require.NoError(t, s.shipper.Close(context.Background()))
	p = s.refused(503, http.MethodGet, webhookV2, "")
	require.Equal(t, "Service Unavailable", p.Detail)
	require.Contains(t, s.logs.String(), shipper.ErrClosed.Error())
}

// failing is a body that cannot be read.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("t0k-the connection is gone") }

func TestUnreadableBody(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	got := s.send(http.MethodPatch, webhookV2, failing{})
	require.Equal(t, http.StatusBadRequest, got.code)
	require.Equal(t, "request format is invalid", s.requireProblem(got).InvalidParameters[0].Reason)
}

// endless is a body without end, and without a length.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func TestEndlessBody(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	body := &endless{}
	require.Equal(t, http.StatusRequestEntityTooLarge, s.send(http.MethodPatch, webhookV2, body).code)
	require.Less(t, body.read, 256<<10)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	st, err := diskstore.Open(diskstore.Config{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	keyless, err := shipper.New(shipper.Config{Store: st})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, keyless.Close(context.Background())) })
	for _, test := range []struct {
		name   string
		config konnectapi.Config
		want   string
	}{
		{"no Shipper", konnectapi.Config{Store: s.store}, "Shipper is not set"},
		{"no Store", konnectapi.Config{Shipper: s.shipper}, "Store is not set"},
		{"no key", konnectapi.Config{Shipper: keyless, Store: st}, "Shipper: shipper: an authorization is stored only sealed"},
		{"negative", konnectapi.Config{Shipper: s.shipper, Store: s.store, MaxDestinations: -1}, "MaxDestinations is negative"},
		{"good", konnectapi.Config{Shipper: s.shipper, Store: s.store}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := konnectapi.New(test.config)
			if test.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.want)
			}
		})
	}
}
