package shipper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Hook is told what the Shipper does, for metrics, alerts and traces. It has one
// or more of the methods of the interfaces below; New refuses one that has none.
// [Shipper.Snapshot] has the counts and sizes that need no hook.
//
// Hooks are called in the goroutine that does the work, which waits for them,
// and concurrently. They must not modify what they are given.
type Hook any

// RecordedHook is called when events were accepted, by Record or with a change
// of the webhook: so many, with so many bytes in the store, in so much time.
type RecordedHook interface {
	Recorded(ctx context.Context, id string, events, bytes int, took time.Duration)
}

// AttemptFinishedHook is called after each attempt, also of a replay job; it is
// the last one of the result.
type AttemptFinishedHook interface {
	AttemptFinished(ctx context.Context, id string, result delivery.Result)
}

// DeliveryFinishedHook is called when a batch was delivered, or was not: with
// the time when its first event was recorded and the error of
// [delivery.Deliverer.Deliver]. It is not called for tests and replay jobs, nor where there was no attempt.
type DeliveryFinishedHook interface {
	DeliveryFinished(ctx context.Context, id string, result delivery.Result, recorded time.Time, err error)
}

// ConfigChangedHook is called when a webhook was changed by this Shipper, or
// deleted: next is the zero Config then.
type ConfigChangedHook interface {
	ConfigChanged(ctx context.Context, id string, old, next webhook.Config)
}

// StatusChangedHook is called when a webhook that was active turns inactive, and
// the other way round.
type StatusChangedHook interface {
	StatusChanged(ctx context.Context, id string, old, next status.Condition)
}

// DeadLetteredHook is called when an event was set aside.
type DeadLetteredHook interface {
	DeadLettered(ctx context.Context, id, letter, reason string)
}

// EventsLostHook is called when the stream has got the event of a gap.
type EventsLostHook interface {
	EventsLost(ctx context.Context, id string, gap store.Gap)
}

// hooks is all hooks, by what they are told.
type hooks struct {
	recorded []RecordedHook
	attempt  []AttemptFinishedHook
	delivery []DeliveryFinishedHook
	config   []ConfigChangedHook
	status   []StatusChangedHook
	dead     []DeadLetteredHook
	gap      []EventsLostHook
}

func probeHooks(all []Hook) hooks {
	var hs hooks
	for _, h := range all {
		hs.recorded = appendIf(hs.recorded, h)
		hs.attempt = appendIf(hs.attempt, h)
		hs.delivery = appendIf(hs.delivery, h)
		hs.config = appendIf(hs.config, h)
		hs.status = appendIf(hs.status, h)
		hs.dead = appendIf(hs.dead, h)
		hs.gap = appendIf(hs.gap, h)
	}
	return hs
}

func appendIf[T any](all []T, h Hook) []T {
	if t, ok := h.(T); ok {
		return append(all, t)
	}
	return all
}

// checkHooks reports hooks that would never be called.
func checkHooks(all []Hook) error {
	var errs []error
	for i, h := range all {
		hs := probeHooks([]Hook{h})
		if len(hs.recorded)+len(hs.attempt)+len(hs.delivery)+len(hs.config)+len(hs.status)+len(hs.dead)+len(hs.gap) == 0 {
			errs = append(errs, fmt.Errorf("shipper: Hooks[%d], a %T, has no method of a hook", i, h))
		}
	}
	return errors.Join(errs...)
}
