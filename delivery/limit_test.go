package delivery_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// events returns a batch of n events.
func events(n int) delivery.Batch {
	return delivery.Batch{ID: "events", Body: []byte(strings.Repeat("x\n", n))}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name     string
		statuses []int
		change   func(*delivery.Config)
		events   []int     // by delivery
		want     []float64 // when each request arrives, in seconds
	}{
		{"none", []int{200}, func(*delivery.Config) {}, []int{1, 1}, []float64{0, 0}},
		{"requests", []int{200}, func(c *delivery.Config) { c.RequestLimit = rate.NewLimiter(0.5, 2) }, []int{9, 9, 9, 9}, []float64{0, 0, 2, 4}},
		{"events", []int{200}, func(c *delivery.Config) { c.EventLimit = rate.NewLimiter(10, 10) }, []int{10, 5, 1}, []float64{0, 0.5, 0.6}},
		{"events beyond the burst", []int{200}, func(c *delivery.Config) { c.EventLimit = rate.NewLimiter(10, 10) }, []int{45, 10}, []float64{3.5, 4.5}},
		{"a burst of one", []int{200}, func(c *delivery.Config) { c.EventLimit = rate.NewLimiter(100, 1) }, []int{500}, []float64{4.99}},
		{"the longer wait", []int{200}, func(c *delivery.Config) {
			c.RequestLimit, c.EventLimit = rate.NewLimiter(0.25, 1), rate.NewLimiter(1, 10)
		}, []int{10, 3, 9}, []float64{0, 4, 13 - 1}},
		{"each attempt is a request", []int{500, 500, 200}, func(c *delivery.Config) { c.RequestLimit = rate.NewLimiter(0.2, 1) }, []int{1}, []float64{0, 5, 10}},
		{"an event is counted once", []int{500, 500, 200}, func(c *delivery.Config) { c.EventLimit = rate.NewLimiter(1, 10) }, []int{10}, []float64{0, 1, 3}},
		{"no limit at all", []int{200}, func(c *delivery.Config) { c.EventLimit = rate.NewLimiter(rate.Inf, 0) }, []int{500}, []float64{0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				receiver := newPipeReceiver(t, status(tt.statuses...))
				cfg := receiver.config()
				tt.change(&cfg)
				deliverer := newDeliverer(t, cfg)
				start := time.Now()
				for _, n := range tt.events {
					_, err := deliverer.Deliver(t.Context(), events(n))
					require.NoError(t, err)
				}
				require.Len(t, receiver.received(), len(tt.want))
				for i, r := range receiver.received() {
					require.InDelta(t, tt.want[i], r.time.Sub(start).Seconds(), 1e-6)
				}
			})
		})
	}
}

// What would wait beyond a deadline does not, and takes nothing.
func TestRateLimitsAndDeadlines(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		receiver := newPipeReceiver(t, status(200))
		cfg := receiver.config()
		cfg.RequestLimit = rate.NewLimiter(1, 100)
		cfg.EventLimit = rate.NewLimiter(10, 10)
		deliverer := newDeliverer(t, cfg)

		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		result, err := deliverer.Deliver(ctx, events(100)) // 9 s
		require.True(t, failure(t, err, delivery.ReasonDeadline).Retryable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Empty(t, result.Attempts)
		require.Equal(t, 100, result.Events)
		require.Zero(t, time.Since(start))
		require.InDelta(t, 10, cfg.EventLimit.TokensAt(start), 1e-6)
		require.InDelta(t, 100, cfg.RequestLimit.TokensAt(start), 1e-6)

		_, err = deliverer.Deliver(ctx, events(10))
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
	})
}

// A limiter may be changed, also to one that allows nothing.
func TestRateLimitThatAllowsNothing(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]func(*rate.Limiter){
		"burst": func(l *rate.Limiter) { l.SetBurst(0) },
		"limit": func(l *rate.Limiter) { l.SetLimit(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, status(200))
			cfg := receiver.config()
			cfg.EventLimit = rate.NewLimiter(10, 10)
			deliverer := newDeliverer(t, cfg)
			change(cfg.EventLimit)
			_, err := deliverer.Deliver(t.Context(), events(100))
			failure(t, err, delivery.ReasonDeadline)
			require.Empty(t, receiver.received())
		})
	}
}
