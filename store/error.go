package store

import (
	"errors"
	"fmt"
)

var (
	// ErrClosed is returned by all methods of a closed store.
	ErrClosed = errors.New("the store is closed")

	// ErrNotFound tells that there is no such document, batch or gap.
	ErrNotFound = errors.New("not found")

	// ErrConflict tells that the document's revision is another by now.
	ErrConflict = errors.New("the document was changed by somebody else")

	// ErrClaimLost tells that the claim was released, has timed out, or that
	// its stream was deleted.
	ErrClaimLost = errors.New("the claim is lost")

	// ErrNoEvents tells that there is no event to make a batch of.
	ErrNoEvents = errors.New("no unsent events")

	// ErrFull tells that there is no room for the block, by the store's limit or
	// the medium's. It can be repeated when there is.
	ErrFull = errors.New("the store is full")

	// ErrUnavailable tells that the medium cannot be reached now. Of an Append
	// it tells also that the block was not kept. It can be repeated.
	ErrUnavailable = errors.New("the store cannot be reached")

	// ErrDamaged tells that events were accepted but cannot be read any more.
	ErrDamaged = errors.New("damaged")
)

// NameError tells which name cannot be used and why.
type NameError struct {
	Field  string // "stream", "key", "prefix" or "dedup id"
	Name   string
	Reason string
}

// Error quotes at most the first 32 bytes of the name.
func (e *NameError) Error() string {
	name, more := e.Name, ""
	if len(name) > 32 {
		name, more = name[:32], "…"
	}
	return fmt.Sprintf("%s %q%s %s", e.Field, name, more, e.Reason)
}

// SizeError tells what has too many or too few of something.
type SizeError struct {
	Field     string // as "the block's bytes"
	Size, Min int
	Max       int // 0 if there is no maximum
}

// Error names the field, its size, and the bound.
func (e *SizeError) Error() string {
	if e.Size < e.Min {
		return fmt.Sprintf("%s: %d, but at least %d are needed", e.Field, e.Size, e.Min)
	}
	return fmt.Sprintf("%s: %d, but at most %d are allowed", e.Field, e.Size, e.Max)
}
