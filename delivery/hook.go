package delivery

import (
	"context"
	"fmt"
)

// Hook is told what deliveries do, for logs, metrics and progress. It has one
// or more of the methods of [AttemptStartedHook], [AttemptFinishedHook] and
// [DeliveryFinishedHook]; [New] refuses one that has none.
//
// Hooks are called in the goroutine of Deliver, with its context, in the order
// of Config.Hooks; a delivery waits for them. They are called concurrently
// where Deliver is. They must not modify the Result.
type Hook any

// AttemptStartedHook is called before each attempt. The Result has the attempts
// before it.
type AttemptStartedHook interface {
	AttemptStarted(ctx context.Context, result Result)
}

// AttemptFinishedHook is called after each attempt, before the wait for the
// next one. The attempt is the last one in the Result, its Wait set.
type AttemptFinishedHook interface {
	AttemptFinished(ctx context.Context, result Result)
}

// DeliveryFinishedHook is called with what Deliver is about to return.
type DeliveryFinishedHook interface {
	DeliveryFinished(ctx context.Context, result Result, err error)
}

// hooks are the Hooks by what they implement.
type hooks struct {
	started  []AttemptStartedHook
	finished []AttemptFinishedHook
	done     []DeliveryFinishedHook
}

func newHooks(all []Hook) (*hooks, error) {
	h := new(hooks)
	for i, hook := range all {
		started, isStarted := hook.(AttemptStartedHook)
		if isStarted {
			h.started = append(h.started, started)
		}
		finished, isFinished := hook.(AttemptFinishedHook)
		if isFinished {
			h.finished = append(h.finished, finished)
		}
		done, isDone := hook.(DeliveryFinishedHook)
		if isDone {
			h.done = append(h.done, done)
		}
		if !isStarted && !isFinished && !isDone {
			return nil, fmt.Errorf("delivery: Hooks[%d]: %T has none of the methods of a hook", i, hook)
		}
	}
	return h, nil
}

func (h *hooks) attemptStarted(ctx context.Context, result Result) {
	for _, hook := range h.started {
		hook.AttemptStarted(ctx, result)
	}
}

func (h *hooks) attemptFinished(ctx context.Context, result Result) {
	for _, hook := range h.finished {
		hook.AttemptFinished(ctx, result)
	}
}

func (h *hooks) deliveryFinished(ctx context.Context, result Result, err error) {
	for _, hook := range h.done {
		hook.DeliveryFinished(ctx, result, err)
	}
}
