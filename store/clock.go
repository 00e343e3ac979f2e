package store

import (
	"context"
	"time"
)

// Clock tells the time and waits. Stores take all times from it, so that tests
// need not wait. A clock that goes back does no harm: the times of events
// stand still until it has caught up.
type Clock interface {
	Now() time.Time

	// Sleep returns nil after d, or earlier with the cause of ctx when ctx
	// ends.
	Sleep(ctx context.Context, d time.Duration) error
}

// SystemClock is the [Clock] of the operating system, and the default one.
type SystemClock struct{}

var _ Clock = SystemClock{}

// Now implements [Clock].
func (SystemClock) Now() time.Time { return time.Now() }

// Sleep implements [Clock].
func (SystemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
