package delivery

import (
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// reservation is what a delivery has taken from its rate limiters, so that it
// can be given back.
type reservation []*rate.Reservation

// take reserves n of limiter as of now. More than the limiter's burst is
// reserved in pieces, each of which comes due after the one before. It returns
// how long to wait, which is [rate.InfDuration] where the limiter will never
// allow n.
func (r *reservation) take(limiter *rate.Limiter, now time.Time, n int) time.Duration {
	if limiter == nil || limiter.Limit() == rate.Inf {
		return 0
	}
	burst := limiter.Burst()
	if burst <= 0 {
		return rate.InfDuration
	}
	var wait time.Duration
	for ; n > 0 && wait != rate.InfDuration; n -= burst {
		piece := limiter.ReserveN(now, min(n, burst))
		*r = append(*r, piece)
		wait = piece.DelayFrom(now)
	}
	return wait
}

// cancel gives back what has not come due.
func (r reservation) cancel(now time.Time) {
	for _, piece := range slices.Backward(r) { // a limiter restores only its latest in full
		piece.CancelAt(now)
	}
}
