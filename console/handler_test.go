package console_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/console"
)

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := console.New(console.Config{})
	require.EqualError(t, err, "console: Shipper is not set")
}

// tabs are the pages of a webhook.
var tabs = []string{"setup", "replay", "deliveries"}

func TestRefusals(t *testing.T) {
	t.Parallel()
	save := url.Values{"do": {"save"}, "endpoint": {"https://evil.example.com/"}, "enabled": {"on"}}
	tests := []struct {
		name   string
		user   string
		method string
		path   string
		form   url.Values
		header []string
		code   int
		text   string
	}{
		{name: "nobody", path: at("setup"), code: 401, text: "Sign in"},
		{name: "nobody, list", path: "/audit-logs/", code: 401},
		{name: "nobody, form", method: "POST", path: at("setup"), form: save, code: 401},
		{name: "authentication is down", user: "down", path: at("setup"), code: 503},
		{name: "webhooks are down", user: "slow", path: at("setup"), code: 503},
		{name: "webhooks are broken", user: "lost", path: at("setup"), code: 500, text: "logged"},
		{name: "another tenant's webhook", user: "admin", path: "/audit-logs/setup?webhook=other", code: 404},
		{name: "no webhook", user: "admin", path: "/audit-logs/setup", code: 404},
		{name: "no such page", user: "admin", path: at("secrets"), code: 404},
		{name: "another method", user: "admin", method: "PUT", path: at("setup"), code: 405},
		{name: "a form for the list", user: "admin", method: "POST", path: "/audit-logs/", code: 405},
		{name: "a form of a reader", user: "viewer", method: "POST", path: at("setup"), form: save, code: 403, text: "not change it"},
		{name: "dead letters of a reader", user: "viewer", method: "POST", path: at("deliveries"), form: url.Values{"do": {"redrive-all"}}, code: 403},
		{name: "of another origin", user: "admin", method: "POST", path: at("setup"), form: save, header: []string{"Sec-Fetch-Site", "cross-site"}, code: 403, text: "another site"},
		{name: "of another origin, older browser", user: "admin", method: "POST", path: at("setup"), form: save, header: []string{"Origin", "https://evil.example.com"}, code: 403},
		{name: "of the same site, another origin", user: "admin", method: "POST", path: at("setup"), form: save, header: []string{"Sec-Fetch-Site", "same-site"}, code: 403},
		{name: "an unknown act", user: "admin", method: "POST", path: at("setup"), form: url.Values{"do": {"x"}}, code: 400},
		{name: "an unknown act on deliveries", user: "admin", method: "POST", path: at("deliveries"), form: url.Values{"do": {"x"}}, code: 400},
		{name: "too long", user: "admin", method: "POST", path: at("setup"), form: url.Values{"endpoint": {strings.Repeat("x", 1<<17)}}, code: 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			if tt.method == "" {
				tt.method = http.MethodGet
			}
			a := s.as(tt.user, tt.method, tt.path, tt.form, tt.header...)
			require.Equal(t, tt.code, a.code)
			require.Contains(t, a.body, tt.text)
			requireSafe(t, a)
			require.Zero(t, s.config())
		})
	}
}

// requireSafe asserts the headers that every answer has.
func requireSafe(t *testing.T, a answer) {
	t.Helper()
	policy := a.header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.Contains(t, policy, "frame-ancestors 'none'")
	require.NotContains(t, policy, "unsafe")
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-referrer", a.header.Get("Referrer-Policy"))
	require.NotContains(t, a.body, "style=")
	require.NotContains(t, a.body, "<style")
	require.NotContains(t, a.body, "onclick")
}

func TestNothingWithoutFunctions(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*console.Config){
		"without authentication": func(c *console.Config) { c.Authenticate = nil },
		"without roles":          func(c *console.Config) { c.Webhooks = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, func(o *options) { o.console = change })
			s.configure()
			for _, path := range []string{"/audit-logs/", at("setup"), at("deliveries"), "/audit-logs/console.css", "/audit-logs/console.js"} {
				for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodDelete} {
					a := s.as("admin", method, path, nil)
					require.Equal(t, 403, a.code, method+" "+path)
				}
			}
		})
	}
}

