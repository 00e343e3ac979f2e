package store

import (
	"context"
	"iter"
	"time"
)

// What every store promises at least, or takes at most.
const (
	// MaxBlockBytes bounds the data of a block's events together.
	MaxBlockBytes = 4 << 20

	// MaxBlockEvents bounds the number of a block's events.
	MaxBlockEvents = 10_000

	// MaxDocument bounds the value of a document and the status of a stream,
	// in bytes.
	MaxDocument = 1 << 20

	// MaxName bounds names, in bytes.
	MaxName = 255

	// DedupWindow is for how long dedup ids are remembered, at least, and
	// DedupIDs how many of them, if more come in that time.
	DedupWindow = 2 * time.Minute
	DedupIDs    = 1 << 16
)

// Store keeps events in streams, and documents. See the package's contract.
type Store interface {
	Documents

	// Append adds the block to the stream, which need not exist, and returns
	// its sequence when it is durable. If a block with the same dedup id, in
	// the same stream, was accepted within the window, nothing is added and
	// that block's sequence is returned. An empty dedup id is none. The block is not modified, nor kept after Append returned.
	//
	// Errors: *NameError, *SizeError, ErrFull.
	Append(ctx context.Context, stream, dedupID string, block Block) (seq uint64, err error)

	// Claim waits for a stream that has work and that nobody holds.
	Claim(ctx context.Context) (Claim, error)

	// Wake ends the wait of a released stream. If it is claimed, the
	// wait that its release asks for ends at once. A stream without work,
	// or an unknown one, is left as it is.
	Wake(ctx context.Context, stream string) error

	// Read yields events of the stream, also those that were sent already,
	// as long as retention keeps them, in order. It ends after the last event
	// that was accepted when it got there. Ranging twice reads twice. An error is
	// the last thing it yields, unless it wraps ErrDamaged: then it goes on
	// behind the damage.
	Read(ctx context.Context, stream string, from From) iter.Seq2[Event, error]

	// State returns the stream's state: the zero one if it is not known.
	State(ctx context.Context, stream string) (State, error)

	// Total returns the unsent events of all streams.
	Total(ctx context.Context) (Backlog, error)

	// Streams yields the names of the streams that have unsent events or a
	// state, in alphabetical order.
	Streams(ctx context.Context) iter.Seq2[string, error]

	// DeleteStream removes the stream, its state and its events. Whoever
	// claims it loses it. An unknown one is no error. The bytes of the events may
	// stay on the medium until retention removes them, but no method returns
	// them. An Append at the same time comes before or after.
	DeleteStream(ctx context.Context, stream string) error

	// Close ends all waiting calls and releases what the store holds. What
	// was accepted stays. A second call does nothing.
	Close() error
}

// Documents keeps documents: see the package's contract.
type Documents interface {
	// Get returns the document. Errors: *NameError, ErrNotFound.
	Get(ctx context.Context, key string) (Document, error)

	// Put stores the value if the document's revision still is the given one,
	// or if there is no such document and the given revision is 0. It returns
	// the new revision. Errors: *NameError, *SizeError, ErrConflict.
	Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)

	// Delete removes the document if its revision still is the given one.
	// Errors: *NameError, ErrConflict, ErrNotFound.
	Delete(ctx context.Context, key string, revision uint64) error

	// List yields the documents whose keys begin with the prefix, by key. The
	// loop may change documents; it sees changes only ahead of it, if any.
	List(ctx context.Context, prefix string) iter.Seq2[Document, error]

	// Watch yields the documents whose keys begin with the prefix, then their
	// changes as they come, until the context or the store ends: an error is
	// the last thing it yields. Of several changes of one
	// document a slow watcher may see only the last.
	Watch(ctx context.Context, prefix string) iter.Seq2[Change, error]
}

// Document is a small value under a key.
type Document struct {
	Key      string
	Value    []byte
	Revision uint64 // never 0
}

// Change is a document that was put or deleted.
type Change struct {
	Document
	Deleted bool // Value is nil then
}

// Volatile is what a store implements to tell that it loses everything with the
// process. Any other is taken for a durable one.
type Volatile interface {
	Volatile() bool
}
