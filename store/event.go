package store

import (
	"cmp"
	"time"
)

// Block is the events of one [Store.Append]: 1 to [MaxBlockEvents], each of
// one byte at least, [MaxBlockBytes] together.
type Block [][]byte

// Position is the place of an event in its stream: the sequence of its block
// and its index there.
type Position struct {
	Seq   uint64 `json:"seq"`
	Index int    `json:"index,omitempty"`
}

// Compare returns -1, 0 or 1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	if c := cmp.Compare(p.Seq, q.Seq); c != 0 {
		return c
	}
	return cmp.Compare(p.Index, q.Index)
}

// Event is an event as the store keeps it.
type Event struct {
	Position Position
	Time     time.Time // when it was accepted; never before the one before it
	Data     []byte
}

// From tells where a [Store.Read] begins: at the first event at or after both
// the position and the time. The zero value is the oldest event kept.
type From struct {
	Position Position
	Time     time.Time
}

// Limits bounds a batch. Both must be positive. A single event larger than
// Bytes is a batch of its own.
type Limits struct {
	Events int
	Bytes  int // of the events' data
}

// Backlog is unsent events. Of more than some thousands, or some megabytes, a store
// that would have to read them may estimate the numbers.
type Backlog struct {
	Events int64
	Bytes  int64     // of the events' data
	Oldest time.Time // when the first of them was accepted; zero if there are none
}
