package delivery

import (
	"context"
	"time"
)

// Clock tells the time and waits. Deliveries take the time stamps of attempts
// and all waits between them from it, so that tests need not wait.
//
// The timeout of an attempt runs on real time: sockets know no other.
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
