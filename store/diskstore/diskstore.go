// Package diskstore keeps accepted events and documents in a directory, so
// that they outlive the process, crashes of the system and power failures.
//
//	events, err := diskstore.Open(diskstore.Config{Dir: "/var/lib/example/audit"})
//
// Events of all streams go to one log of checksummed frames in segment files;
// documents, among them each stream's state, to a bbolt file. An Append returns
// when its frame was written and synced; calls at the same time share one
// sync. docs/store-format.md describes the files and says what later versions
// promise to read.
//
// # Failures
//
// A write or a sync that goes wrong fails the calls of Append that it was for, and
// nothing else: what was accepted stays, and the next Append tries again,
// after a failed sync in a new file. Where there is no room left the error
// wraps store.ErrFull.
//
// When the store is opened, it reads the whole log. What a crash has left of a
// write that was never acknowledged is cut off. Other damage, such as a wrong
// checksum or a file that is too short, is reported as a [*DamageError] to
// Config.OnDamage and to the log, with segment and offset; the bytes are copied
// to a file that ends in .damaged, and everything else stays readable. Damage is
// reported once. Unsent events that are lost are in their stream's gap
// if their frame still tells which stream that is. A documents file
// that cannot be read fails Open.
//
// A segment is removed when all its events are older than the retention, so
// events stay up to an eighth longer.
package diskstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// The defaults of [Config].
const (
	DefaultSegmentBytes = 64 << 20
	DefaultRetention    = 7 * 24 * time.Hour
	DefaultLease        = time.Minute
)

// Bounds of Config.SegmentBytes.
const (
	MinSegmentBytes = 4 << 10
	MaxSegmentBytes = 1 << 30
)

// Config is that of a store. Only Dir must be set.
type Config struct {
	// Dir is the directory. It is created with mode 0700 if need be; its
	// files have mode 0600. Only one store can have it open.
	Dir string

	// SegmentBytes is the size of a segment at which a new one is begun.
	// Default [DefaultSegmentBytes], from [MinSegmentBytes] to
	// [MaxSegmentBytes].
	SegmentBytes int64

	// Retention is for how long events are kept, delivered or not. Default
	// [DefaultRetention], at least a minute.
	Retention time.Duration

	// MaxBytes bounds the log. When it is reached, the oldest segments of which
	// everything was delivered are removed; if there is none, Append
	// returns store.ErrFull. Default 0 is no bound; otherwise at least four
	// segments. The last segment's file can be up to 256 KiB longer than what
	// is in it. A store that is opened again knows the dedup ids that are in the
	// log: leave room for what comes within store.DedupWindow, at least.
	MaxBytes int64

	// Lease is how long a claim lasts. Default [DefaultLease], at least a
	// second.
	Lease time.Duration

	// Clock is the source of all time. Default store.SystemClock.
	Clock store.Clock

	// Logger is told of damage and of events that outlived the retention.
	// Default slog.Default.
	Logger *slog.Logger

	// OnDamage is called with each damage found, from whatever goroutine
	// found it, also by Open. It must not call the store.
	OnDamage func(*DamageError)
}

// Open opens the store in the directory, or makes one. Its type is
// store.Store. Errors: those that name a field of the configuration,
// [*LockedError], [*FormatError], those of the file system.
func Open(cfg Config) (store.Store, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := makeDir(cfg.Dir); err != nil {
		return nil, fmt.Errorf("diskstore: %w", err)
	}
	docs, err := openDocuments(cfg.Dir)
	if err != nil {
		return nil, err
	}
	l := newLog(cfg, directory(cfg.Dir), docs.mark())
	docs.mark = l.mark
	return open(cfg, l, docs)
}

// complete fills in the defaults and checks the rest.
func (cfg *Config) complete() error {
	if cfg.SegmentBytes == 0 {
		cfg.SegmentBytes = DefaultSegmentBytes
	}
	if cfg.Retention == 0 {
		cfg.Retention = DefaultRetention
	}
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.Clock == nil {
		cfg.Clock = store.SystemClock{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.OnDamage == nil {
		cfg.OnDamage = func(*DamageError) {}
	}
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("diskstore: "+format, args...)) }
	if cfg.Dir == "" {
		fail("Dir is empty")
	}
	if cfg.SegmentBytes < MinSegmentBytes || cfg.SegmentBytes > MaxSegmentBytes {
		fail("SegmentBytes is %d, not %d to %d", cfg.SegmentBytes, MinSegmentBytes, MaxSegmentBytes)
	}
	if cfg.Retention < time.Minute {
		fail("Retention is %v, less than a minute", cfg.Retention)
	}
	if cfg.MaxBytes != 0 && cfg.MaxBytes < 4*cfg.SegmentBytes {
		fail("MaxBytes is %d, less than four segments", cfg.MaxBytes)
	}
	if cfg.Lease < time.Second {
		fail("Lease is %v, less than a second", cfg.Lease)
	}
	return errors.Join(errs...)
}

// makeDir makes the directory, durably.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is no directory", dir)
		}
		return nil
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if parent != dir {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return syncDir(parent)
}

// newLog returns a log in the file system, which the documents know to have
// been durable so far.
func newLog(cfg Config, fs fileSystem, durable mark) *log {
	return &log{
		fs: fs, clock: cfg.Clock, max: cfg.SegmentBytes, age: min(cfg.Retention/8, 24*time.Hour),
		durable: durable,
		damage: func(e *DamageError) {
			level, text := slog.LevelError, "the audit log's store is damaged"
			if e.Torn {
				level, text = slog.LevelWarn, "what a crash left of an unacknowledged write was cut off"
			}
			cfg.Logger.LogAttrs(context.Background(), level, text, slog.String("segment", e.Segment),
				slog.Int64("offset", e.Offset), slog.Int64("length", e.Length), slog.String("reason", e.Reason),
				slog.String("stream", e.Stream), slog.Int("events", e.Events), slog.String("aside", e.Aside))
			cfg.OnDamage(e)
		},
	}
}

// open puts the parts together.
func open(cfg Config, l *log, docs core.Docs) (store.Store, error) {
	return core.Open(core.Config{
		Clock: cfg.Clock, Lease: cfg.Lease, Retention: cfg.Retention, MaxBytes: cfg.MaxBytes, Logger: cfg.Logger,
	}, l, docs)
}
