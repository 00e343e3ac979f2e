// Package memstore is a store in memory, for tests and for services that
// accept its risk: whatever was accepted and not yet delivered is lost when the
// process ends, be it by a crash, a kill or an upgrade, and so are all
// documents. Nothing of it is durable in the sense of package store, and a
// receiver cannot rely on batches repeated under their id after a restart. It
// is as safe as a store can be in everything else.
//
//	events, err := memstore.Open(memstore.Config{})
package memstore

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// The defaults of [Config].
const (
	DefaultRetention = 7 * 24 * time.Hour
	DefaultMaxBytes  = 256 << 20
	DefaultLease     = time.Minute
)

// MinBytes is the least that Config.MaxBytes may be.
const MinBytes = 8 * segmentBytes

// Config is that of a store. The zero value is usable.
type Config struct {
	// Retention is for how long events are kept, delivered or not, and up to
	// an eighth longer. Default [DefaultRetention], at least a minute.
	Retention time.Duration

	// MaxBytes bounds the events kept, in bytes with about 100 more for each
	// block. When it is reached, the oldest delivered events go first; if all wait to be
	// delivered, Append returns store.ErrFull. Default [DefaultMaxBytes], at least [MinBytes].
	MaxBytes int64

	// Lease is how long a claim lasts. Default [DefaultLease], at least a
	// second.
	Lease time.Duration

	// Clock is the source of all time. Default store.SystemClock.
	Clock store.Clock

	// Logger is told of events that outlived the retention. Default slog.Default.
	Logger *slog.Logger
}

// Open returns an empty store. Its type is store.Store. An error names the
// field that is wrong.
func Open(cfg Config) (store.Store, error) {
	if cfg.Retention == 0 {
		cfg.Retention = DefaultRetention
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = DefaultMaxBytes
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
	var errs []error
	if cfg.Retention < time.Minute {
		errs = append(errs, fmt.Errorf("memstore: Retention is %v, less than a minute", cfg.Retention))
	}
	if cfg.MaxBytes < MinBytes {
		errs = append(errs, fmt.Errorf("memstore: MaxBytes is %d, less than %d", cfg.MaxBytes, int64(MinBytes)))
	}
	if cfg.Lease < time.Second {
		errs = append(errs, fmt.Errorf("memstore: Lease is %v, less than a second", cfg.Lease))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return core.Open(core.Config{
		Clock: cfg.Clock, Lease: cfg.Lease, Retention: cfg.Retention, MaxBytes: cfg.MaxBytes, Logger: cfg.Logger, Volatile: true,
	}, &log{clock: cfg.Clock, age: min(cfg.Retention/8, 24*time.Hour)}, &documents{})
}
