package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Destination is an endpoint that webhooks are bound to by its ID: that of a
// region (version 3) and those of developer portals. Destinations belong to
// the organization, whatever the region they are made in.
//
// As JSON it is the management API's answer: id, name, endpoint, log_format,
// skip_ssl_verification, created_at and updated_at, in this order and all of
// them always present. The authorization is never part of it;
// [EncodeDestination] is the body of a request. What [Config] says about
// logging and endpoints holds here too.
type Destination struct {
	// ID is a UUID, given by the server. A request to create one has none.
	ID string
	// Name is for people, and what a list is filtered by. Nothing is documented
	// about two destinations of one name.
	Name string
	// Endpoint is the https URL that events are sent to. See
	// [ValidateEndpoint].
	Endpoint string
	// Authorization is the value of the Authorization header of each request
	// to the endpoint, scheme included. The API never returns it, so it is
	// empty in a Destination that a client has read. See
	// [ValidateAuthorization].
	Authorization Secret
	// LogFormat is the form of the events; empty means [CEF].
	LogFormat LogFormat
	// SkipSSLVerification accepts any certificate of the endpoint. It is meant
	// for test set-ups.
	SkipSSLVerification bool
	// CreatedAt and UpdatedAt are the server's.
	CreatedAt, UpdatedAt time.Time
}

// MaxNameChars is the length of the longest name of a destination, in
// characters. The limit is this package's own: Konnect documents none.
const MaxNameChars = 255

// Validate checks name, endpoint, authorization and format, as a server does
// before it creates the destination. Its error is a [*ValidationError] that
// names each field at fault.
func (d Destination) Validate() error {
	return DestinationPatch{
		Name:          Set(d.Name),
		Endpoint:      Set(d.Endpoint),
		Authorization: Set(d.Authorization),
		LogFormat:     Set(d.LogFormat.orCEF()),
	}.Validate()
}

// Apply returns the destination with the fields that p sets; the others keep
// their values. If nothing changes the result is d itself, else UpdatedAt is
// now, in UTC.
//
// It returns d and a [*ValidationError] if a value that p sets is not valid.
func (d Destination) Apply(p DestinationPatch, now time.Time) (Destination, error) {
	if err := p.Validate(); err != nil {
		return d, err
	}
	next := d
	next.Name = p.Name.or(d.Name)
	next.Endpoint = p.Endpoint.or(d.Endpoint)
	next.Authorization = p.Authorization.or(d.Authorization)
	next.LogFormat = p.LogFormat.or(d.LogFormat.orCEF())
	next.SkipSSLVerification = p.SkipSSLVerification.or(d.SkipSSLVerification)
	if next.Name == d.Name && next.Endpoint == d.Endpoint && next.Authorization.Equal(d.Authorization) &&
		next.LogFormat == d.LogFormat.orCEF() && next.SkipSSLVerification == d.SkipSSLVerification {
		return d, nil
	}
	next.UpdatedAt = now.UTC()
	return next, nil
}

// destinationAnswer is the wire form of a Destination.
type destinationAnswer struct {
	ID                  string    `json:"id"`
	Name                string    `json:"name"`
	Endpoint            string    `json:"endpoint"`
	LogFormat           LogFormat `json:"log_format"`
	SkipSSLVerification bool      `json:"skip_ssl_verification"`
	CreatedAt           string    `json:"created_at"`
	UpdatedAt           string    `json:"updated_at"`
}

// MarshalJSON implements [json.Marshaler]. The result never holds the
// authorization. Times are RFC 3339 in UTC.
func (d Destination) MarshalJSON() ([]byte, error) {
	return json.Marshal(destinationAnswer{
		ID:                  d.ID,
		Name:                d.Name,
		Endpoint:            d.Endpoint,
		LogFormat:           d.LogFormat.orCEF(),
		SkipSSLVerification: d.SkipSSLVerification,
		CreatedAt:           formatTime(d.CreatedAt),
		UpdatedAt:           formatTime(d.UpdatedAt),
	})
}

