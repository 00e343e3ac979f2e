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

// totals is the last total of many streams, and who waits for the next one.
type totals struct {
	turn chan struct{} // holds one while streams are counted

	mu    sync.Mutex
	value store.Backlog
	until time.Time
	next  *sum
}

// sum is shared by all who have asked before somebody began to add it up.
type sum struct {
	done      chan struct{}
	value     store.Backlog
	err       error
	abandoned bool // the context of who counted has ended
}

func newTotals() *totals { return &totals{turn: make(chan struct{}, 1)} }

// get returns the last total, if it is good enough, and else the sum to wait
// for.
func (t *totals) get() (store.Backlog, *sum) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.until) {
		return t.value, nil
	}
	if t.next == nil {
		t.next = &sum{done: make(chan struct{})}
	}
	return store.Backlog{}, t.next
}

// begin is called by who has the turn: others wait for another sum.
func (t *totals) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = nil
}

// set replaces the total by that of so many streams.
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
// while. Those who ask while streams are counted share the next sum.
func (s *natsStore) Total(ctx context.Context) (total store.Backlog, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		for {
			value, c := s.total.get()
			if c == nil {
				total = value
				return nil
			}
			select {
			case s.total.turn <- struct{}{}:
				s.countFor(ctx, c)
				<-s.total.turn
			case <-c.done:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if !c.abandoned || ctx.Err() != nil {
				total = c.value
				return c.err
			}
		}
	})
	return total, err
}

// countFor counts for all who wait for c, unless another has done so just now.
func (s *natsStore) countFor(ctx context.Context, c *sum) {
	select {
	case <-c.done:
		return
	default:
	}
	s.total.begin()
	began := time.Now()
	var streams int
	if c.value, streams, c.err = s.count(ctx); c.err == nil {
		s.total.set(c.value, streams, began)
	}
	c.abandoned = c.err != nil && ctx.Err() != nil
	close(c.done)
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
