package console

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-6bcf82c5/auditlog/preset"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// form is the form of a configuration, as it was typed.
type form struct {
	Endpoint   string
	Format     webhook.LogFormat
	Enabled    bool
	SkipVerify bool
	Preset     string // the name of the one that was chosen
	Version    string // of the configuration that it was filled from

	// Errors are what is wrong, by the names of the fields.
	Errors map[string]string

	// Lost tells that an authorization was typed, which is not shown again.
	Lost bool

	authorization webhook.Secret
}

// fields are the names of the form's fields, in their order, and their labels.
var fields = []struct{ Name, Label string }{
	{"endpoint", "Region endpoint"},
	{"authorization", "Authorization header"},
	{"log_format", "Log format"},
	{"skip_ssl_verification", "Skip SSL verification"},
	{"enabled", "Enabled"},
}

// formOf is the form that shows a configuration.
func formOf(cfg webhook.Config) form {
	return form{
		Endpoint: cfg.Endpoint, Format: format(cfg), Enabled: cfg.Enabled, SkipVerify: cfg.SkipSSLVerification,
		Version: version(cfg),
	}
}

func format(cfg webhook.Config) webhook.LogFormat { return cmp.Or(cfg.LogFormat, webhook.CEF) }

func version(cfg webhook.Config) string { return cfg.UpdatedAt.UTC().Format(time.RFC3339Nano) }

// parseForm reads a form that was sent.
func parseForm(v url.Values) form {
	return form{
		Endpoint:   strings.TrimSpace(v.Get("endpoint")),
		Format:     webhook.LogFormat(v.Get("log_format")),
		Enabled:    v.Get("enabled") != "",
		SkipVerify: v.Get("skip_ssl_verification") != "",
		Preset:     v.Get("preset"),
		Version:    v.Get("version"),

		authorization: webhook.NewSecret(strings.TrimSpace(v.Get("authorization"))),
	}
}

// Formats are the formats to choose from.
func (form) Formats() []webhook.LogFormat {
	return []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS}
}

// patch is what the form changes of a configuration.
func (f *form) patch(old webhook.Config) webhook.Patch {
	var p webhook.Patch
	if f.Endpoint != old.Endpoint || f.Endpoint == "" {
		p.Endpoint = webhook.Set(f.Endpoint)
	}
	if !f.authorization.IsZero() {
		p.Authorization = webhook.Set(f.authorization)
	}
	if f.Enabled != old.Enabled {
		p.Enabled = webhook.Set(f.Enabled)
	}
	if f.Format != format(old) {
		p.LogFormat = webhook.Set(f.Format)
	}
	if f.SkipVerify != old.SkipSSLVerification {
		p.SkipSSLVerification = webhook.Set(f.SkipVerify)
	}
	return p
}

// check tells all that is wrong with a change at once. Its error is a
// *webhook.ValidationError, unless it is not about the form.
func (f *form) check(s *shipper.Shipper, old webhook.Config, patch webhook.Patch) error {
	all := &webhook.ValidationError{}
	add := func(params ...webhook.InvalidParameter) {
		for _, p := range params {
			known := func(q webhook.InvalidParameter) bool { return q.Field == p.Field }
			if !slices.ContainsFunc(all.Parameters, known) {
				all.Parameters = append(all.Parameters, p)
			}
		}
	}
	if err := s.Check(old, patch); err != nil {
		wrong, ok := errors.AsType[*webhook.ValidationError](err)
		if !ok {
			return err
		}
		add(wrong.Parameters...)
	}
	if reason := f.again(old); reason != "" {
		add(webhook.InvalidParameter{Field: "authorization", Reason: reason})
	}
	if p, ok := preset.Get(f.Preset); ok {
		authorization := f.authorization
		if authorization.IsZero() {
			authorization = old.Authorization
		}
		if f.Endpoint == p.Endpoint {
			add(webhook.InvalidParameter{Field: "endpoint", Reason: "is still the example: replace it by your own"})
		}
		if wrong, ok := errors.AsType[*webhook.ValidationError](p.Check(f.Endpoint, authorization, f.Format)); ok {
			add(wrong.Parameters...)
		}
	}
	if len(all.Parameters) == 0 {
		return nil
	}
	return all
}

// again tells why the authorization must be given again, if it must. Otherwise
// whoever may change an endpoint could send a secret to themselves.
func (f *form) again(old webhook.Config) string {
	if old.Authorization.IsZero() || !f.authorization.IsZero() {
		return ""
	}
	if f.Endpoint != "" && !sameOrigin(f.Endpoint, old.Endpoint) {
		return "must be given again, because the endpoint moves to another host"
	}
	if f.SkipVerify && !old.SkipSSLVerification {
		return "must be given again, because the receiver's certificate will not be verified"
	}
	return ""
}

// sameOrigin tells whether two URLs have scheme, host and port in common.
func sameOrigin(a, b string) bool {
	u, errU := url.Parse(a)
	v, errV := url.Parse(b)
	return errU == nil && errV == nil && u.Scheme == v.Scheme && strings.EqualFold(u.Hostname(), v.Hostname()) &&
		cmp.Or(u.Port(), "443") == cmp.Or(v.Port(), "443")
}

// onlyEnabled tells whether two configurations differ in the switch alone.
func onlyEnabled(a, b webhook.Config) bool {
	return a.Endpoint == b.Endpoint && a.Authorization.Equal(b.Authorization) && format(a) == format(b) &&
		a.SkipSSLVerification == b.SkipSSLVerification
}

// fill puts the values of the chosen preset where nothing of the user's own
// stands.
func (f *form) fill() {
	p, ok := preset.Get(f.Preset)
	if !ok || p.Refusal != "" {
		return
	}
	untouched := f.Endpoint == ""
	for _, other := range preset.All() {
		untouched = untouched || f.Endpoint == other.Endpoint
	}
	if untouched {
		f.Endpoint = p.Endpoint
	}
	if !slices.Contains(p.Formats, f.Format) {
		f.Format = p.Formats[0]
	}
}

// setErrors puts what is wrong at the fields.
func (f *form) setErrors(wrong *webhook.ValidationError) {
	f.Errors = map[string]string{}
	for _, p := range wrong.Parameters {
		if f.Errors[p.Field] == "" {
			f.Errors[p.Field] = sentence(p.Reason)
		}
	}
}

// sentence makes a reason one.
func sentence(reason string) string {
	first, n := utf8.DecodeRuneInString(reason)
	return string(unicode.ToUpper(first)) + strings.TrimSuffix(reason[n:], ".") + "."
}

// problem is an error with the field that it is about.
type problem struct{ Field, Label, Text string }

// Problems lists the errors in the order of the fields.
func (f form) Problems() []problem {
	var all []problem
	for _, field := range fields {
		if text := f.Errors[field.Name]; text != "" {
			all = append(all, problem{field.Name, field.Label, text})
		}
	}
	return all
}

// First tells whether a field is the first one with an error, which is where the
// user goes on.
func (f form) First(field string) bool {
	all := f.Problems()
	return len(all) > 0 && all[0].Field == field
}