// UnmarshalJSON implements [json.Unmarshaler] for the answer of a management
// API. It is as lenient as [Config.UnmarshalJSON]. It replaces the whole
// Destination; after an error the Destination is as it was.
func (d *Destination) UnmarshalJSON(data []byte) error {
	var a destinationAnswer
	if err := json.Unmarshal(data, &a); err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	createdAt, err := parseTime(a.CreatedAt)
	if err != nil {
		return fmt.Errorf("webhook: created_at: %w", err)
	}
	updatedAt, err := parseTime(a.UpdatedAt)
	if err != nil {
		return fmt.Errorf("webhook: updated_at: %w", err)
	}
	*d = Destination{
		ID:                  a.ID,
		Name:                a.Name,
		Endpoint:            a.Endpoint,
		LogFormat:           a.LogFormat.orCEF(),
		SkipSSLVerification: a.SkipSSLVerification,
		CreatedAt:           createdAt,
		UpdatedAt:           updatedAt,
	}
	return nil
}

// EncodeDestination returns the body of a POST request that creates d: the
// members that a client may choose, all of them. It reveals the authorization,
// so the result belongs on the wire and nowhere else.
func EncodeDestination(d Destination) []byte {
	return EncodeDestinationPatch(DestinationPatch{
		Name:                Set(d.Name),
		Endpoint:            Set(d.Endpoint),
		Authorization:       Set(d.Authorization),
		LogFormat:           Set(d.LogFormat.orCEF()),
		SkipSSLVerification: Set(d.SkipSSLVerification),
	})
}

// DecodeDestination reads the body of a POST request as a server must: as
// [DecodePatch] does, and each of name, endpoint, authorization and log_format
// has to be there. Values are not checked beyond their type;
// [Destination.Validate] does that. Its error is a [*ValidationError].
func DecodeDestination(body []byte) (Destination, error) {
	p, err := DecodeDestinationPatch(body)
	if err != nil {
		return Destination{}, err
	}
	var invalid ValidationError
	for _, required := range []struct {
		field  string
		absent bool
	}{
		{"authorization", p.Authorization.IsZero()},
		{"endpoint", p.Endpoint.IsZero()},
		{"log_format", p.LogFormat.IsZero()},
		{"name", p.Name.IsZero()},
	} {
		if required.absent {
			invalid.missing(required.field)
		}
	}
	if err := invalid.orNil(); err != nil {
		return Destination{}, err
	}
	return Destination{
		Name:                p.Name.or(""),
		Endpoint:            p.Endpoint.or(""),
		Authorization:       p.Authorization.or(Secret{}),
		LogFormat:           p.LogFormat.or(""),
		SkipSSLVerification: p.SkipSSLVerification.or(false),
	}, nil
}

// LogValue implements [slog.LogValuer]. It shows scheme, host and port of the
// endpoint, and of the authorization only whether there is one.
func (d Destination) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", d.ID),
		slog.String("name", d.Name),
		slog.String("endpoint", origin(d.Endpoint)),
		slog.Any("authorization", d.Authorization.LogValue()),
		slog.String("log_format", string(d.LogFormat)),
		slog.Bool("skip_ssl_verification", d.SkipSSLVerification),
		slog.Time("created_at", d.CreatedAt),
		slog.Time("updated_at", d.UpdatedAt),
	)
}

// Format implements [fmt.Formatter] as [Config.Format] does.
func (d Destination) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.LogValue().String()) }

func (e *ValidationError) checkName(name string) {
	const field, detail = "name", "Invalid name"
	switch {
	case strings.TrimSpace(name) == "":
		e.missing(field)
	case utf8.RuneCountInString(name) > MaxNameChars:
		e.tooLong(field, detail, MaxNameChars)
	case !utf8.ValidString(name), strings.ContainsFunc(name, unicode.IsControl):
		e.add(detail, InvalidParameter{
			Field: field, Reason: "must not hold control characters", Source: "body", Rule: "invalid",
		})
	}
}

var (
	_ slog.LogValuer = Destination{}
	_ fmt.Formatter  = Destination{}
)
