package delivery_test

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-retry"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// The waits, on virtual time: what the receiver sees between requests, and
// what the result tells.
func TestWaits(t *testing.T) {
	t.Parallel()

	// When a bubble of synctest begins.
	midnight := time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)
	constant := func(d time.Duration) func() retry.Backoff {
		return func() retry.Backoff { return retry.NewConstant(d) }
	}
	tests := []struct {
		name       string
		statuses   []int
		retryAfter []string // by request, the last one again and again
		change     func(*delivery.Config)
		want       []time.Duration
	}{
		{name: "default", statuses: []int{500}, want: seconds(1, 2, 4, 8)},
		{name: "delivered at last", statuses: []int{500, 502, 503, 429, 200}, want: seconds(1, 2, 4, 8)},
		{name: "delivered at the second", statuses: []int{500, 200}, want: seconds(1)},
		{name: "delivered at once", statuses: []int{200}},
		{name: "refused", statuses: []int{400}},
		{name: "refused after a retry", statuses: []int{500, 401}, want: seconds(1)},

		{name: "Retry-After on 429", statuses: []int{429}, retryAfter: []string{"7"}, want: seconds(7, 7, 7, 8)},
		{name: "Retry-After on 503", statuses: []int{503}, retryAfter: []string{"7"}, want: seconds(7, 7, 7, 8)},
		{name: "Retry-After on 500 means nothing", statuses: []int{500}, retryAfter: []string{"7"}, want: seconds(1, 2, 4, 8)},
		{name: "Retry-After on 502 means nothing", statuses: []int{502}, retryAfter: []string{"7"}, want: seconds(1, 2, 4, 8)},
		{name: "Retry-After once", statuses: []int{429}, retryAfter: []string{"7", ""}, want: seconds(7, 2, 4, 8)},
		{name: "floored by the backoff", statuses: []int{429}, retryAfter: []string{"3"}, want: seconds(3, 3, 4, 8)},
		{name: "zero", statuses: []int{429}, retryAfter: []string{"0"}, want: seconds(1, 2, 4, 8)},
		{name: "four hours", statuses: []int{429}, retryAfter: []string{"14400"}, want: seconds(30, 30, 30, 30)},
		{name: "beyond 64 bits", statuses: []int{503}, retryAfter: []string{"99999999999999999999"}, want: seconds(30, 30, 30, 30)},
		{name: "negative", statuses: []int{503}, retryAfter: []string{"-9"}, want: seconds(1, 2, 4, 8)},
		{name: "fraction", statuses: []int{503}, retryAfter: []string{"9.5"}, want: seconds(1, 2, 4, 8)},
		{name: "words", statuses: []int{503}, retryAfter: []string{"in a while"}, want: seconds(1, 2, 4, 8)},
		{name: "date", statuses: []int{503}, retryAfter: []string{midnight.Add(9 * time.Second).Format(http.TimeFormat), ""}, want: seconds(9, 2, 4, 8)},
		{name: "date in the past", statuses: []int{429}, retryAfter: []string{midnight.Add(-time.Hour).Format(http.TimeFormat)}, want: seconds(1, 2, 4, 8)},
		{name: "date far ahead", statuses: []int{429}, retryAfter: []string{"Fri, 31 Dec 9999 23:59:59 GMT"}, want: seconds(30, 30, 30, 30)},
		{name: "date in another form", statuses: []int{429}, retryAfter: []string{"Saturday, 01-Jan-00 00:00:09 GMT", ""}, want: seconds(9, 2, 4, 8)},

		{
			name: "backoff too short", statuses: []int{500},
			change: func(c *delivery.Config) { c.Backoff = constant(time.Millisecond) },
			want:   seconds(1, 1, 1, 1),
		},
		{
			name: "backoff too long", statuses: []int{500},
			change: func(c *delivery.Config) { c.Backoff = constant(time.Hour) },
			want:   seconds(30, 30, 30, 30),
		},
		{
			name: "no backoff", statuses: []int{500},
			change: func(c *delivery.Config) { c.Backoff = func() retry.Backoff { return nil } },
			want:   seconds(1, 2, 4, 8),
		},
		{
			name: "backoff that never stops", statuses: []int{500},
			change: func(c *delivery.Config) { c.Backoff = constant(3 * time.Second) },
			want:   seconds(3, 3, 3, 3),
		},
		{
			name: "backoff that stops early", statuses: []int{500},
			change: func(c *delivery.Config) {
				c.Backoff = func() retry.Backoff { return retry.WithMaxRetries(2, retry.NewFibonacci(time.Second)) }
			},
			want: seconds(1, 2),
		},
		{
			name: "backoff that stops at once", statuses: []int{500},
			change: func(c *delivery.Config) {
				c.Backoff = func() retry.Backoff {
					return retry.BackoffFunc(func() (time.Duration, bool) { return 0, true })
				}
			},
		},
		{
			name: "a jitter of the backoff is inside the bounds", statuses: []int{500},
			change: func(c *delivery.Config) {
				c.Backoff = func() retry.Backoff { return retry.WithJitter(time.Minute, retry.NewConstant(time.Hour)) }
			},
			want: seconds(30, 30, 30, 30),
		},
		{
			name: "jitter cannot pass the bound", statuses: []int{429}, retryAfter: []string{"30"},
			change: func(c *delivery.Config) { c.Jitter = 1 },
			want:   seconds(30, 30, 30, 30),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				receiver := newPipeReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
					if len(tt.retryAfter) > 0 {
						w.Header().Set("Retry-After", tt.retryAfter[min(n, len(tt.retryAfter)-1)])
					}
					status(tt.statuses...)(w, r, n)
				})
				cfg := receiver.config()
				if tt.change != nil {
					tt.change(&cfg)
				}
				result, _ := newDeliverer(t, cfg).Deliver(t.Context(), batch)

				require.Empty(t, cmp.Diff(tt.want, waits(result)))
				var seen []time.Duration
				for i, r := range receiver.received() {
					require.Equal(t, result.Attempts[i].Time, r.time)
					if i > 0 {
						seen = append(seen, r.time.Sub(receiver.received()[i-1].time))
					}
				}
				require.Empty(t, cmp.Diff(tt.want, seen))
			})
		})
	}
}

