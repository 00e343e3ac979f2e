package shipper

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// What Record takes.
const (
	// MaxEventBytes bounds an event, in each of the formats.
	MaxEventBytes = 1_000_000

	// MaxRecordEvents bounds the events of one call.
	MaxRecordEvents = store.MaxBlockEvents
)

// maxSealed is what sealing adds to an event, generously.
const maxSealed = 64

// Record accepts events for the webhook and returns when they are durable: from
// then on they are delivered, through crashes and outages, or shown as dead
// letters or a gap. The events of one call are accepted together or not at all,
// at most MaxRecordEvents. They are delivered in the order in which calls return. An event
// without a time gets the present one. The events are not kept.
//
// The webhook must be configured, but need not be switched on: events of one
// that is not wait.
//
// An event must be one that every format can carry, since the format may change
// before it is sent.
//
// Errors: [*UnconfiguredError], [*EventError], [*FullError], [ErrClosed], the
// cause of ctx, those of the store. None of the events was accepted then, with
// one exception: when ctx or the store ended the call while it was being
// written, or a store over the network got no answer, as its error says. Who must
// repeat such a call uses [Shipper.RecordOnce].
func (s *Shipper) Record(ctx context.Context, id string, events ...auditlog.Event) error {
	return s.RecordOnce(ctx, id, "", events...)
}

// RecordOnce is Record with a key, 1 to 255 bytes, that makes it safe to repeat
// a call that failed: of several calls with the same key, for the same webhook,
// one is accepted, as long as they come within [store.DedupWindow]. Over a restart
// that holds for what the store still has: see MaxBytes of package diskstore.
func (s *Shipper) RecordOnce(ctx context.Context, id, key string, events ...auditlog.Event) error {
	if err := s.begin(ctx, id); err != nil {
		return err
	}
	if len(events) == 0 {
		return nil
	}
	b, _ := scratches.Get().(*scratch)
	defer b.free()
	block, err := b.fill(s, id, events)
	if err != nil {
		return err
	}
	st, err := s.configs.get(ctx, id)
	if err != nil && !isKeyError(err) { // a missing key is no reason to lose events
		return err
	}
	if !st.config.Configured() {
		return &UnconfiguredError{ID: id}
	}
	began := s.cfg.Clock.Now()
	bytes := blockBytes(block)
	if err := s.admit(ctx, id, len(block), bytes, func() error {
		_, err := s.store.Append(ctx, id, callersKey(key), block)
		return err
	}); err != nil {
		return err
	}
	s.recorded(ctx, id, len(block), bytes, began)
	return nil
}

// ownKeys is what the keys begin with by which the Shipper itself appends, as
// far as they could be guessed.
const ownKeys = "$"

// callersKey returns the key by which the store knows a key of a caller: none of
// the Shipper's own, for one of two with the same key is not taken. Another key
// is put in the place of what could be one, since a longer one might be too long.
func callersKey(key string) string {
	if !strings.HasPrefix(key, ownKeys) || store.CheckName("dedup id", key) != nil { // the store will refuse it
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return ownKeys + "key/" + hex.EncodeToString(sum[:])
}

// recorded counts events that were accepted, and tells the hooks.
func (s *Shipper) recorded(ctx context.Context, id string, events, bytes int, began time.Time) {
	s.totals.recorded(events, bytes)
	for _, h := range s.hooks.recorded {
		h.Recorded(ctx, id, events, bytes, s.cfg.Clock.Now().Sub(began))
	}
}

// scratch is buffers that Record uses again: a store keeps nothing of a block.
type scratch struct {
	line, data []byte
	ends       []int
	block      store.Block
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxScratch is how much of a buffer is kept.
const maxScratch = 1 << 20

// free gives the buffers back, unless they have grown large.
func (b *scratch) free() {
	if cap(b.line) < maxScratch && cap(b.data) < maxScratch {
		scratches.Put(b)
	}
}

// block returns the events as they are stored.
func (s *Shipper) block(id string, events []auditlog.Event) (store.Block, error) {
	return new(scratch).fill(s, id, events)
}

// fill returns the events as they are stored, in the buffers.
func (b *scratch) fill(s *Shipper, id string, events []auditlog.Event) (store.Block, error) {
	if len(events) == 0 {
		return nil, nil
	}
	if len(events) > MaxRecordEvents {
		return nil, &store.SizeError{Field: "the call's events", Size: len(events), Max: MaxRecordEvents}
	}
	b.data, b.ends, b.block = b.data[:0], b.ends[:0], b.block[:0]
	for i := range events {
		e := &events[i]
		if e.Time.IsZero() && e.Prefix == "" {
			stamped := *e
			stamped.Time = s.cfg.Clock.Now()
			e = &stamped
		}
		if err := b.check(e); err != nil {
			return nil, &EventError{Index: i, Err: err}
		}
		if s.cfg.SealEvents {
			b.line = appendEvent(b.line[:0], e)
			b.data = s.configs.sealer.seal(b.data, b.line, sealed{webhook: id, field: "event"})
		} else {
			b.data = appendEvent(b.data, e)
		}
		b.ends = append(b.ends, len(b.data))
	}
	if len(b.data) > store.MaxBlockBytes {
		return nil, &store.SizeError{Field: "the call's bytes", Size: len(b.data), Max: store.MaxBlockBytes}
	}
	start := 0
	for _, end := range b.ends {
		b.block = append(b.block, b.data[start:end:end])
		start = end
	}
	return b.block, nil
}

// check reports why the event cannot be taken.
func (b *scratch) check(e *auditlog.Event) error {
	var err error
	for _, format := range [...]auditlog.Format{auditlog.CEF, auditlog.CPS} { // CPS is JSON in an object
		if b.line, err = format.Append(b.line[:0], e); err != nil {
			return err
		}
		if len(b.line)+maxSealed > MaxEventBytes {
			return fmt.Errorf("it has %d bytes as %s; at most %d are allowed", len(b.line), format, MaxEventBytes-maxSealed)
		}
	}
	return nil
}

func blockBytes(b store.Block) int {
	n := 0
	for _, e := range b {
		n += len(e)
	}
	return n
}
