package shipper

import (
	"errors"
	"fmt"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Match with errors.Is.
var (
	// ErrClosed is returned by the methods of a Shipper that was closed.
	ErrClosed = errors.New("shipper: closed")

	// ErrUnconfigured is wrapped by [*UnconfiguredError].
	ErrUnconfigured = errors.New("shipper: the webhook is not configured")

	// ErrFull is wrapped by [*FullError].
	ErrFull = errors.New("shipper: too much waits to be delivered")

	// ErrNoKey refuses to store an authorization where it could be read: the
	// store is durable, and Config.Keys is empty.
	ErrNoKey = errors.New("shipper: an authorization is stored only sealed: set Config.Keys")

	// ErrReplayRunning refuses a replay job while the one before is running.
	ErrReplayRunning = errors.New("shipper: a replay job is running")

	// ErrNotFound tells that there is no such dead letter.
	ErrNotFound = store.ErrNotFound
)

// UnconfiguredError refuses events for a webhook that was never configured, or
// was deleted: nothing was kept.
type UnconfiguredError struct{ ID string }

// Error implements error.
func (e *UnconfiguredError) Error() string {
	return fmt.Sprintf("shipper: webhook %q is not configured", e.ID)
}

// Unwrap returns ErrUnconfigured.
func (e *UnconfiguredError) Unwrap() error { return ErrUnconfigured }

// EventError tells which of the events given to Record cannot be taken: none of
// them was.
type EventError struct {
	Index int // from 0
	Err   error
}

// Error names the event and what is wrong with it.
func (e *EventError) Error() string { return fmt.Sprintf("shipper: event %d: %v", e.Index, e.Err) }

// Unwrap returns Err, such as a [*auditlog.FieldError].
func (e *EventError) Unwrap() error { return e.Err }

// FullError refuses events because too many wait to be delivered: nothing was
// kept.
type FullError struct {
	// ID is the webhook whose limit was reached, empty for the limit of all
	// webhooks together and for the store's own.
	ID string

	// Limit is what was reached: "events", "bytes", "age" or "store".
	Limit string

	// Err is the store's error if the limit is its own, and the cause of the
	// context that ended the wait.
	Err error
}

// Error implements error.
func (e *FullError) Error() string {
	whose := "all webhooks together"
	switch {
	case e.Limit == "store":
		whose = "the store"
	case e.ID != "":
		whose = fmt.Sprintf("webhook %q", e.ID)
	}
	text := fmt.Sprintf("%v: the limit of %s, %s, is reached", ErrFull, whose, e.Limit)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns ErrFull and Err.
func (e *FullError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrFull}
	}
	return []error{ErrFull, e.Err}
}
