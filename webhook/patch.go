package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// Patch is a partial update of a [Config]. Only the fields that are set take
// part in it; the zero Patch changes nothing.
//
//	webhook.Patch{Enabled: webhook.Set(false)}
//
// A Patch that sets the authorization cannot be marshalled by encoding/json,
// so that no log or store reveals it by accident: [EncodePatch] is its wire
// form. What [Config] says about logging holds here too.
type Patch struct {
	// Endpoint is checked by [ValidateEndpoint].
	Endpoint Optional[string] `json:"endpoint,omitzero"`
	// Authorization is checked by [ValidateAuthorization].
	Authorization Optional[Secret] `json:"authorization,omitzero"`
	// Enabled switches sending on or off.
	Enabled Optional[bool] `json:"enabled,omitzero"`
	// LogFormat is CEF, JSON or CPS.
	LogFormat Optional[LogFormat] `json:"log_format,omitzero"`
	// SkipSSLVerification accepts any certificate of the endpoint.
	SkipSSLVerification Optional[bool] `json:"skip_ssl_verification,omitzero"`
}

// IsZero reports whether the patch sets nothing.
func (p Patch) IsZero() bool {
	return p.Endpoint.IsZero() && p.Authorization.IsZero() && p.Enabled.IsZero() &&
		p.LogFormat.IsZero() && p.SkipSSLVerification.IsZero()
}

// Validate checks the values that are set, by the rules of [ValidateEndpoint],
// [ValidateAuthorization] and the known formats. Its error is a
// [*ValidationError] that names each field at fault. Whether a webhook may be
// enabled is up to [Config.Apply], which knows the rest of its configuration.
func (p Patch) Validate() error {
	var invalid ValidationError
	p.check(&invalid)
	return invalid.orNil()
}

func (p Patch) check(invalid *ValidationError) {
	if authorization, ok := p.Authorization.Get(); ok {
		invalid.checkAuthorization(authorization)
	}
	if endpoint, ok := p.Endpoint.Get(); ok {
		invalid.checkEndpoint(endpoint)
	}
	if format, ok := p.LogFormat.Get(); ok {
		invalid.checkLogFormat(format)
	}
}

// EncodePatch returns the patch as the body of a PATCH request: an object with
// the members that were set and no others. It reveals the authorization, so
// the result belongs on the wire and nowhere else.
func EncodePatch(p Patch) []byte {
	// The outer member hides the embedded one of the same name.
	body := struct {
		Patch
		Authorization Optional[string] `json:"authorization,omitzero"`
	}{Patch: p}
	if authorization, ok := p.Authorization.Get(); ok {
		body.Authorization = Set(authorization.Reveal())
	}
	data, _ := json.Marshal(body) // texts and booleans always have a JSON form
	return data
}

// DecodePatch reads the body of a PATCH request as a server must: a member
// that is null is absent, an empty body sets nothing, and everything doubtful
// is refused. Names are compared exactly. Values are not checked beyond their
// type; [Config.Apply] and [Patch.Validate] do that.
//
// Its error is a [*ValidationError]: on "body" if the body is not one JSON
// object, else on each member that is unknown, given twice or of the wrong
// type (the first 16 of them).
func DecodePatch(body []byte) (Patch, error) {
	var p Patch
	if err := decodeBody(body, p.member); err != nil {
		return Patch{}, err
	}
	return p, nil
}

func (p *Patch) member(name string) (into json.Unmarshaler, kind string) {
	switch name {
	case "endpoint":
		return &p.Endpoint, kindString
	case "authorization":
		return &p.Authorization, kindString
	case "enabled":
		return &p.Enabled, kindBoolean
	case "log_format":
		return &p.LogFormat, kindString
	case "skip_ssl_verification":
		return &p.SkipSSLVerification, kindBoolean
	}
	return nil, ""
}

// LogValue implements [slog.LogValuer]. It shows the fields that are set: of
// the endpoint scheme, host and port, of the authorization only that it is
// set.
func (p Patch) LogValue() slog.Value {
	var attrs []slog.Attr
	if v, ok := p.Endpoint.Get(); ok {
		attrs = append(attrs, slog.String("endpoint", origin(v)))
	}
	if v, ok := p.Authorization.Get(); ok {
		attrs = append(attrs, slog.Any("authorization", v.LogValue()))
	}
	if v, ok := p.Enabled.Get(); ok {
		attrs = append(attrs, slog.Bool("enabled", v))
	}
	if v, ok := p.LogFormat.Get(); ok {
		attrs = append(attrs, slog.String("log_format", string(v)))
	}
	if v, ok := p.SkipSSLVerification.Get(); ok {
		attrs = append(attrs, slog.Bool("skip_ssl_verification", v))
	}
	return slog.GroupValue(attrs...)
}

// Format implements [fmt.Formatter] as [Config.Format] does.
func (p Patch) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.LogValue().String()) }

var (
	_ slog.LogValuer = Patch{}
	_ fmt.Formatter  = Patch{}
)
