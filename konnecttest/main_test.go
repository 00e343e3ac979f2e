package konnecttest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is at a time of the test's choosing, from which it runs on, so many times
// as fast as the system's.
type clock struct {
	speed int64

	mu         sync.Mutex
	base, when time.Time
}

func newClock(now time.Time, speed int64) *clock {
	return &clock{speed: speed, base: now, when: time.Now()}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.base.Add(time.Duration(int64(time.Since(c.when)) * c.speed))
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.when = now, time.Now()
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	return store.SystemClock{}.Sleep(ctx, d/time.Duration(c.speed))
}