// Jitter lengthens, by no more than its fraction.
func TestJitter(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(500))
	cfg := receiver.config()
	cfg.Clock, cfg.Jitter = newFakeClock(), 0.5
	deliverer := newDeliverer(t, cfg)

	longer := 0
	for range 20 {
		result, _ := deliverer.Deliver(t.Context(), batch)
		for i, backoff := range seconds(1, 2, 4, 8) {
			wait := waits(result)[i]
			require.GreaterOrEqual(t, wait, backoff)
			require.LessOrEqual(t, wait, backoff*3/2)
			if wait > backoff {
				longer++
			}
		}
	}
	require.Greater(t, longer, 40)
}

// Each delivery has a chain of its own, made only when it is needed.
func TestBackoffChainPerDelivery(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(500, 500, 200, 500, 200, 200))
	cfg := receiver.config()
	cfg.Clock = newFakeClock()
	chains := 0
	cfg.Backoff = func() retry.Backoff {
		chains++
		return retry.NewExponential(time.Second)
	}
	deliverer := newDeliverer(t, cfg)

	for i, want := range [][]time.Duration{seconds(1, 2), seconds(1), nil} {
		result, err := deliverer.Deliver(t.Context(), batch)
		require.NoError(t, err)
		require.Equal(t, want, waits(result))
		require.Equal(t, min(i+1, 2), chains)
	}
}

// The time of an attempt in Webhook-Timestamp and in the result is the clock's,
// and so are the waits.
func TestClock(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(500, 500, 200))
	cfg := receiver.config()
	clock := newFakeClock()
	start := clock.now
	cfg.Clock = clock
	result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	require.NoError(t, err)

	require.Equal(t, seconds(1, 2), clock.slept)
	for i, offset := range seconds(0, 1, 3) {
		require.Equal(t, start.Add(offset), result.Attempts[i].Time)
	}
	var stamps []string
	for _, r := range receiver.received() {
		stamps = append(stamps, r.header.Get("Webhook-Timestamp"))
	}
	require.Equal(t, []string{"1795435200", "1795435201", "1795435203"}, stamps)
}

func TestSystemClock(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var clock delivery.SystemClock
		start, d := clock.Now(), time.Duration(rand.Int64N(int64(time.Hour)))
		require.NoError(t, clock.Sleep(t.Context(), d))
		require.Equal(t, d, clock.Now().Sub(start))
	})
}
