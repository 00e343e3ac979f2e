// Package httpretry holds the retry rules that the sender of audit logs and
// the management API's client share: how many retries, how long the waits, and
// what a Retry-After header may change about them.
package httpretry

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/sethvargo/go-retry"
)

// The bounds come from Konnect's description of its audit log webhooks: at most
// four retries, each after at least one second and at most thirty.
const (
	MinWait    = 1 * time.Second
	MaxWait    = 30 * time.Second
	MaxRetries = 4
)

// NewBackoff returns the default chain of waits, for one delivery or call: 1,
// 2, 4 and 8 s, then stop.
func NewBackoff() retry.Backoff {
	return retry.WithMaxRetries(MaxRetries, retry.NewExponential(MinWait))
}

// Wait returns the time to wait before the next attempt: the backoff, or the
// server's Retry-After if that is longer, never outside MinWait to MaxWait.
// Pass 0 where the server named none.
func Wait(backoff, retryAfter time.Duration) time.Duration {
	return min(max(backoff, retryAfter, MinWait), MaxWait)
}

// maxDuration stands for every delay that does not fit a time.Duration.
const maxDuration = time.Duration(1<<63 - 1)

// RetryAfter reads the Retry-After header, which holds seconds or an HTTP date
// (RFC 9110 §10.2.3), and reports whether there is one that makes sense. A date
// in the past is a delay of 0; one too large for a time.Duration is the largest.
//
// The value is the server's and unbounded: pass it through [Wait].
func RetryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	value := h.Get("Retry-After")
	if value == "" {
		return 0, false
	}
	seconds, err := strconv.ParseUint(value, 10, 64)
	if err == nil && seconds <= uint64(maxDuration/time.Second) {
		return time.Duration(seconds) * time.Second, true
	}
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return maxDuration, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(date.Sub(now), 0), true
}
