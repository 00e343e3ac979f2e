package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/console"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

var off = webhook.Patch{Enabled: webhook.Set(false)}

// withPath gives the endpoint a path that is secret.
func withPath(p *webhook.Patch) {
	endpoint, _ := p.Endpoint.Get()
	p.Endpoint = webhook.Set(endpoint + "/" + secretMark + "path")
}

// form is what the page's form sends when it was filled so.
func (s *setup) form(change ...string) url.Values {
	s.t.Helper()
	cfg := s.config()
	v := url.Values{"do": {"save"}, "endpoint": {cfg.Endpoint}, "log_format": {"cef"}, "version": {s.version()}}
	if cfg.LogFormat != "" {
		v.Set("log_format", string(cfg.LogFormat))
	}
	if cfg.Enabled {
		v.Set("enabled", "on")
	}
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == "" {
			v.Del(change[i])
		} else {
			v.Set(change[i], change[i+1])
		}
	}
	return v
}

// version is the hidden field of the page's form.
func (s *setup) version() string {
	s.t.Helper()
	found := regexp.MustCompile(`name="version" value="([^"]+)"`).FindStringSubmatch(s.get(at("setup")).body)
	require.Len(s.t, found, 2)
	return found[1]
}

func TestFirstSetup(t *testing.T) {
	t.Parallel()
	s := newSetup(t)

	a := s.get(at("setup"))
	require.Equal(t, 200, a.code)
	requireSafe(t, a)
	require.Contains(t, a.body, ">Unconfigured<")
	require.Contains(t, a.body, "No webhook has been configured yet.")

	a = s.post("setup", s.form("endpoint", s.siem.URL(), "authorization", authorization, "log_format", "json", "enabled", "on"))
	require.Equal(t, 303, a.code)
	require.Equal(t, "setup?done=saved&webhook=acme%2Feu", a.header.Get("Location"))
	cfg := s.config()
	require.Equal(t, s.siem.URL(), cfg.Endpoint)
	require.True(t, cfg.Authorization.Equal(webhook.NewSecret(authorization)))
	require.Equal(t, webhook.JSON, cfg.LogFormat)
	require.True(t, cfg.Enabled)

	a = s.get("/audit-logs/" + a.header.Get("Location"))
	require.Contains(t, a.body, "Saved.")
	require.Contains(t, a.body, ">Active<")
	require.Contains(t, a.body, `value="`+s.siem.URL()+`"`)

	events := s.recorded()
	require.Len(t, events, 1)
	require.Equal(t, console.EventService, events[0].ClassID)
	require.Equal(t, "Authz.audit-log-webhook", events[0].Name)
	who, _ := events[0].Get("principal_id")
	require.Equal(t, "admin", who.String())
	fields, _ := events[0].Get(console.ChangedFieldsKey)
	require.Equal(t, "endpoint,authorization,log_format,enabled", fields.String())
}

func TestSaveChangesOnlyWhatWasChanged(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	before := s.configure(func(p *webhook.Patch) { p.SkipSSLVerification = webhook.Set(true) })

	a := s.post("setup", s.form("log_format", "cps", "skip_ssl_verification", "on"))
	require.Equal(t, 303, a.code)
	cfg := s.config()
	require.Equal(t, webhook.CPS, cfg.LogFormat)
	require.True(t, cfg.Authorization.Equal(before.Authorization))
	require.True(t, cfg.SkipSSLVerification)
	fields, _ := s.recorded()[0].Get(console.ChangedFieldsKey)
	require.Equal(t, "log_format", fields.String())

	a = s.post("setup", s.form("skip_ssl_verification", "on"))
	require.Contains(t, a.header.Get("Location"), "done=same")
	require.Equal(t, cfg.UpdatedAt, s.config().UpdatedAt)
	require.Len(t, s.recorded(), 1, "nothing happened, and nothing is recorded")

	a = s.post("setup", s.form("enabled", "", "skip_ssl_verification", "on"))
	require.Equal(t, 303, a.code)
	require.False(t, s.config().Enabled)
	require.Contains(t, s.get(at("setup")).body, ">Disabled<")
}

func TestSaveErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		fresh  bool // not configured before
		change []string
		field  string
		text   string
		kept   string // is in the page again
		also   string // another field at fault
	}{
		{name: "no endpoint", fresh: true, change: []string{"authorization", authorization}, field: "endpoint", text: "Cannot be blank."},
		{name: "not https", change: []string{"endpoint", "http://siem.example.com/x", "authorization", authorization}, field: "endpoint", kept: "http://siem.example.com/x"},
		{name: "a private address", change: []string{"endpoint", "https://10.0.0.1/x", "authorization", authorization}, field: "endpoint", text: "not public", kept: "https://10.0.0.1/x"},
		{name: "enabled without authorization", fresh: true, change: []string{"endpoint", "https://siem.example.com/x", "enabled", "on"}, field: "authorization", text: "Cannot be blank.", kept: "https://siem.example.com/x"},
		{name: "an authorization with a line break", change: []string{"authorization", "Bearer\n" + secretMark}, field: "authorization"},
		{name: "another origin", change: []string{"endpoint", "https://evil.example.com/audit"}, field: "authorization", text: "moves to another host", kept: "https://evil.example.com/audit"},
		{name: "another port", change: []string{"endpoint", "https://127.0.0.1:1/"}, field: "authorization", text: "moves to another host"},
		{name: "no verification", change: []string{"skip_ssl_verification", "on"}, field: "authorization", text: "will not be verified", kept: `value="on" checked`},
		{name: "an unknown format", change: []string{"log_format", "xml"}, field: "log_format"},
		{name: "two at once", change: []string{"endpoint", "ftp://x", "authorization", "\x01"}, field: "endpoint", also: "authorization"},
		{name: "the preset's example", change: []string{"preset", "splunk", "endpoint", "https://splunk.example.com:8088/services/collector/raw", "authorization", "Splunk t0k-x"}, field: "endpoint", text: "still the example"},
		{name: "not as the preset wants it", change: []string{"preset", "splunk", "endpoint", "https://siem.example.com/x", "authorization", authorization}, field: "endpoint", text: "must be of the form", also: "authorization"},
		{name: "a receiver that takes no lines", change: []string{"preset", "sentinel"}, field: "endpoint", text: "array of JSON"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t)
			if !tt.fresh {
				s.configure()
			}
			before := s.config()
			a := s.post("setup", s.form(tt.change...))
			require.Equal(t, 422, a.code)
			requireSafe(t, a)
			require.Contains(t, a.body, "Nothing was saved.")
			for _, field := range []string{tt.field, tt.also} {
				if field != "" {
					require.Contains(t, a.body, `<a href="#`+field+`">`)
					require.Contains(t, a.body, `id="`+field+`-error"`)
				}
			}
			require.Contains(t, strings.ToLower(a.body), strings.ToLower(tt.text))
			require.Contains(t, a.body, tt.kept)
			if strings.Contains(strings.Join(tt.change, " "), secretMark) {
				require.Contains(t, a.body, "Enter it once more.")
			}
			after := s.config()
			require.Equal(t, before.Endpoint, after.Endpoint)
			require.Equal(t, before.UpdatedAt, after.UpdatedAt)
			require.True(t, before.Authorization.Equal(after.Authorization))
			require.Empty(t, s.recorded())
		})
	}
}

func TestSaveElsewhereWithAuthorization(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	a := s.post("setup", s.form("endpoint", "https://siem.example.com/audit", "authorization", "Splunk t0k-2", "skip_ssl_verification", "on"))
	require.Equal(t, 303, a.code)
	cfg := s.config()
	require.Equal(t, "https://siem.example.com/audit", cfg.Endpoint)
	require.True(t, cfg.Authorization.Equal(webhook.NewSecret("Splunk t0k-2")))
	require.True(t, cfg.SkipSSLVerification)
}

