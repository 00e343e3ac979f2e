// Package core is what all stores of one process have in common: claims,
// batches, gaps, retention, documents, over a [Log] and [Docs] that only have
// to keep bytes.
package core

import (
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Block is a block on its way into a log or out of it.
type Block struct {
	Stream  string
	DedupID string
	Events  [][]byte
	Count   int // of events
	Bytes   int // of events

	// What the log adds. Times are in whole milliseconds.
	Seq     uint64
	Time    time.Time
	Segment uint64
	Offset  uint32
	Damaged bool // it cannot be read; Events is nil

	// Frame is the log's own, made when the block is submitted.
	Frame []byte

	done chan struct{} // closed when err is final
	err  error
}

// Ref is where a block is in its segment.
type Ref struct {
	Offset uint32
	Count  uint32
	Bytes  uint32
	seq    uint32 // since the segment's number
	ms     uint32 // since the first block of the stream in the segment
}

// Log keeps blocks in segments. A segment's number is the sequence of its
// first block or less, and more than all sequences before it.
type Log interface {
	// Start calls found for each block there is, in order, without its events, then accepts
	// blocks with sequences from at least first on. It calls
	// placed for those it was given, in log order, with the error that they
	// share, from one goroutine at a time.
	Start(first uint64, found func(*Block), placed func([]*Block, error)) error

	// Submit begins to add the block, whose events it does not need afterwards.
	Submit(b *Block)

	// Withdraw takes the block back if it was not begun.
	Withdraw(b *Block) bool

	// Load calls fn for the blocks at the places given until it returns
	// false. An error that wraps store.ErrDamaged concerns one block.
	Load(segment uint64, refs []Ref, stream string, fn func(i int, b *Block, err error) bool) error

	// Scan calls fn for the stream's accepted blocks in the segment until it
	// returns false. Without such a segment there are none.
	Scan(segment uint64, stream string, fn func(b *Block, err error) bool) error

	// Seal ends the segment if blocks may still come into it. All that are in
	// it have been placed when it returns.
	Seal(segment uint64) error

	// Remove removes a sealed segment for good.
	Remove(segment uint64) error

	// Size is that of all segments in bytes.
	Size() int64

	// Close ends what Start began. Blocks not begun get store.ErrClosed.
	Close() error
}

// Bucket separates documents from stream states.
type Bucket byte

// The buckets.
const (
	Documents Bucket = iota
	Streams
)

// Op is one change of a document. Its revision is set by [Docs.Commit].
type Op struct {
	Bucket  Bucket
	Change  store.Change
	Checked bool // whether Old must be the present revision, 0 being none
	Old     uint64
}

// Docs keeps documents.
type Docs interface {
	// Get returns store.ErrNotFound if there is no such document.
	Get(b Bucket, key string) (store.Document, error)

	// Page returns up to n documents with the prefix, by key, after the one given.
	Page(b Bucket, prefix, after string, n int) ([]store.Document, error)

	// Commit makes all changes or none, durably, then calls done, in the order
	// of commits and from one goroutine at a time.
	Commit(ops []Op, done func(error))

	// Close waits for commits that have begun. Later ones get store.ErrClosed.
	Close() error
}

// Time returns the time for a block that comes after one of the time last, in
// Unix milliseconds, which it moves on.
func Time(clock store.Clock, last *int64) time.Time {
	*last = max(*last, clock.Now().UnixMilli())
	return time.UnixMilli(*last).UTC()
}
