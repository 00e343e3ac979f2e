package store

import (
	"context"
	"time"
)

// Claim is the exclusive right to send a stream's events: see the package's
// contract. Every method prolongs it and returns [ErrClaimLost] when it is over.
type Claim interface {
	// Stream returns the stream's name.
	Stream() string

	// State returns the stream's state as it is now.
	State(ctx context.Context) (State, error)

	// Batch returns the next frozen batch that this claim has not returned
	// yet. If there is none, it cuts the longest one that is within the
	// limits and freezes it. It returns ErrNoEvents if there is nothing to
	// cut, an error if the limits are not positive.
	Batch(ctx context.Context, limits Limits) (Batch, error)

	// Split replaces the frozen batch by two, the first of which is half of
	// its events, rounded up. Both count as not yet returned. It returns
	// ErrNotFound if there is no such batch, *SizeError if it has one event.
	Split(ctx context.Context, id string) error

	// Ack acknowledges the frozen batch and stores the status, unless it is
	// nil. If next is not zero, and all frozen batches were returned, and a batch that next allows no
	// event more waits, that one is frozen as well. Errors:
	// ErrNotFound if there is no such batch, *SizeError.
	Ack(ctx context.Context, id string, status []byte, next Limits) error

	// Skip acknowledges all events accepted before the time, and stores the
	// status, unless it is nil. Frozen batches that begin before that time are
	// dropped with all their events. It returns what it skipped. No gap is made of it.
	Skip(ctx context.Context, before time.Time, status []byte) (Backlog, error)

	// Save stores the status. Errors: *SizeError.
	Save(ctx context.Context, status []byte) error

	// ClearGap forgets the gap. It returns ErrNotFound if there is no such.
	ClearGap(ctx context.Context, id string) error

	// Keep does nothing but prolong the claim.
	Keep(ctx context.Context) error

	// Release gives the stream back.
	Release(ctx context.Context, wait Wait) error
}

// UntilWoken as [Wait.After] waits for [Store.Wake], however long.
const UntilWoken time.Duration = -1

// Wait tells when a released stream may be claimed again, if it has work then.
// The zero value is at once, after the others that are ready.
type Wait struct {
	// After is the shortest time. Negative is UntilWoken.
	After time.Duration

	// Events and Bytes, where positive, end the wait early when at least as
	// much is unsent. It may end by them later than it could, or too early, but
	// never later than After.
	Events int
	Bytes  int
}

// Batch is a frozen batch with its events.
type Batch struct {
	ID     string
	Events []Event
}

// State is what a store keeps of a stream besides its events.
type State struct {
	Backlog          // unsent events, frozen ones included
	Next    Position // everything before it is acknowledged, skipped or a gap
	Frozen  []Frozen
	Status  []byte // as the engine stored it; nil if never
	Gaps    []Gap
}

// Frozen is the bounds of a frozen batch.
type Frozen struct {
	ID     string   `json:"id"`
	First  Position `json:"first"`
	End    Position `json:"end"`    // behind the last event
	Events int      `json:"events"` // when it was frozen, as Bytes
	Bytes  int      `json:"bytes"`
	Acked  bool     `json:"acked,omitempty"` // it waits for those before it
}

// Reason tells why events disappeared unsent.
type Reason string

// The reasons of gaps.
const (
	Expired Reason = "expired" // they outlived the store's retention
	Damaged Reason = "damaged" // they could not be read any more
)

// Gap is events that disappeared unsent. A stream has at most one of each
// reason.
type Gap struct {
	ID     string    `json:"id"`
	Reason Reason    `json:"reason"`
	Events int64     `json:"events"`
	Bytes  int64     `json:"bytes"`
	First  time.Time `json:"first"` // when the first of them was accepted
	Last   time.Time `json:"last"`  // and the last
}
