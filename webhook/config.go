package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"time"
)

// LogFormat names the form in which events are sent.
type LogFormat string

// The formats of the management API.
const (
	CEF  LogFormat = "cef"  // ArcSight Common Event Format, the default
	JSON LogFormat = "json" // one flat object a line
	CPS  LogFormat = "cps"  // CrowdStrike Parsing Standard: that object in {"event":…}
)

// orCEF returns the format, the default in place of none.
func (f LogFormat) orCEF() LogFormat {
	if f == "" {
		return CEF
	}
	return f
}

// unconfigured stands for the endpoint in the answer about a webhook that has
// none. Clients recognise it by this word.
const unconfigured = "unconfigured"

// Config is the configuration of a webhook. The zero Config is a webhook that
// was never configured. Change it by [Config.Apply], which checks it.
//
// As JSON it is the management API's answer: the members endpoint, log_format,
// enabled, skip_ssl_verification and updated_at, in this order and all of them
// always present. The authorization is never part of it. Of a webhook without
// endpoint the member endpoint is "unconfigured", and an empty format is "cef".
//
// An endpoint may hold a credential in its path or query, as several vendors'
// do. As the value of a log/slog attribute, and with fmt, a Config shows an
// endpoint's scheme, host and port only. Inside another value it may be
// marshalled as JSON, or printed from an unexported field, endpoint and all;
// the authorization never is.
type Config struct {
	// Endpoint is the https URL that events are sent to, empty before the
	// first set-up. See [ValidateEndpoint].
	Endpoint string
	// Authorization is the value of the Authorization header of each request
	// to the endpoint, scheme included. The management API never returns it,
	// so it is empty in a Config that a client has read. See
	// [ValidateAuthorization].
	Authorization Secret
	// Enabled switches sending on.
	Enabled bool
	// LogFormat is the form of the events. [Config.Apply] and decoding turn an
	// empty one into [CEF].
	LogFormat LogFormat
	// SkipSSLVerification accepts any certificate of the endpoint. It is meant
	// for test set-ups.
	SkipSSLVerification bool
	// UpdatedAt is when the configuration changed last, zero before the first
	// set-up.
	UpdatedAt time.Time
}

// Configured reports whether the webhook has an endpoint.
func (c Config) Configured() bool { return c.Endpoint != "" }

// Apply returns the configuration with the fields that p sets. Fields that p
// does not set keep their values: no default is ever filled in for them. If
// nothing changes, as when an unconfigured webhook is switched off, the result
// is c itself; else UpdatedAt is now, in UTC.
//
// It returns c and a [*ValidationError] that names each field at fault if a
// value that p sets is not valid, or if the webhook would be enabled without
// endpoint or authorization.
func (c Config) Apply(p Patch, now time.Time) (Config, error) {
	var invalid ValidationError
	p.check(&invalid)

	next := c
	next.Endpoint = p.Endpoint.or(c.Endpoint)
	next.Authorization = p.Authorization.or(c.Authorization)
	next.Enabled = p.Enabled.or(c.Enabled)
	next.LogFormat = p.LogFormat.or(c.LogFormat.orCEF())
	next.SkipSSLVerification = p.SkipSSLVerification.or(c.SkipSSLVerification)

	if next.Enabled && next.Authorization.IsZero() {
		invalid.missing("authorization")
	}
	if next.Enabled && next.Endpoint == "" {
		invalid.missing("endpoint")
	}
	if err := invalid.orNil(); err != nil {
		return c, err
	}
	if next.equal(c) {
		return c, nil
	}
	next.UpdatedAt = now.UTC()
	return next, nil
}

// equal reports whether both have the same settings.
func (c Config) equal(other Config) bool {
	return c.Endpoint == other.Endpoint &&
		c.Authorization.Equal(other.Authorization) &&
		c.Enabled == other.Enabled &&
		c.LogFormat.orCEF() == other.LogFormat.orCEF() &&
		c.SkipSSLVerification == other.SkipSSLVerification
}

// answer is the wire form of a Config.
type answer struct {
	Endpoint            string    `json:"endpoint"`
	LogFormat           LogFormat `json:"log_format"`
	Enabled             bool      `json:"enabled"`
	SkipSSLVerification bool      `json:"skip_ssl_verification"`
	UpdatedAt           string    `json:"updated_at"`
}

// MarshalJSON implements [json.Marshaler]. The result never holds the
// authorization. Times are RFC 3339 in UTC.
func (c Config) MarshalJSON() ([]byte, error) {
	a := answer{
		Endpoint:            c.Endpoint,
		LogFormat:           c.LogFormat.orCEF(),
		Enabled:             c.Enabled,
		SkipSSLVerification: c.SkipSSLVerification,
		UpdatedAt:           formatTime(c.UpdatedAt),
	}
	if !c.Configured() {
		a.Endpoint = unconfigured
	}
	return json.Marshal(a)
}

// UnmarshalJSON implements [json.Unmarshaler] for the answer of a management
// API. It is lenient: members may be missing, null or unknown, a format may be
// one of tomorrow, and the zero time may be spelt 0001-01-01T00:00:0Z, as
// Konnect's documentation has it. The endpoint "unconfigured" is read as none.
// It replaces the whole Config; after an error the Config is as it was.
func (c *Config) UnmarshalJSON(data []byte) error {
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	updatedAt, err := parseTime(a.UpdatedAt)
	if err != nil {
		return fmt.Errorf("webhook: updated_at: %w", err)
	}
	if a.Endpoint == unconfigured {
		a.Endpoint = ""
	}
	*c = Config{
		Endpoint:            a.Endpoint,
		Enabled:             a.Enabled,
		LogFormat:           a.LogFormat.orCEF(),
		SkipSSLVerification: a.SkipSSLVerification,
		UpdatedAt:           updatedAt,
	}
	return nil
}

// LogValue implements [slog.LogValuer]. It shows scheme, host and port of the
// endpoint, and of the authorization only whether there is one.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("endpoint", origin(c.Endpoint)),
		slog.Any("authorization", c.Authorization.LogValue()),
		slog.Bool("enabled", c.Enabled),
		slog.String("log_format", string(c.LogFormat)),
		slog.Bool("skip_ssl_verification", c.SkipSSLVerification),
		slog.Time("updated_at", c.UpdatedAt),
	)
}

// origin returns what may be shown of an endpoint.
func origin(endpoint string) string {
	if endpoint == "" {
		return unconfigured
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return "invalid"
	}
	return u.Scheme + "://" + u.Host
}

// Format implements [fmt.Formatter]: every verb prints what LogValue shows,
// since the path of an endpoint can hold a credential.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.LogValue().String()) }

var (
	_ slog.LogValuer = Config{}
	_ fmt.Formatter  = Config{}
)
