package natsstore

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// The defaults of [Config].
const (
	DefaultName        = "auditlog"
	DefaultRetention   = 7 * 24 * time.Hour
	DefaultLease       = time.Minute
	DefaultDedupWindow = store.DedupWindow + time.Minute
	DefaultSweep       = time.Minute
	DefaultWindow      = 64
)

// Config is that of a store. Only URL must be set.
type Config struct {
	// URL is the addresses of the NATS servers, separated by commas, as
	// nats.Connect takes them: nats://host:4222 or tls://host:4222. It holds no
	// credentials, for it may be logged: they belong into the options.
	URL string

	// Options are those of the connection: credentials, TLS, a name and the
	// like. The store's own come before them; see [Open].
	Options []nats.Option

	// Domain is the JetStream domain, if it is not that of the servers
	// connected to. APIPrefix is the prefix of the JetStream API, such as
	// "JS.exported.API", where an account imports it under another name.
	// Only one of them can be set; the default is neither.
	Domain    string
	APIPrefix string

	// Name begins the names of the streams and buckets, 1 to 32 letters,
	// digits, '-' and '_'. Stores with the same name share everything, those
	// with different names nothing. Default [DefaultName].
	Name string

	// Subject begins the subjects that events and tokens are published to: one
	// or several tokens of letters, digits, '-' and '_', separated by dots.
	// Default is the name.
	Subject string

	// Replicas is how many servers keep each stream and bucket that Open
	// creates, 1 to 5. Those that exist must have as many. Default 0 is any number
	// for those that exist, and for new ones that of the stream of events, or one.
	Replicas int

	// MaxBytes bounds the stream of events that Open creates; one that exists
	// must have the same bound. Events are kept until the retention, sent or
	// not, and when the stream is full Append returns store.ErrFull. Default 0
	// is no bound of its own.
	MaxBytes int64

	// SyncAlways tells that the servers run with sync_interval: always, which
	// they tell nobody, so that Open need not warn where there are fewer than
	// three replicas.
	SyncAlways bool

	// Retention is for how long events are kept, sent or not. Default
	// [DefaultRetention], at least DedupWindow. Events stay up to a 64th of it, or
	// one Sweep, longer.
	Retention time.Duration

	// Lease is how long a claim lasts. Default [DefaultLease], at least two
	// seconds: a Shipper prolongs its claims every second. All instances must have the same, and the consumer that exists.
	Lease time.Duration

	// DedupWindow is for how long the stream of events remembers dedup ids.
	// Default [DefaultDedupWindow]: the server counts from when it stored
	// the first block, callers from when they heard of it. At least
	// store.DedupWindow. A stream that exists must have the same.
	DedupWindow time.Duration

	// Sweep is how often one of the instances looks for events without a
	// token and for events past the retention. Default [DefaultSweep], at
	// least a second.
	Sweep time.Duration

	// Window is how many published blocks may wait for the server's answer at
	// a time; the next Append waits. Default [DefaultWindow], at most 4096.
	Window int

	// Logger is told of the connection, of warnings about the streams, and of
	// events that outlived the retention. Default slog.Default.
	Logger *slog.Logger
}

var (
	names    = regexp.MustCompile(`^[-_A-Za-z0-9]{1,32}$`)
	subjects = regexp.MustCompile(`^[-_A-Za-z0-9]+(\.[-_A-Za-z0-9]+)*$`)
	prefixes = regexp.MustCompile(`^[-_$A-Za-z0-9]+(\.[-_$A-Za-z0-9]+)*$`)
)

// complete fills in the defaults and checks the rest.
func (cfg *Config) complete() error {
	if cfg.Name == "" {
		cfg.Name = DefaultName
	}
	if cfg.Subject == "" {
		cfg.Subject = cfg.Name
	}
	if cfg.Retention == 0 {
		cfg.Retention = DefaultRetention
	}
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.DedupWindow == 0 {
		cfg.DedupWindow = DefaultDedupWindow
	}
	if cfg.Sweep == 0 {
		cfg.Sweep = DefaultSweep
	}
	if cfg.Window == 0 {
		cfg.Window = DefaultWindow
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.APIPrefix = strings.TrimSuffix(cfg.APIPrefix, ".")
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("natsstore: "+format, args...))
		}
	}
	check(cfg.URL != "", "URL is empty")
	check(!strings.Contains(cfg.URL, "@"), "URL holds credentials; give them as an option such as nats.UserInfo")
	check(cfg.Domain == "" || cfg.APIPrefix == "", "Domain and APIPrefix are both set")
	check(cfg.Domain == "" || names.MatchString(cfg.Domain), "Domain %q is not 1 to 32 letters, digits, '-' or '_'", cfg.Domain)
	check(cfg.APIPrefix == "" || prefixes.MatchString(cfg.APIPrefix), "APIPrefix %q is no subject", cfg.APIPrefix)
	check(names.MatchString(cfg.Name), "Name %q is not 1 to 32 letters, digits, '-' or '_'", cfg.Name)
	check(subjects.MatchString(cfg.Subject) && len(cfg.Subject) <= 128, "Subject %q is not tokens of letters, digits, '-' and '_' with dots between, at most 128 bytes", cfg.Subject)
	check(cfg.Replicas >= 0 && cfg.Replicas <= 5, "Replicas is %d, not 0 to 5", cfg.Replicas)
	check(cfg.MaxBytes >= 0, "MaxBytes is %d, less than 0", cfg.MaxBytes)
	check(cfg.Lease >= 2*time.Second, "Lease is %v, less than two seconds", cfg.Lease)
	check(cfg.DedupWindow >= store.DedupWindow, "DedupWindow is %v, less than %v", cfg.DedupWindow, store.DedupWindow)
	check(cfg.Retention >= cfg.DedupWindow, "Retention is %v, less than DedupWindow, %v", cfg.Retention, cfg.DedupWindow)
	check(cfg.Sweep >= time.Second, "Sweep is %v, less than a second", cfg.Sweep)
	check(cfg.Window >= 1 && cfg.Window <= 4096, "Window is %d, not 1 to 4096", cfg.Window)
	return errors.Join(errs...)
}
