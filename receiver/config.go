package receiver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Config says who may send what, and what becomes of it. Senders and HandOver
// are required.
type Config struct {
	// Senders are those that may send, at least one.
	Senders []Sender

	// HandOver takes the lines of a batch for good. The sender is told so, and
	// the batch remembered, only after it has returned nil. If it returns an
	// error the sender gets 503 and keeps the batch. It must end with its
	// context, which does not end with the request: a sender that has gone would
	// only send the batch again. It is called concurrently. See [Batch] for how
	// long the batch lasts, and [OpenFile], [LogSink] and [ChannelSink] for
	// ready-made ones.
	HandOver func(ctx context.Context, batch Batch) error

	// Path is the only path taken, "/audit-logs" for instance. Empty: any.
	Path string

	// Verify says what becomes of lines by their signatures, VerifyBatches what
	// becomes of batches by theirs (Webhook-Signature). Default: VerifyOff.
	Verify        Verification
	VerifyBatches Verification

	// Tolerance is how far the Webhook-Timestamp of a signed batch may be from
	// the time here. Default: signature.DefaultTolerance.
	Tolerance time.Duration

	// ReportRejected answers 422 instead of 200 where a line was rejected (413
	// if all of them were for their length). The others were handed over all the
	// same, and a batch so answered is not remembered, for its sender is to send
	// them in other batches. With DedupLines they are then known.
	ReportRejected bool

	// Dedup says what is dropped as a duplicate. Default: DedupBatches.
	Dedup Dedup

	// Window remembers what was handed over. Default: NewWindow with its
	// defaults, in memory.
	Window Window

	// Limits bound what one request, and all of them together, can cost.
	Limits Limits

	// RetryAfter is what a sender is asked to wait for with a 503, in whole
	// seconds, 1 s to 5 min. Default: DefaultRetryAfter.
	RetryAfter time.Duration

	// Hooks are told what happens. See [NewLogHook] for one that logs.
	Hooks []Hook
}

// DefaultRetryAfter is the default of Config.RetryAfter.
const DefaultRetryAfter = 5 * time.Second

// Sender is somebody who may send.
type Sender struct {
	// Name stands for the sender in batches, logs and metrics, and in what is
	// remembered of its batches. Names differ; one may be empty.
	Name string

	// Authorizations are the values of the Authorization header that this
	// sender may show, at least one: the new and the old one while they change.
	Authorizations []webhook.Secret

	// Keys verify the signatures of the sender's batches, and of its lines
	// unless Products has other keys for them. No keys verify nothing.
	Keys signature.Source

	// Products have keys of their own, if the sender passes on the lines of
	// several. The key of one cannot vouch for another.
	Products []Product
}

// Product binds keys to lines by two fields of their headers.
type Product struct {
	Vendor  string // "KongInc"
	Product string // "Konnect"; empty: all of the vendor's without keys of their own
	Keys    signature.Source
}

// Verification says what becomes of what is not proven by a signature.
type Verification uint8

const (
	// VerifyOff does not look at signatures.
	VerifyOff Verification = iota

	// VerifyAnnotate hands everything over with its outcome, but for lines of
	// which it cannot be told what is signed: those are rejected.
	VerifyAnnotate

	// VerifyRequire hands over what is valid. A batch that is not is refused, a
	// line rejected. While a sender's new keys cannot be had, what they
	// may verify is put off with 503.
	VerifyRequire
)

// Dedup says what is dropped as a duplicate.
type Dedup uint8

const (
	// DedupBatches drops a batch that was handed over before: one of the same
	// sender with the same Webhook-Id, or, where it has none as with Konnect's
	// own, with the same lines.
	DedupBatches Dedup = iota

	// DedupLines also drops single lines that were in an earlier batch of the
	// sender. The first of equal lines in a batch is taken for the first of
	// those in the earlier one, the second for the second, and so on: equal
	// lines in one batch are several events. Equal lines in different batches
	// are one, so it is for senders whose events differ, by an id for instance.
	DedupLines

	// DedupOff hands everything over.
	DedupOff
)

