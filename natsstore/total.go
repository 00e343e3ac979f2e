package natsstore

import (
	"context"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

const (
	// readers is how many streams are read at a time.
	readers = 16

	// cheapTotal is how many streams are counted anew each time. A total of more is
	// used for ten times as long as it took.
	cheapTotal = 64
)

// totals is the last total of many streams.
type totals struct {
	mu    sync.Mutex
	value store.Backlog
	until time.Time
}

// get returns the last total, if it is good enough.
func (t *totals) get() (store.Backlog, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value, time.Now().Before(t.until)
}

// set replaces it by the total of so many streams.
func (t *totals) set(value store.Backlog, streams int, began time.Time) {
	if streams <= cheapTotal {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.value, t.until = value, now.Add(10*now.Sub(began))
}

// Total implements store.Store. It asks for the state of each stream that has a
// token, so with many of them it costs much; such a total is remembered for a
// while.
func (s *natsStore) Total(ctx context.Context) (total store.Backlog, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		var good bool
		if total, good = s.total.get(); good {
			return nil
		}
		began := time.Now()
		var streams int
		if total, streams, err = s.count(ctx); err == nil {
			s.total.set(total, streams, began)
		}
		return err
	})
	return total, err
}

// count adds up the backlogs, and tells of how many streams.
func (s *natsStore) count(ctx context.Context) (store.Backlog, int, error) {
	if err := s.ringer.flush(ctx, false); err != nil {
		return store.Backlog{}, 0, err
	}
	streams, err := s.subjects(ctx, s.tokens, s.cfg.tokensPrefix())
	if err != nil {
		return store.Backlog{}, 0, err
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
	return total, len(streams), err
}
