package natsstore

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

const (
	// readers is how many streams are read at a time.
	readers = 16

	// cheapTotal is how long a total may take to be found anew after each
	// change. One that takes longer is used for ten times as long as it took.
	cheapTotal = 50 * time.Millisecond
)

// totals is the last total.
type totals struct {
	changes atomic.Uint64 // that this process has made

	mu    sync.Mutex
	known bool
	value store.Backlog
	made  uint64 // the number of changes before it
	at    time.Time
	took  time.Duration
}

// changed tells that the total may be another.
func (t *totals) changed() { t.changes.Add(1) }

// get returns the last total, if it is good enough.
func (t *totals) get() (store.Backlog, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	good := t.known && time.Since(t.at) < 10*t.took && (t.took > cheapTotal || t.made == t.changes.Load())
	return t.value, good
}

// set replaces it.
func (t *totals) set(value store.Backlog, made uint64, began time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known, t.value, t.made, t.at = true, value, made, time.Now()
	t.took = t.at.Sub(began)
}

// Total implements store.Store. It asks for the state of each stream that has a
// token, so with many of them it costs much; a total that took long is
// remembered for a while.
func (s *natsStore) Total(ctx context.Context) (total store.Backlog, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		var good bool
		if total, good = s.total.get(); good {
			return nil
		}
		made, began := s.total.changes.Load(), time.Now()
		if total, err = s.count(ctx); err == nil {
			s.total.set(total, made, began)
		}
		return err
	})
	return total, err
}

// count adds up the backlogs.
func (s *natsStore) count(ctx context.Context) (store.Backlog, error) {
	if err := s.ringer.flush(ctx); err != nil {
		return store.Backlog{}, err
	}
	streams, err := s.subjects(ctx, s.tokens, s.cfg.tokensPrefix())
	if err != nil {
		return store.Backlog{}, err
	}
	var (
		total store.Backlog
		mu    sync.Mutex
	)
	err = s.each(ctx, streams, func() error { return nil }, func(ctx context.Context, stream string) error {
		state, err := s.State(ctx, stream)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if state.Events > 0 && (total.Events == 0 || state.Oldest.Before(total.Oldest)) {
			total.Oldest = state.Oldest
		}
		total.Events += state.Events
		total.Bytes += state.Bytes
		return nil
	})
	return total, err
}