// Limits bound what requests can cost. A zero field stands for its default.
type Limits struct {
	// WireBytes is the longest body as it is sent. Default: 2 MiB, twice what
	// Kong's own receiver takes. Beyond: 413.
	WireBytes int64

	// Bytes is the longest body when it is decompressed. Default: 2 MiB.
	// Beyond: 413.
	Bytes int64

	// Ratio is how many times longer than sent a body of more than 1 MiB may
	// be. Default: 100. Beyond: 413.
	Ratio int

	// Lines is the most lines in a batch. Default: 10 000. Beyond: 413.
	Lines int

	// LineBytes is the longest line. Default: 1 MiB, more than the engine's
	// MaxEventBytes. A longer one is rejected; the others of its batch are not.
	LineBytes int

	// BodyTime bounds the reading of a body. Default: 30 s. Beyond: 408. It needs
	// a server that can set deadlines, as that of net/http does.
	BodyTime time.Duration

	// HandOverTime bounds HandOver; and, each for itself, verifying, and the wait
	// for another request with the same batch. Default: 15 s, within the 20 s that
	// the SDK's senders wait for an answer. Beyond: 503.
	HandOverTime time.Duration

	// Memory bounds what all bodies and their lines take at once. A request that
	// finds none left waits, and gets 503 after a second. Default: 6 MiB, room for
	// a dozen batches of 500 lines, or what the largest batch takes: Bytes about one
	// and a half times, as much again as Bytes where signatures of lines are
	// verified, and 256 bytes for each of Lines. It cannot be less. The process takes
	// more: 100 hostile connections at once and what Go's collector has not collected
	// yet came to eight times as much.
	Memory int64
}

const (
	defaultWireBytes    = 2 << 20
	defaultBytes        = 2 << 20
	defaultRatio        = 100
	defaultLines        = 10_000
	defaultLineBytes    = 1 << 20
	defaultBodyTime     = 30 * time.Second
	defaultHandOverTime = 15 * time.Second
	defaultMemory       = 6 << 20

	// maxBytes keeps lengths within an int of 32 bits.
	maxBytes = 1 << 30
	maxLines = 1 << 24
)

// LogValue implements [slog.LogValuer]: the names of the senders.
func (c Config) LogValue() slog.Value {
	names := make([]string, len(c.Senders))
	for i, s := range c.Senders {
		names[i] = s.Name
	}
	return slog.GroupValue(slog.Any("senders", names), slog.String("path", c.Path))
}

// LogValue implements [slog.LogValuer]: the name.
func (s Sender) LogValue() slog.Value { return slog.StringValue(s.Name) }

// withDefaults returns a copy of c with the defaults filled in.
func (c Config) withDefaults() Config {
	c.Tolerance = orDefault(c.Tolerance, signature.DefaultTolerance)
	c.RetryAfter = orDefault(c.RetryAfter, DefaultRetryAfter)
	if c.Window == nil {
		c.Window = NewWindow(WindowConfig{})
	}
	l := &c.Limits
	l.WireBytes = orDefault(l.WireBytes, defaultWireBytes)
	l.Bytes = orDefault(l.Bytes, defaultBytes)
	l.Ratio = orDefault(l.Ratio, defaultRatio)
	l.Lines = orDefault(l.Lines, defaultLines)
	l.LineBytes = orDefault(l.LineBytes, defaultLineBytes)
	l.BodyTime = orDefault(l.BodyTime, defaultBodyTime)
	l.HandOverTime = orDefault(l.HandOverTime, defaultHandOverTime)
	l.Memory = orDefault(l.Memory, max(defaultMemory, l.largest(c.Verify)))
	return c
}

