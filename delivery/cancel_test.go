package delivery_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

var errCause = errors.New("the service is going down")

// Deliver returns at once when its context is cancelled, wherever it is.
func TestCancel(t *testing.T) {
	t.Parallel()

	tests := hangs()
	for i := range tests {
		tests[i].name = "hanging " + tests[i].name
	}
	tests = append(tests, hanging{"in the backoff", func(t *testing.T) delivery.Config {
		return newPipeReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "30")
			w.WriteHeader(503)
		}).config()
	}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				deliverer := newDeliverer(t, tt.config(t))
				ctx, cancel := context.WithCancelCause(t.Context())
				const after = 5 * time.Second
				time.AfterFunc(after, func() { cancel(errCause) })
				start := time.Now()
				result, err := deliverer.Deliver(ctx, large)

				require.Equal(t, after, time.Since(start))
				require.True(t, failure(t, err, delivery.ReasonCanceled).Retryable)
				require.ErrorIs(t, err, context.Canceled)
				require.ErrorIs(t, err, errCause)
				require.ErrorContains(t, err, "canceled: "+errCause.Error())
				require.Len(t, result.Attempts, 1)
				require.Zero(t, result.Last().Wait)
			})
		})
	}
}

// Both the cause and the last failure are told.
func TestCancelKeepsTheLastFailure(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		receiver := newPipeReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 0 {
				http.Error(w, "try later", 503)
				return
			}
			hang(w, r, n)
		})
		deliverer := newDeliverer(t, receiver.config())

		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		result, err := deliverer.Deliver(ctx, batch) // in the second attempt
		failure(t, err, delivery.ReasonDeadline)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, result.Attempts, 2)
		require.Equal(t, 503, result.LastStatus())
		require.Zero(t, result.Last().Status)
		require.ErrorContains(t, result.Last().Err, "deadline exceeded")
	})
}

func TestCancelBeforeTheFirstAttempt(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(200))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errCause)
	result, err := newDeliverer(t, receiver.config()).Deliver(ctx, batch)
	failure(t, err, delivery.ReasonCanceled)
	require.ErrorIs(t, err, errCause)
	require.Empty(t, result.Attempts)
	require.Empty(t, receiver.received())
}

// While the rest of an answer is read the outcome is known already.
func TestCancelInTheAnswer(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		status int
		reason delivery.Reason // empty: delivered
	}{
		{"delivered", 200, ""},
		{"refused", 401, delivery.ReasonRefused},
		{"to be tried again", 503, delivery.ReasonCanceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				receiver := newPipeReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
					w.WriteHeader(tt.status)
					_ = http.NewResponseController(w).Flush()
					hang(w, r, n)
				})
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(500*time.Millisecond, func() { cancel(errCause) })
				start := time.Now()
				result, err := newDeliverer(t, receiver.config()).Deliver(ctx, batch)
				require.Equal(t, 500*time.Millisecond, time.Since(start))
				require.Equal(t, tt.status, result.LastStatus())
				if tt.reason == "" {
					require.NoError(t, err)
				} else {
					failure(t, err, tt.reason)
				}
			})
		})
	}
}

func TestCancelInTheWaitForTheRateLimit(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		receiver := newPipeReceiver(t, status(200))
		cfg := receiver.config()
		cfg.RequestLimit = rate.NewLimiter(rate.Every(10*time.Second), 1)
		deliverer := newDeliverer(t, cfg)
		_, err := deliverer.Deliver(t.Context(), batch)
		require.NoError(t, err)

		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(4*time.Second, func() { cancel(errCause) })
		start := time.Now()
		result, err := deliverer.Deliver(ctx, batch)
		failure(t, err, delivery.ReasonCanceled)
		require.ErrorIs(t, err, errCause)
		require.Empty(t, result.Attempts)
		require.Equal(t, 4*time.Second, time.Since(start))

		// What it had reserved is free again: this one does not wait for
		// its turn after the one that was given up.
		_, err = deliverer.Deliver(t.Context(), batch)
		require.NoError(t, err)
		require.InDelta(t, 10, time.Since(start).Seconds(), 1e-6)
	})
}

// brokenClock cannot sleep.
type brokenClock struct{ delivery.SystemClock }

func (brokenClock) Sleep(context.Context, time.Duration) error { return errCause }

func TestClockThatFails(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(503))
	cfg := receiver.config()
	cfg.Clock = brokenClock{}
	var kept keepingHook
	cfg.Hooks = []delivery.Hook{&kept}
	result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	failed := failure(t, err, delivery.ReasonCanceled)
	require.ErrorIs(t, err, errCause)
	require.NotErrorIs(t, err, context.Canceled)

	// The wait led to nothing. What the hook was told stays as it was.
	require.Zero(t, result.Last().Wait)
	require.Zero(t, failed.Result.Last().Wait)
	require.Equal(t, time.Second, kept.result.Last().Wait)
}

// keepingHook keeps what it is told.
type keepingHook struct{ result delivery.Result }

func (h *keepingHook) AttemptFinished(_ context.Context, result delivery.Result) { h.result = result }

// A delivery gives up at once when its next wait would pass a deadline.
func TestDeadlines(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name     string
		timeout  time.Duration
		deadline time.Duration // of the context
		want     []time.Duration
		elapsed  time.Duration
	}{
		{"none", 0, 0, seconds(1, 2, 4, 8), 15 * time.Second},
		{"timeout, far", 16 * time.Second, 0, seconds(1, 2, 4, 8), 15 * time.Second},
		{"timeout in the last wait", 14 * time.Second, 0, seconds(1, 2, 4), 7 * time.Second},
		{"timeout at the end of a wait", 15 * time.Second, 0, seconds(1, 2, 4), 7 * time.Second},
		{"timeout in the first wait", time.Second, 0, nil, 0},
		{"deadline, far", 0, 16 * time.Second, seconds(1, 2, 4, 8), 15 * time.Second},
		{"deadline in a wait", 0, 6 * time.Second, seconds(1, 2), 3 * time.Second},
		{"deadline in the first wait", 0, time.Second, nil, 0},
		{"the earlier one: timeout", 2 * time.Second, 6 * time.Second, seconds(1), time.Second},
		{"the earlier one: deadline", 6 * time.Second, 2 * time.Second, seconds(1), time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				receiver := newPipeReceiver(t, status(503))
				cfg := receiver.config()
				cfg.Timeout = tt.timeout
				ctx := t.Context()
				if tt.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.deadline)
					defer cancel()
				}
				start := time.Now()
				result, err := newDeliverer(t, cfg).Deliver(ctx, batch)
				require.Equal(t, tt.elapsed, time.Since(start))
				require.Equal(t, tt.want, waits(result))
				require.Equal(t, 503, result.LastStatus())
				reason := delivery.ReasonDeadline
				if len(tt.want) == 4 {
					reason = delivery.ReasonExhausted
				}
				require.True(t, failure(t, err, reason).Retryable)
				require.Equal(t, reason == delivery.ReasonDeadline, errors.Is(err, context.DeadlineExceeded))
			})
		})
	}
}

// Config.Timeout ends an attempt too.
func TestTimeoutInAnAttempt(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		cfg := newPipeReceiver(t, hang).config()
		cfg.Timeout = 30 * time.Second
		start := time.Now()
		result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
		failure(t, err, delivery.ReasonDeadline)
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Len(t, result.Attempts, 2)
		require.ErrorContains(t, result.Last().Err, "no answer within 9s")
	})
}
