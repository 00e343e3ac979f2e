package preset

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Preset is what is known of a receiver.
type Preset struct {
	// Name is for flags and configuration files, such as "splunk-cloud".
	Name string
	// Title is for people, such as "Splunk Cloud Platform, HTTP Event Collector".
	Title string

	// Refusal, if it is not empty, says why the receiver cannot take what a
	// webhook sends, and what to put in between. The fields below are empty
	// then, Sources apart.
	Refusal string

	// Endpoint is an example of one, in the shape that it must have.
	Endpoint string
	// Scheme is the word that the authorization must begin with, such as
	// "Splunk"; empty if any will do.
	Scheme string
	// SecretInURL tells that the receiver's credential is a part of the
	// endpoint, and the authorization is ignored. The management API demands
	// one nonetheless.
	SecretInURL bool
	// Formats are those that the receiver takes, the best first.
	Formats []webhook.LogFormat
	// Compression is gzip, or none where the receiver does not undo it or
	// nobody knows whether it does: the name of a delivery.Encoding.
	Compression string
	// BatchEvents and BatchBytes bound a batch, the latter before compression.
	BatchEvents, BatchBytes int
	// BodyLimit is the longest body that the receiver takes, in bytes before
	// compression; 0 if none is known.
	BodyLimit int
	// LineLimit is the longest line that arrives whole, in bytes; 0 if none is
	// known. Longer ones are cut, split or dropped, and nobody is told.
	LineLimit int
	// ReplayAge is the age from which the receiver drops events or stores them
	// under another time; 0 if there is none.
	ReplayAge time.Duration
	// Notes say what has to be set at the receiver, or is to be expected of it.
	Notes []string

	// Sources tell where the facts come from.
	Sources []Source

	shape shape
}

// Source is where facts about a receiver come from.
type Source struct {
	Facts string
	// URL is the vendor's documentation or the receiver's code. It is empty for
	// facts that were not verified there.
	URL string
}

// String returns the facts and the URL, or "not verified".
func (s Source) String() string {
	if s.URL == "" {
		return s.Facts + ": not verified"
	}
	return s.Facts + ": " + s.URL
}

// shape is what an endpoint must look like.
type shape struct {
	paths  []string            // the ends that a path may have; none: any
	before string              // what stands in the path before a secret
	query  map[string][]string // parameters, and the values they may have; none: any but the empty one
}

// All returns the presets, by title.
func All() []Preset { return slices.Clone(table) }

// Get returns the preset of a name.
func Get(name string) (Preset, bool) {
	for _, p := range table {
		if p.Name == name {
			return p, true
		}
	}
	return Preset{}, false
}

// Check tells what of a webhook's or destination's configuration the receiver
// will not take: its error is a [*webhook.ValidationError] that names each of
// endpoint, authorization and log_format that is at fault, and quotes none of
// them. What Check finds no fault with need not work: only a delivery can show.
// An empty format is [webhook.CEF].
func (p Preset) Check(endpoint string, authorization webhook.Secret, format webhook.LogFormat) error {
	if p.Refusal != "" {
		return fault("endpoint", p.Refusal)
	}
	return join(p.checkAuthorization(authorization), p.checkEndpoint(endpoint), p.checkFormat(format))
}

// CheckReplay tells whether the receiver will drop events of a replay that
// starts at startAt, or store them under another time. Its error is a
// [*webhook.ValidationError] on start_at.
func (p Preset) CheckReplay(startAt, now time.Time) error {
	if p.ReplayAge == 0 || now.Sub(startAt) <= p.ReplayAge {
		return nil
	}
	return fault("start_at", fmt.Sprintf("must not be more than %d hours ago: %s drops older events, or stores them under another time",
		int(p.ReplayAge.Hours()), p.Title))
}

func (p Preset) checkAuthorization(authorization webhook.Secret) error {
	if err := webhook.ValidateAuthorization(authorization); err != nil || p.Scheme == "" {
		return err
	}
	scheme, _, ok := strings.Cut(authorization.Reveal(), " ")
	if !ok || !strings.EqualFold(scheme, p.Scheme) {
		return fault("authorization", "must be the word "+p.Scheme+", a space and the token")
	}
	return nil
}

func (p Preset) checkEndpoint(endpoint string) error {
	if err := webhook.ValidateEndpoint(endpoint); err != nil {
		return err
	}
	u, err := url.Parse(endpoint)
	if err != nil || !p.shape.matches(u) {
		return fault("endpoint", "must be of the form "+p.Endpoint)
	}
	return nil
}

func (s shape) matches(u *url.URL) bool {
	path := strings.TrimSuffix(u.EscapedPath(), "/")
	if len(s.paths) > 0 && !slices.ContainsFunc(s.paths, func(end string) bool { return strings.HasSuffix(path, end) }) {
		return false
	}
	if s.before != "" {
		if _, secret, ok := strings.Cut(path, s.before); !ok || secret == "" {
			return false
		}
	}
	query := u.Query()
	for name, values := range s.query {
		value := query.Get(name)
		if value == "" || len(values) > 0 && !slices.Contains(values, value) {
			return false
		}
	}
	return true
}

func (p Preset) checkFormat(format webhook.LogFormat) error {
	if format == "" {
		format = webhook.CEF
	}
	if slices.Contains(p.Formats, format) {
		return nil
	}
	var names []string
	for _, f := range p.Formats {
		names = append(names, string(f))
	}
	return fault("log_format", "must be "+strings.Join(names, " or "))
}

// fault returns the error of one field.
func fault(field, reason string) error {
	return &webhook.ValidationError{
		Detail:     "The receiver will not take this",
		Parameters: []webhook.InvalidParameter{{Field: field, Reason: reason, Source: "body", Rule: "invalid"}},
	}
}

// join makes one error of those that are not nil. All are of one type.
func join(all ...error) error {
	var joined *webhook.ValidationError
	for _, err := range all {
		if one, ok := errors.AsType[*webhook.ValidationError](err); ok {
			if joined == nil {
				joined = &webhook.ValidationError{Detail: one.Detail}
			}
			joined.Parameters = append(joined.Parameters, one.Parameters...)
		}
	}
	if joined == nil {
		return nil
	}
	return joined
}