func orDefault[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// validate checks a Config with its defaults. Errors name the field, never the
// value of a secret.
func (c *Config) validate() error {
	if c.HandOver == nil {
		return errors.New("receiver: HandOver: is not set")
	}
	if c.Path != "" && !strings.HasPrefix(c.Path, "/") {
		return errors.New("receiver: Path: must begin with a slash")
	}
	if c.Verify > VerifyRequire || c.VerifyBatches > VerifyRequire {
		return errors.New("receiver: Verify, VerifyBatches: must be VerifyOff, VerifyAnnotate or VerifyRequire")
	}
	if c.Dedup > DedupOff {
		return errors.New("receiver: Dedup: must be DedupBatches, DedupLines or DedupOff")
	}
	if c.Tolerance < 0 {
		return errors.New("receiver: Tolerance: is negative")
	}
	if c.RetryAfter < time.Second || c.RetryAfter > 5*time.Minute {
		return errors.New("receiver: RetryAfter: must be 1 s to 5 min")
	}
	if err := c.Limits.validate(c.Verify); err != nil {
		return err
	}
	return c.validateSenders()
}

func (c *Config) validateSenders() error {
	if len(c.Senders) == 0 {
		return errors.New("receiver: Senders: there is none")
	}
	names := map[string]bool{}
	known := map[string]bool{}
	for i, s := range c.Senders {
		if names[s.Name] {
			return fmt.Errorf("receiver: Senders[%d]: another one is named %q", i, s.Name)
		}
		names[s.Name] = true
		if len(s.Authorizations) == 0 {
			return fmt.Errorf("receiver: Senders[%d]: Authorizations: there is none", i)
		}
		for j, a := range s.Authorizations {
			if err := webhook.ValidateAuthorization(a); err != nil {
				return fmt.Errorf("receiver: Senders[%d]: Authorizations[%d]: %w", i, j, err)
			}
			if known[a.Reveal()] {
				return fmt.Errorf("receiver: Senders[%d]: Authorizations[%d]: stands there twice", i, j)
			}
			known[a.Reveal()] = true
		}
		if c.VerifyBatches != VerifyOff && s.Keys == nil {
			return fmt.Errorf("receiver: Senders[%d]: Keys: are needed to verify batches", i)
		}
		if c.Verify != VerifyOff && s.Keys == nil && len(s.Products) == 0 {
			return fmt.Errorf("receiver: Senders[%d]: Keys: are needed to verify lines", i)
		}
		products := map[[2]string]bool{}
		for j, p := range s.Products {
			if p.Vendor == "" || p.Keys == nil {
				return fmt.Errorf("receiver: Senders[%d]: Products[%d]: needs a vendor and keys", i, j)
			}
			if products[[2]string{p.Vendor, p.Product}] {
				return fmt.Errorf("receiver: Senders[%d]: Products[%d]: stands there twice", i, j)
			}
			products[[2]string{p.Vendor, p.Product}] = true
		}
	}
	return nil
}

func (l *Limits) validate(verify Verification) error {
	for _, limit := range []struct {
		name          string
		value, lo, hi int64
	}{
		{"WireBytes", l.WireBytes, 1, maxBytes},
		{"Bytes", l.Bytes, 1, maxBytes},
		{"Ratio", int64(l.Ratio), 1, maxBytes},
		{"Lines", int64(l.Lines), 1, maxLines},
		{"LineBytes", int64(l.LineBytes), 1, maxBytes},
		{"BodyTime", int64(l.BodyTime), 1, int64(time.Hour)},
		{"HandOverTime", int64(l.HandOverTime), 1, int64(time.Hour)},
		{"Memory", l.Memory, l.largest(verify), 1 << 40},
	} {
		if limit.value < limit.lo || limit.value > limit.hi {
			return fmt.Errorf("receiver: Limits.%s: must be %d to %d", limit.name, limit.lo, limit.hi)
		}
	}
	return nil
}

// largest returns the memory that the largest batch takes.
func (l *Limits) largest(verify Verification) int64 {
	var buffer, before int64 // while a body is copied to a larger buffer, it has two
	for class := 0; buffer < l.Bytes; class++ {
		buffer, before = bufferSize(class, l.Bytes), buffer
	}
	size := requestMemory + buffer + before + int64(l.Lines)*lineMemory
	if verify != VerifyOff {
		size += l.Bytes // payloads
	}
	return size
}
