package delivery

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sethvargo/go-retry"
	"golang.org/x/time/rate"

	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
)

// run is one delivery: the attempts and the waits between them.
type run struct {
	*sender
	start   time.Time // by the Clock
	body    []byte    // as it is signed, before compression
	payload *payload
	backoff retry.Backoff // nil until the first attempt has failed
	result  Result
}

// deliver runs the delivery to its end. It returns nil or an *Error.
func (r *run) deliver(ctx context.Context, batch Batch) error {
	if batch.ID == "" {
		r.result.BatchID = NewID()
	} else if err := checkID(batch.ID); err != nil {
		r.result.BatchID = "" // it may be long and anything
		return r.fail(ReasonInvalid, err)
	}
	body, events, err := trim(batch.Body)
	if err != nil {
		return r.fail(ReasonInvalid, err)
	}
	r.body = body
	r.result.Events, r.result.Bytes = events, len(body)

	for {
		if err := r.admit(ctx); err != nil {
			return err
		}
		if r.payload == nil { // not earlier: the wait may have been long
			r.payload = newPayload(body, r.cfg.Encoding)
			defer r.payload.release()
			r.result.Sent = r.payload.buffer.Len()
		}
		r.hooks.attemptStarted(ctx, r.result)
		outcome := r.attempt(ctx)
		wait, err := r.decide(ctx, outcome)
		r.result.Attempts[len(r.result.Attempts)-1].Wait = wait
		r.hooks.attemptFinished(ctx, r.result)
		if err != nil {
			return err
		}
		if outcome.delivered {
			return nil
		}
		if err := r.cfg.Clock.Sleep(ctx, wait); err != nil {
			return r.interrupted(ctx, err)
		}
	}
}

// admit waits until the rate limits allow an attempt.
func (r *run) admit(ctx context.Context) error {
	if ctx.Err() != nil {
		return r.interrupted(ctx, context.Cause(ctx))
	}
	var taken reservation
	now := r.cfg.Clock.Now()
	wait := taken.take(r.cfg.RequestLimit, now, 1)
	if len(r.result.Attempts) == 0 {
		wait = max(wait, taken.take(r.cfg.EventLimit, now, r.result.Events))
	}
	if wait == rate.InfDuration || r.outOfTime(ctx, wait) {
		taken.cancel(now)
		return r.fail(ReasonDeadline, context.DeadlineExceeded)
	}
	if wait == 0 {
		return nil
	}
	if err := r.cfg.Clock.Sleep(ctx, wait); err != nil {
		taken.cancel(r.cfg.Clock.Now())
		return r.interrupted(ctx, err)
	}
	return nil
}

// decide returns how long to wait for the next attempt, or the error if there
// is none. Both are zero if the batch is delivered.
func (r *run) decide(ctx context.Context, o outcome) (time.Duration, *Error) {
	switch {
	case o.delivered:
		return 0, nil
	case !o.retry:
		return 0, r.fail(o.reason)
	case ctx.Err() != nil:
		return 0, r.interrupted(ctx, context.Cause(ctx))
	case len(r.result.Attempts) > httpretry.MaxRetries:
		return 0, r.fail(ReasonExhausted)
	}
	if r.backoff == nil {
		if r.backoff = r.cfg.Backoff(); r.backoff == nil {
			r.backoff = httpretry.NewBackoff()
		}
	}
	backoff, stop := r.backoff.Next()
	if stop {
		return 0, r.fail(ReasonExhausted)
	}
	wait := httpretry.Wait(backoff, o.retryAfter)
	if r.cfg.Jitter > 0 {
		jitter := time.Duration(r.cfg.Jitter * rand.Float64() * float64(wait))
		wait = httpretry.Wait(wait+jitter, 0)
	}
	if r.outOfTime(ctx, wait) {
		return 0, r.fail(ReasonDeadline, context.DeadlineExceeded)
	}
	return wait, nil
}

// outOfTime reports whether no time is left after a wait. The deadline of a
// context is one of real time, whatever the Clock says.
func (r *run) outOfTime(ctx context.Context, wait time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return true
	}
	return r.cfg.Timeout > 0 && r.left() <= wait
}

// left is what is left of Config.Timeout.
func (r *run) left() time.Duration {
	return r.cfg.Timeout - r.cfg.Clock.Now().Sub(r.start)
}

// interrupted returns the error for a delivery that its context, or its Clock,
// has ended.
func (r *run) interrupted(ctx context.Context, cause error) *Error {
	ended, reason := ctx.Err(), ReasonCanceled
	if errors.Is(ended, context.DeadlineExceeded) {
		reason = ReasonDeadline
	}
	if ended == nil || errors.Is(cause, ended) {
		return r.fail(reason, cause)
	}
	return r.fail(reason, ended, cause)
}

// fail returns the error for a delivery that ends here.
func (r *run) fail(reason Reason, causes ...error) *Error {
	if last := len(r.result.Attempts) - 1; last >= 0 && r.result.Attempts[last].Wait > 0 {
		// The wait was for nothing. Hooks have seen it, and may still.
		r.result.Attempts = slices.Clone(r.result.Attempts)
		r.result.Attempts[last].Wait = 0
	}
	retryable := reason == ReasonExhausted || reason == ReasonCanceled || reason == ReasonDeadline
	return &Error{Reason: reason, Retryable: retryable, Result: r.result, causes: causes}
}