func TestAssets(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	for name, mediaType := range map[string]string{
		"console.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8", "console.svg": "image/svg+xml",
	} {
		a := s.as("", http.MethodGet, "/audit-logs/"+name, nil)
		require.Equal(t, 200, a.code)
		require.Equal(t, mediaType, a.header.Get("Content-Type"))
		require.NotEmpty(t, a.body)
		require.NotContains(t, a.body, "http://"+"example", "nothing is loaded from elsewhere")
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()

	a := s.get("/audit-logs/")
	require.Equal(t, 200, a.code)
	requireSafe(t, a)
	require.Contains(t, a.body, `<a href="setup?webhook=acme%2Feu">Europe</a>`)
	require.Contains(t, a.body, `<a href="setup?webhook=acme%2Fus">acme/us</a>`, "a webhook without a title has its id")
	require.Contains(t, a.body, ">Active<")
	require.Contains(t, a.body, ">Unconfigured<")

	a = s.as("viewer", http.MethodGet, "/audit-logs/", nil)
	require.Equal(t, 303, a.code, "there is only one")
	require.Equal(t, "setup?webhook=acme%2Feu", a.header.Get("Location"))

	require.NotContains(t, s.get("/audit-logs/?search=EUR").body, "acme/us")
	require.Contains(t, s.get("/audit-logs/?search=<b>").body, "“&lt;b&gt;”")

	a = s.as("stranger", http.MethodGet, "/audit-logs/", nil)
	require.Contains(t, a.body, "No webhook to show")
}

func TestManyWebhooks(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(o *options) {
		o.console = func(c *console.Config) {
			c.Webhooks = func(context.Context, console.User) ([]console.Webhook, error) {
				all := make([]console.Webhook, 10_000)
				for i := range all {
					all[i].ID = fmt.Sprintf("tenant-%d", i)
				}
				return all, nil
			}
		}
	})
	for _, tt := range []struct {
		query string
		first string
		text  string
	}{
		{"", "tenant-0", "Page 1 of 200, 10,000 webhooks"},
		{"?page=200", "tenant-9950", "Page 200 of 200"},
		{"?page=201", "tenant-9950", "Page 200 of 200"},
		{"?page=-1", "tenant-0", "Page 1 of 200"},
		{"?page=x", "tenant-0", "Page 1 of 200"},
		{"?search=NANT-77&page=2", "tenant-7748", `href="./?page=3&amp;search=NANT-77"`},
	} {
		a := s.get("/audit-logs/" + tt.query)
		require.Equal(t, 200, a.code)
		require.Contains(t, a.body, ">"+tt.first+"</a>", tt.query)
		require.Contains(t, a.body, tt.text, tt.query)
		require.LessOrEqual(t, strings.Count(a.body, `<th scope="row">`), 50)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	require.NoError(t, s.shipper.Close(t.Context()))
	for _, path := range []string{"/audit-logs/", at("setup"), at("replay"), at("deliveries"), at("setup") + "&live"} {
		a := s.get(path)
		require.Equal(t, 503, a.code, path)
		requireSafe(t, a)
	}
	for tab, form := range map[string]url.Values{
		"setup": {"do": {"save"}, "endpoint": {s.siem.URL()}}, "replay": {"range": {"1h"}}, "deliveries": {"do": {"redrive-all"}},
	} {
		require.Equal(t, 503, s.post(tab, form).code, tab)
	}
	for _, do := range []string{"test", "preset", "remove"} {
		require.Equal(t, 503, s.post("setup", url.Values{"do": {do}}).code, do)
	}
	for _, do := range []string{"redrive", "purge"} {
		require.Equal(t, 503, s.post("deliveries", url.Values{"do": {do}, "letter": {"x"}}).code, do)
	}
}

func TestLiveParts(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	for _, tab := range tabs {
		path := at(tab) + "&live"
		a := s.get(path)
		require.Equal(t, 200, a.code)
		require.Contains(t, a.body, `id="status" class="status" data-live`)
		require.NotContains(t, a.body, "<html", "only what changes by itself")
		require.NotContains(t, a.body, `name="endpoint"`, "nobody loses what they are typing")

		again := s.as("admin", http.MethodGet, path, nil, "If-None-Match", a.header.Get("ETag"))
		require.Equal(t, 304, again.code)
		require.Empty(t, again.body)
	}
	before := s.get(at("setup") + "&live").header.Get("ETag")
	_, err := s.shipper.Update(context.Background(), hook, off)
	require.NoError(t, err)
	require.NotEqual(t, before, s.get(at("setup")+"&live").header.Get("ETag"))
	require.Contains(t, s.get("/audit-logs/?live").body, `id="rows"`)
}

func TestPagesOfReaders(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure(withPath)
	for _, tab := range tabs {
		a := s.as("viewer", http.MethodGet, at(tab), nil)
		require.Equal(t, 200, a.code)
		requireSafe(t, a)
		for _, control := range []string{"<form", "<button", "<input", "<select"} {
			require.NotContains(t, a.body, control, tab)
		}
	}
	a := s.as("viewer", http.MethodGet, at("setup"), nil)
	require.Contains(t, a.body, "<dd>"+s.siem.URL()[:len("https://127.0.0.1:")], "the origin")
	require.Contains(t, a.body, "Saved")
	require.Contains(t, a.body, "Read only")
}
