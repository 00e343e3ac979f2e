package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// DestinationPatch is a partial update of a [Destination]. Only the fields
// that are set take part in it; the zero DestinationPatch changes nothing.
// What [Patch] says about marshalling and logging holds here too.
type DestinationPatch struct {
	// Name is at most [MaxNameChars] long.
	Name Optional[string] `json:"name,omitzero"`
	// Endpoint is checked by [ValidateEndpoint].
	Endpoint Optional[string] `json:"endpoint,omitzero"`
	// Authorization is checked by [ValidateAuthorization].
	Authorization Optional[Secret] `json:"authorization,omitzero"`
	// LogFormat is CEF, JSON or CPS.
	LogFormat Optional[LogFormat] `json:"log_format,omitzero"`
	// SkipSSLVerification accepts any certificate of the endpoint.
	SkipSSLVerification Optional[bool] `json:"skip_ssl_verification,omitzero"`
}

// IsZero reports whether the patch sets nothing.
func (p DestinationPatch) IsZero() bool {
	return p.Name.IsZero() && p.Endpoint.IsZero() && p.Authorization.IsZero() &&
		p.LogFormat.IsZero() && p.SkipSSLVerification.IsZero()
}

// Validate checks the values that are set. Its error is a [*ValidationError]
// that names each field at fault.
func (p DestinationPatch) Validate() error {
	var invalid ValidationError
	if authorization, ok := p.Authorization.Get(); ok {
		invalid.checkAuthorization(authorization)
	}
	if endpoint, ok := p.Endpoint.Get(); ok {
		invalid.checkEndpoint(endpoint)
	}
	if format, ok := p.LogFormat.Get(); ok {
		invalid.checkLogFormat(format)
	}
	if name, ok := p.Name.Get(); ok {
		invalid.checkName(name)
	}
	return invalid.orNil()
}

// EncodeDestinationPatch returns the patch as the body of a PATCH request, as
// [EncodePatch] does. It reveals the authorization.
func EncodeDestinationPatch(p DestinationPatch) []byte {
	// The outer member hides the embedded one of the same name.
	body := struct {
		DestinationPatch
		Authorization Optional[string] `json:"authorization,omitzero"`
	}{DestinationPatch: p}
	if authorization, ok := p.Authorization.Get(); ok {
		body.Authorization = Set(authorization.Reveal())
	}
	data, _ := json.Marshal(body) // texts and booleans always have a JSON form
	return data
}

// DecodeDestinationPatch reads the body of a PATCH request as a server must,
// as [DecodePatch] does.
func DecodeDestinationPatch(body []byte) (DestinationPatch, error) {
	var p DestinationPatch
	if err := decodeBody(body, p.member); err != nil {
		return DestinationPatch{}, err
	}
	return p, nil
}

func (p *DestinationPatch) member(name string) (into json.Unmarshaler, kind string) {
	switch name {
	case "name":
		return &p.Name, kindString
	case "endpoint":
		return &p.Endpoint, kindString
	case "authorization":
		return &p.Authorization, kindString
	case "log_format":
		return &p.LogFormat, kindString
	case "skip_ssl_verification":
		return &p.SkipSSLVerification, kindBoolean
	}
	return nil, ""
}

// LogValue implements [slog.LogValuer] as [Patch.LogValue] does.
func (p DestinationPatch) LogValue() slog.Value {
	attrs := Patch{
		Endpoint: p.Endpoint, Authorization: p.Authorization, LogFormat: p.LogFormat, SkipSSLVerification: p.SkipSSLVerification,
	}.LogValue().Group()
	if name, ok := p.Name.Get(); ok {
		attrs = append([]slog.Attr{slog.String("name", name)}, attrs...)
	}
	return slog.GroupValue(attrs...)
}

// Format implements [fmt.Formatter] as [Config.Format] does.
func (p DestinationPatch) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, p.LogValue().String())
}

var (
	_ slog.LogValuer = DestinationPatch{}
	_ fmt.Formatter  = DestinationPatch{}
)