func TestSaveAfterSomebodyElse(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	mine := s.form("log_format", "cps")
	_, err := s.shipper.Update(t.Context(), hook, webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
	require.NoError(t, err)

	a := s.post("setup", mine)
	require.Equal(t, 409, a.code)
	require.Contains(t, a.body, "Somebody else has changed this webhook")
	require.Contains(t, a.body, `value="cps" checked`, "what was chosen stands")
	require.Equal(t, webhook.JSON, s.config().LogFormat)

	mine.Set("version", s.version())
	require.Equal(t, 303, s.post("setup", mine).code)
	require.Equal(t, webhook.CPS, s.config().LogFormat)
}

func TestSaveTakesAWebhookOffItsDestination(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	s.configure()
	bind := func(shipper.Webhook) (shipper.Change, error) {
		return shipper.Change{Label: webhook.Set("0a1b")}, nil
	}
	_, err := s.shipper.Change(t.Context(), hook, bind)
	require.NoError(t, err)
	require.Contains(t, s.get(at("setup")).body, "<code>0a1b</code>")

	require.Equal(t, 303, s.post("setup", s.form("enabled", "")).code)
	w, err := s.shipper.Webhook(t.Context(), hook)
	require.NoError(t, err)
	require.Equal(t, "0a1b", w.Label, "the switch is the webhook's own")

	require.Equal(t, 303, s.post("setup", s.form("log_format", "json")).code)
	w, err = s.shipper.Webhook(t.Context(), hook)
	require.NoError(t, err)
	require.Empty(t, w.Label)
}

func TestPresets(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	a := s.post("setup", url.Values{"do": {"preset"}, "preset": {"dynatrace"}, "log_format": {"cef"}})
	require.Equal(t, 200, a.code)
	require.Contains(t, a.body, "abc12345.live.dynatrace.com")
	require.Contains(t, a.body, `value="json" checked`)
	require.Contains(t, a.body, "<code>Api-Token</code>")
	require.Contains(t, a.body, "reaches back 24 hours")
	require.Contains(t, a.body, `href="https://docs.dynatrace.com/`)

	a = s.post("setup", url.Values{"do": {"preset"}, "preset": {"splunk"}, "endpoint": {"https://mine.example.com/"}, "log_format": {"cps"}, "authorization": {authorization}})
	require.Contains(t, a.body, `value="https://mine.example.com/"`, "what was typed stays")
	require.Contains(t, a.body, `value="cps" checked`, "and so does a format that the receiver takes")
	require.Contains(t, a.body, "Enter it once more.")

	a = s.post("setup", url.Values{"do": {"preset"}, "preset": {"loki"}})
	require.Contains(t, a.body, "put Grafana Alloy")

	a = s.post("setup", url.Values{"do": {"preset"}, "preset": {"sumologic"}})
	require.Contains(t, a.body, "a part of the endpoint")
	require.Zero(t, s.config(), "nothing is saved")
}

func TestTestEvent(t *testing.T) {
	t.Parallel()
	s := newSetup(t)
	a := s.post("setup", s.form("do", "test", "endpoint", "https://mine.example.com/"))
	require.Equal(t, 409, a.code)
	require.Contains(t, a.body, "Save an endpoint first")
	require.Contains(t, a.body, `value="https://mine.example.com/"`)

	s.configure()
	a = s.post("setup", s.form("do", "test"))
	require.Equal(t, 200, a.code)
	require.Contains(t, a.body, "The test event was delivered.")
	require.Contains(t, a.body, "<dd>200 OK</dd>")
	require.Equal(t, shipper.TestClass, s.siem.Events()[0].ClassID)
	require.NotContains(t, a.body, "not saved yet")

	s.siem.Script(konnecttest.Step{Status: 401, Body: "no such token: " + authorization})
	a = s.post("setup", s.form("do", "test", "log_format", "cps"))
	require.Equal(t, 200, a.code)
	require.Contains(t, a.body, "The test event was not delivered.")
	require.Contains(t, a.body, "<dd>401 Unauthorized</dd>")
	require.Contains(t, a.body, "no such token: ")
	require.Contains(t, a.body, "does not accept the authorization")
	require.Contains(t, a.body, "not saved yet")
	require.Equal(t, webhook.CEF, s.config().LogFormat)
	require.Empty(t, s.recorded(), "a test is not recorded")
}

// durable keeps the Shipper from seeing that a store is in memory only.
type durable struct{ store.Store }

func TestNoKey(t *testing.T) {
	t.Parallel()
	s := newSetup(t, func(o *options) {
		o.store = durable{memory(t)}
		o.shipper = func(c *shipper.Config) { c.Keys = nil }
	})
	a := s.post("setup", s.form("endpoint", s.siem.URL(), "authorization", authorization))
	require.Equal(t, 422, a.code)
	require.Contains(t, a.body, "has no key to keep an authorization with")
}

func TestUnreadableConfiguration(t *testing.T) {
	t.Parallel()
	st := memory(t)
	s := newSetup(t, func(o *options) { o.store = st })
	s.configure()
	require.NoError(t, s.shipper.Close(t.Context()))
	other := newSetup(t, func(o *options) {
		o.store = st
		o.shipper = func(c *shipper.Config) {
			key, err := shipper.NewKey([]byte("another key, the first is gone!!"))
			require.NoError(t, err)
			c.Keys = []shipper.Key{key}
		}
	})
	a := other.get(at("setup"))
	require.Equal(t, 200, a.code)
	require.Contains(t, a.body, "cannot be opened")
	require.Contains(t, other.as("viewer", http.MethodGet, at("setup"), nil).body, "cannot be opened")
	require.Equal(t, 200, other.get(at("deliveries")).code)
	require.Contains(t, other.get(at("replay")).body, "cannot be opened, so nothing is sent")
	require.Equal(t, 409, other.post("replay", url.Values{"range": {"1h"}}).code)

	for _, do := range []string{"save", "test"} {
		a = other.post("setup", url.Values{"do": {do}, "endpoint": {"https://siem.example.com/"}, "log_format": {"cef"}})
		require.Equal(t, 409, a.code, do)
		require.Contains(t, a.body, "cannot be opened")
	}
	a = other.post("setup", url.Values{"do": {"remove"}})
	require.Equal(t, 303, a.code)
	require.Contains(t, a.header.Get("Location"), "done=removed")
	require.Zero(t, other.config())
	a = other.post("setup", url.Values{"do": {"remove"}})
	require.Contains(t, a.header.Get("Location"), "done=same", "one that can be read is not removed")
}
