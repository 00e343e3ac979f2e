package shipper

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// MaxID is the length of the longest webhook id, in bytes. An id is UTF-8
// without control characters, and does not begin with "$replay/".
const MaxID = 128

func checkID(id string) error {
	if err := store.CheckName("webhook id", id); err != nil {
		return err
	}
	if strings.HasPrefix(id, replayStreams) {
		return &store.NameError{Field: "webhook id", Name: id, Reason: "begins with " + replayStreams + ", which is reserved"}
	}
	if len(id) > MaxID {
		return &store.NameError{Field: "webhook id", Name: id, Reason: fmt.Sprintf("it has %d bytes; at most %d are allowed", len(id), MaxID)}
	}
	return nil
}

// begin tells why a call cannot begin.
func (s *Shipper) begin(ctx context.Context, id string) error {
	if s.closing.Err() != nil {
		return ErrClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return checkID(id)
}

// Get returns the webhook's configuration, the zero one if it was never
// configured.
func (s *Shipper) Get(ctx context.Context, id string) (webhook.Config, error) {
	if err := s.begin(ctx, id); err != nil {
		return webhook.Config{}, err
	}
	st, err := s.configs.load(ctx, id)
	return st.config, err
}

// Update changes the webhook's configuration, by the rules of
// [webhook.Config.Apply], and returns the new one. Fields that the patch does
// not set keep their values, also if several calls change them at the same time.
// When it returns, everything that was not sent yet goes where the new
// configuration says; an attempt under way at the endpoint that was is broken
// off, and a webhook that was held is released.
//
// Events given are recorded in the webhook's stream before the change takes
// effect, to tell who made it. They are sent even if the change switches the
// webhook off, unless its endpoint fails. An error can leave them recorded.
//
// Errors: [*webhook.ValidationError] names the fields that are wrong, for a
// caller to show; [ErrNoKey]; [*KeyError]; [*EventError]; those of the store.
func (s *Shipper) Update(ctx context.Context, id string, patch webhook.Patch, events ...auditlog.Event) (webhook.Config, error) {
	changed, err := s.Change(ctx, id, func(old Webhook) (Change, error) {
		change := Change{Patch: patch}
		// Where nothing changes there is nothing to tell of.
		if next, err := old.Config.Apply(patch, old.Config.UpdatedAt); err == nil && !same(&old.Config, &next) {
			change.Events = events
		}
		return change, nil
	})
	return changed.Config, err
}

// Delete removes the webhook's configuration and status. Its events, dead
// letters among them, stay until retention removes them, and are shipped if the
// webhook is configured again. An attempt under way is broken off. Without a
// configuration it does nothing. Events are recorded as by Update.
func (s *Shipper) Delete(ctx context.Context, id string, events ...auditlog.Event) error {
	_, err := s.Change(ctx, id, func(Webhook) (Change, error) {
		return Change{Delete: true, Events: events}, nil
	})
	return err
}

// Webhooks yields the ids of the webhooks that have a configuration, be it one
// without an endpoint yet, in alphabetical order. An error is the last thing
// it yields.
func (s *Shipper) Webhooks(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if s.closing.Err() != nil {
			yield("", ErrClosed)
			return
		}
		for doc, err := range s.store.List(ctx, webhookPrefix) {
			if !yield(strings.TrimPrefix(doc.Key, webhookPrefix), err) || err != nil {
				return
			}
		}
	}
}

// takeEffect makes a change that was stored take effect at once.
func (s *Shipper) takeEffect(ctx context.Context, id string, old, next webhook.Config) {
	s.interrupt(id)
	ctx = context.WithoutCancel(ctx)
	if err := s.wake(ctx, id); err != nil {
		s.cfg.Logger.WarnContext(ctx, "a webhook that was changed could not be woken", "webhook", id, "error", err)
		s.wakeLater(id)
	}
	s.cfg.Logger.InfoContext(ctx, "webhook changed", "webhook", id, "from", old, "to", next)
	if next.SkipSSLVerification {
		s.warnInsecure(ctx, id, &next)
	}
	for _, h := range s.hooks.config {
		h.ConfigChanged(ctx, id, old, next)
	}
}

