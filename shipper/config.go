package shipper

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The defaults of [Config].
const (
	DefaultBatchAge    = time.Second
	DefaultWorkers     = 128
	DefaultSlowWorkers = 512
	DefaultProbeFirst  = 15 * time.Second
	DefaultProbeMax    = 5 * time.Minute

	DefaultReplayPatience = 15 * time.Minute
)

// The defaults of [Config], for each webhook and for all together.
const (
	DefaultLimitEvents      = 1_000_000
	DefaultLimitBytes       = 1 << 30
	DefaultTotalLimitEvents = 10_000_000
	DefaultTotalLimitBytes  = 8 << 30
)

// Config is that of a [Shipper]. Only Store is required. It is copied; it prints
// no secrets.
type Config struct {
	// Store keeps the events and the configurations. Several Shippers share
	// one only if it is made for that. Close it after the Shipper.
	Store store.Store

	// Keys seal what is secret in the store: the first one seals, all open.
	// To change the key, put the new one before the old one, call
	// [Shipper.Reseal], and, if SealEvents is set, keep the old one while
	// retention keeps events that it has sealed. Without a key a store that is
	// durable refuses a configuration with an authorization, and endpoints
	// are stored as they are.
	Keys []Key

	// SealEvents seals the events too. It needs a key.
	SealEvents bool

	// Source is who speaks in the events that the Shipper makes itself: test
	// events and gap events.
	Source Source

	// Batch bounds batches, by number and by bytes before compression. Default:
	// those of [delivery.Limits], 500 and 1 000 000.
	Batch delivery.Limits

	// BatchAge is how long an event waits for others at most, so that they are
	// sent together. Default: DefaultBatchAge.
	BatchAge time.Duration

	// InFlight is how many batches of a webhook may be under way at a time. With
	// more than the default, 1, events may arrive out of order.
	InFlight int

	// Workers is how many webhooks are served at a time. One that takes longer
	// than a second, because its endpoint hangs or waits for a retry, gives its
	// place to another, as long as at most SlowWorkers of them do so. Each holds
	// a batch in memory. Defaults: DefaultWorkers, DefaultSlowWorkers.
	Workers     int
	SlowWorkers int

	// ProbeFirst is how long a webhook is held after its endpoint has failed,
	// until it is probed with one batch and one attempt. The time doubles with
	// each probe that fails, up to ProbeMax. Defaults: DefaultProbeFirst,
	// DefaultProbeMax.
	ProbeFirst time.Duration
	ProbeMax   time.Duration

	// ReplayPatience is how long a replay job goes on trying while its endpoint
	// takes nothing; then the job has failed. Default: DefaultReplayPatience.
	ReplayPatience time.Duration

	// Limits bounds what may wait of each webhook, TotalLimits of all together.
	// A zero field stands for the default, a negative one for no limit; there
	// is no default for the age.
	Limits      Limits
	TotalLimits Limits

	// FailWhenFull makes Record return a [*FullError] at once when a limit is
	// reached or the store is full, and store.ErrUnavailable when the store
	// cannot be reached. Otherwise it waits until its context ends.
	FailWhenFull bool

	// ResumeFromNow makes a webhook that is switched on again skip what was not
	// sent by then: what was recorded while it was off, and what waited before.
	// It is counted and logged. Without [Change.Events], which tell when the switch
	// was, what was recorded within a second before it is sent as well, for the
	// store's clock may be behind. Otherwise the webhook goes on where it stopped.
	ResumeFromNow bool

	// ForbidSkipSSLVerification refuses configurations that switch the
	// verification of certificates off, and sends nothing to endpoints
	// configured so before.
	ForbidSkipSSLVerification bool

	// RequireNewAuthorization demands a new authorization together with an
	// endpoint of another origin (scheme, host or port), so that whoever may
	// change an endpoint cannot send a secret that they do not know to
	// themselves.
	RequireNewAuthorization bool

	// Signer, where it is set, signs each line when it is sent; a
	// [signature.Signer] or [signature.Ring] does. An event that has a sig
	// already keeps it. To sign batches as well, set Delivery.Signer.
	Signer LineSigner

	// Delivery has everything about deliveries that is not the webhook's:
	// authorities, proxy, encoding, timeouts, rate limits, hooks. Endpoint,
	// Authorization, InsecureSkipVerify, Clock and Backoff must be empty: they
	// come from the webhook and from here. Timeout is that of a batch.
	//
	// Its Guard is on: nil stands for the zero [delivery.Guard], which refuses
	// private addresses. Open what you need with its Allow.
	Delivery delivery.Config

	// Tune, where it is set, may change the delivery's configuration of a
	// webhook, to leave compression out for a receiver that cannot take it, for
	// instance. It must be quick, and return the same for the same.
	Tune func(id string, cfg *delivery.Config)

	// Clock is for all waits and times but the timeouts of sockets. Give the
	// Store the same. Default: [store.SystemClock].
	Clock store.Clock

	// Logger is told of failures and changes. Default: [slog.Default].
	Logger *slog.Logger

	// Hooks are told what the Shipper does; see [Hook].
	Hooks []Hook
}

