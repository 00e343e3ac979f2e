package delivery

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/seed-6bcf82c5/auditlog/internal/redact"
)

// Deliverer delivers batches to one endpoint. It keeps connections open between
// deliveries, and is safe for concurrent use. It prints and logs as its
// endpoint's scheme, host and port.
type Deliverer struct {
	// A function, since fmt cannot look inside: it prints the fields of a
	// struct that has a Deliverer in it by reflection, through pointers too,
	// and would show the endpoint and the proxy.
	sender func() *sender
}

// sender is what a Deliverer has.
type sender struct {
	cfg       *Config
	endpoint  *url.URL
	name      string // of the endpoint, safe to print
	transport *http.Transport
	masker    *redact.Masker
	hooks     *hooks
}

// New returns a Deliverer for a copy of cfg. An error names the field that is
// wrong, and never has its value.
func New(cfg Config) (*Deliverer, error) {
	endpoint, err := parseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("delivery: Endpoint: %w", err)
	}
	c := cfg.withDefaults()
	c.Headers = maps.Clone(c.Headers)
	c.Certificates = slices.Clone(c.Certificates)
	if c.Proxy != nil {
		proxy := *c.Proxy
		c.Proxy = &proxy
	}
	if c.Guard != nil {
		c.Guard = &Guard{Allow: slices.Clone(c.Guard.Allow), Ports: slices.Clone(c.Guard.Ports)}
	}
	if err := c.validate(); err != nil {
		return nil, err
	}
	hooks, err := newHooks(c.Hooks)
	if err != nil {
		return nil, err
	}
	proxy, err := findProxy(c, endpoint)
	if err != nil {
		return nil, err
	}
	s := &sender{
		cfg:       c,
		endpoint:  endpoint,
		name:      redact.Endpoint(endpoint),
		transport: newTransport(c, endpoint, proxy),
		masker:    newMasker(c, endpoint, proxy),
		hooks:     hooks,
	}
	return &Deliverer{sender: func() *sender { return s }}, nil
}

// newMasker masks everything secret that a peer gets to see.
func newMasker(cfg *Config, endpoint, proxy *url.URL) *redact.Masker {
	secrets := append(redact.EndpointSecrets(endpoint), cfg.Authorization.Reveal())
	for _, value := range cfg.Headers {
		secrets = append(secrets, value.Reveal())
	}
	if proxy != nil && proxy.User != nil {
		password, _ := proxy.User.Password()
		credentials := proxy.User.Username() + ":" + password
		secrets = append(secrets, "Basic "+base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	return redact.NewMasker(secrets...)
}

// Deliver sends the batch and returns when it was accepted, was refused, or the
// retries are used up: the error is nil if and only if the endpoint answered
// with a 2xx status; otherwise it is an [*Error]. The Result is there in either
// case.
//
// When ctx ends Deliver returns at once. The endpoint may have taken the batch
// nonetheless, so deliver it again under the same id.
func (d *Deliverer) Deliver(ctx context.Context, batch Batch) (Result, error) {
	s := d.sender()
	r := &run{
		sender: s,
		start:  s.cfg.Clock.Now(),
		result: Result{Endpoint: s.name, BatchID: batch.ID},
	}
	err := r.deliver(ctx, batch)
	s.hooks.deliveryFinished(ctx, r.result, err)
	return r.result, err
}

// Close closes the connections that are idle and gives up dials that nobody
// waits for. Deliveries under way go on, and later ones open new connections.
func (d *Deliverer) Close() { d.sender().transport.CloseIdleConnections() }

// String names the endpoint by scheme, host and port.
func (d *Deliverer) String() string { return "delivery.Deliverer(" + d.sender().name + ")" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (d *Deliverer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, d.String()) }

// LogValue implements [slog.LogValuer].
func (d *Deliverer) LogValue() slog.Value { return slog.StringValue(d.String()) }