func (s *Shipper) warnInsecure(ctx context.Context, id string, cfg *webhook.Config) {
	s.cfg.Logger.WarnContext(ctx, "the certificate of a webhook's endpoint is not verified", "webhook", id, "config", *cfg)
}

// checkPatch refuses what the operator does not allow.
func (s *Shipper) checkPatch(patch webhook.Patch) error {
	if skip, _ := patch.SkipSSLVerification.Get(); skip && s.cfg.ForbidSkipSSLVerification {
		return invalid("skip_ssl_verification", "is not allowed here")
	}
	if endpoint, ok := patch.Endpoint.Get(); ok && s.guarded(endpoint) {
		return invalid("endpoint", "must not be an address or port that is not public")
	}
	return nil
}

// guarded tells whether the endpoint is an address that the guard refuses. Names
// are looked up when they are dialled.
func (s *Shipper) guarded(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || s.cfg.Delivery.DialContext != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && s.cfg.Delivery.Guard.Check(netip.AddrPortFrom(ip, portOf(u))) != nil
}

func invalid(field, reason string) error {
	return &webhook.ValidationError{
		Detail:     "Invalid " + field,
		Parameters: []webhook.InvalidParameter{{Field: field, Reason: reason, Source: "body"}},
	}
}

// clockSlack is by how much the clock of a store may be behind that of an instance:
// what was recorded shortly before a switch is rather sent than lost.
const clockSlack = time.Second

// apply returns the state of the webhook with the patch, of a change that began
// then.
func (s *Shipper) apply(old stored, patch webhook.Patch, began time.Time) (stored, error) {
	now := s.cfg.Clock.Now().UTC()
	config, err := old.config.Apply(patch, now)
	if err != nil {
		return stored{}, err
	}
	_, authorized := patch.Authorization.Get()
	guarded := old.config.Configured() || !old.config.Authorization.IsZero()
	if s.cfg.RequireNewAuthorization && guarded && !authorized && origin(&config) != origin(&old.config) {
		return stored{}, invalid("authorization", "must be given again when the endpoint moves to another host")
	}
	if len(s.cfg.Keys) == 0 && s.durable && !config.Authorization.IsZero() {
		return stored{}, ErrNoKey
	}
	next := old
	next.config, next.change = config, delivery.NewID()
	if next.created == "" {
		next.created = delivery.NewID()
	}
	if s.cfg.ResumeFromNow && config.Enabled && !old.config.Enabled && old.config.Configured() {
		next.skipBefore = began.Add(-clockSlack).Truncate(time.Millisecond) // as exact as the times of events
	}
	return next, nil
}

// same tells whether nothing was changed.
func same(a, b *webhook.Config) bool {
	return a.Endpoint == b.Endpoint && a.Authorization.Equal(b.Authorization) && a.Enabled == b.Enabled &&
		a.LogFormat == b.LogFormat && a.SkipSSLVerification == b.SkipSSLVerification
}

// originOf returns scheme, host and port of a valid endpoint.
func originOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" {
		return ""
	}
	return fmt.Sprintf("%s://%s:%d", u.Scheme, strings.ToLower(u.Hostname()), portOf(u))
}

func portOf(u *url.URL) uint16 {
	const https = 443
	if u.Port() == "" {
		return https
	}
	port, err := netip.ParseAddrPort("0.0.0.0:" + u.Port())
	if err != nil {
		return 0
	}
	return port.Port()
}

// stored is what is stored of a webhook.
type stored struct {
	config   webhook.Config
	label    string
	revision uint64 // of the document; 0 if there is none
	created  string // names the webhook until it is deleted
	change   string // names the last change: a document that was only sealed anew keeps it

	// skipBefore is set when the webhook is switched on again, under
	// Config.ResumeFromNow: what was recorded before is not sent.
	skipBefore time.Time

	// drain is the sequence of the events that tell that the webhook was
	// switched off: they, and what is before them, are still sent. 0 for none.
	drain uint64
}