// LineSigner appends a line to dst with its signature. A line that can never be signed
// is a [*signature.SyntaxError]. It is called concurrently.
type LineSigner interface {
	Append(dst, line []byte) ([]byte, error)
}

// Limits bounds what waits to be delivered.
type Limits struct {
	Events int64
	Bytes  int64         // as the store counts them
	Age    time.Duration // of the oldest event
}

// Source is who speaks in an event: the fields of its header. Empty ones are
// "auditlog" as vendor and "shipper" as product; Host is left out.
type Source struct {
	Host    string
	Vendor  string
	Product string
	Version string
}

// resolve fills in the defaults and checks the rest.
func (c Config) resolve() (Config, error) {
	setDefault(&c.Batch.Events, delivery.DefaultBatchEvents)
	setDefault(&c.Batch.Bytes, delivery.DefaultBatchBytes)
	setDefault(&c.BatchAge, DefaultBatchAge)
	setDefault(&c.InFlight, 1)
	setDefault(&c.Workers, DefaultWorkers)
	setDefault(&c.SlowWorkers, DefaultSlowWorkers)
	setDefault(&c.ProbeFirst, min(DefaultProbeFirst, max(c.ProbeMax, 0)))
	setDefault(&c.ProbeFirst, DefaultProbeFirst)
	setDefault(&c.ProbeMax, max(DefaultProbeMax, c.ProbeFirst))
	setDefault(&c.ReplayPatience, DefaultReplayPatience)
	setDefault(&c.Limits.Events, DefaultLimitEvents)
	setDefault(&c.Limits.Bytes, DefaultLimitBytes)
	setDefault(&c.TotalLimits.Events, DefaultTotalLimitEvents)
	setDefault(&c.TotalLimits.Bytes, DefaultTotalLimitBytes)
	setDefault(&c.Source.Vendor, "auditlog")
	setDefault(&c.Source.Product, "shipper")
	if c.Clock == nil {
		c.Clock = store.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Delivery.Guard == nil {
		c.Delivery.Guard = &delivery.Guard{}
	}
	return c, c.check()
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) check() error {
	var errs []error
	wrong := func(field, reason string) { errs = append(errs, fmt.Errorf("shipper: %s %s", field, reason)) }
	if c.Store == nil {
		wrong("Store", "is not set")
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Batch.Events", int64(c.Batch.Events)},
		{"Batch.Bytes", int64(c.Batch.Bytes)},
		{"BatchAge", int64(c.BatchAge)},
		{"InFlight", int64(c.InFlight)},
		{"Workers", int64(c.Workers)},
		{"SlowWorkers", int64(c.SlowWorkers)},
		{"ProbeFirst", int64(c.ProbeFirst)},
		{"ProbeMax", int64(c.ProbeMax)},
		{"ReplayPatience", int64(c.ReplayPatience)},
	} {
		if f.value < 0 {
			wrong(f.name, "is negative")
		}
	}
	if c.ProbeMax < c.ProbeFirst {
		wrong("ProbeMax", "is less than ProbeFirst")
	}
	if c.SealEvents && len(c.Keys) == 0 {
		wrong("SealEvents", "is set, and Keys is empty")
	}
	for _, k := range c.Keys {
		if k.secret == nil {
			wrong("Keys", "has a zero Key; use NewKey")
		}
	}
	d := &c.Delivery
	if d.Endpoint != "" {
		wrong("Delivery.Endpoint", "is set; it is the webhook's")
	}
	if !d.Authorization.IsZero() {
		wrong("Delivery.Authorization", "is set; it is the webhook's")
	}
	if d.InsecureSkipVerify {
		wrong("Delivery.InsecureSkipVerify", "is set; it is the webhook's")
	}
	if d.Clock != nil {
		wrong("Delivery.Clock", "is set; set Clock")
	}
	if d.Backoff != nil {
		wrong("Delivery.Backoff", "is set; probes have one attempt, the others Konnect's backoff")
	}
	errs = append(errs, checkHooks(c.Hooks), c.checkSource())
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.tryDelivery()
}

// tryDelivery reports what is wrong with Delivery before there is a webhook.
func (c *Config) tryDelivery() error {
	cfg := c.Delivery
	cfg.Endpoint = "https://example.com"
	d, err := delivery.New(cfg)
	if err != nil {
		return fmt.Errorf("shipper: Delivery: %w", err)
	}
	d.Close()
	return nil
}

// Format implements [fmt.Formatter]: every verb prints what LogValue shows.
func (c Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, c.LogValue()) }

// LogValue implements [slog.LogValuer].
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("keys", len(c.Keys)), slog.Bool("seal_events", c.SealEvents),
		slog.Int("workers", c.Workers), slog.Int("hooks", len(c.Hooks)))
}

// MarshalJSON refuses: a Config holds secrets.
func (c Config) MarshalJSON() ([]byte, error) {
	return nil, errors.New("shipper: a Config is not marshalled")
}

// origin is what an authorization is bound to: scheme, host and port.
func origin(cfg *webhook.Config) string { return originOf(cfg.Endpoint) }
