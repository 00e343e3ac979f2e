package storetest

import (
	"context"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Clock is a store.Clock that stands still until [Clock.Advance] is called.
type Clock struct {
	mu       sync.Mutex
	now      time.Time
	sleepers map[chan struct{}]time.Time
}

var _ store.Clock = (*Clock)(nil)

// NewClock returns a clock that shows some time.
func NewClock() *Clock {
	return &Clock{
		now:      time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC),
		sleepers: map[chan struct{}]time.Time{},
	}
}

// Now implements store.Clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Sleep implements store.Clock.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	awake := make(chan struct{})
	c.mu.Lock()
	if d <= 0 {
		close(awake)
	} else {
		c.sleepers[awake] = c.now.Add(d)
	}
	c.mu.Unlock()
	select {
	case <-awake:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.sleepers, awake)
		c.mu.Unlock()
		return context.Cause(ctx)
	}
}

// Advance moves the clock and wakes those whose time has come.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for awake, until := range c.sleepers {
		if !until.After(c.now) {
			close(awake)
			delete(c.sleepers, awake)
		}
	}
}
