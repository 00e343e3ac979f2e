package memstore

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// segmentBytes is the size at which a segment ends, unless its age ends it
// before: events are removed a segment at a time.
const segmentBytes = 1 << 20

// blockBytes is about what a block takes besides its events.
const blockBytes = 100

// log implements core.Log.
type log struct {
	clock store.Clock
	age   time.Duration // after which a segment ends

	placing sync.Mutex // held while blocks are placed; before mu
	placed  func([]*core.Block, error)
	closed  bool
	next    uint64
	last    int64 // time of the last block in Unix milliseconds

	mu       sync.Mutex
	segments []*segment
	size     int64
}

type segment struct {
	number uint64
	begun  time.Time // when its first block came
	blocks []*core.Block
	size   int64
	sealed bool
}

// ended tells whether nothing more may come into the segment, if one that began
// at the time given is too old.
func (s *segment) ended(tooOld time.Time) bool {
	return s.sealed || s.size >= segmentBytes || !s.begun.After(tooOld)
}

var _ core.Log = (*log)(nil)

func (l *log) Start(first uint64, _ func(*core.Block), placed func([]*core.Block, error)) error {
	l.next, l.placed = first, placed
	return nil
}

func (l *log) Submit(b *core.Block) {
	l.placing.Lock()
	defer l.placing.Unlock()
	if l.closed {
		l.placed([]*core.Block{b}, store.ErrClosed)
		return
	}
	l.place(b)
	l.placed([]*core.Block{b}, nil)
}

func (l *log) place(b *core.Block) {
	kept := *b
	kept.Events = make([][]byte, len(b.Events))
	for i, event := range b.Events {
		kept.Events[i] = bytes.Clone(event)
	}
	kept.Time = core.Time(l.clock, &l.last)
	kept.Seq = l.next
	l.next++

	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.segments)
	if n == 0 || l.segments[n-1].ended(kept.Time.Add(-l.age)) {
		l.segments = append(l.segments, &segment{number: kept.Seq, begun: kept.Time})
		n++
	}
	seg := l.segments[n-1]
	kept.Segment, kept.Offset = seg.number, uint32(len(seg.blocks))
	seg.blocks = append(seg.blocks, &kept)
	seg.size += int64(b.Bytes) + blockBytes
	l.size += int64(b.Bytes) + blockBytes
	b.Seq, b.Time, b.Segment, b.Offset, b.Events = kept.Seq, kept.Time, kept.Segment, kept.Offset, nil
}

// Withdraw finds nothing to take back, for Submit does it all.
func (l *log) Withdraw(*core.Block) bool { return false }

// blocks returns the segment's blocks: none if there is no such segment.
func (l *log) blocks(number uint64) []*core.Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := l.find(number)
	if i < 0 {
		return nil
	}
	return l.segments[i].blocks
}

func (l *log) find(number uint64) int {
	return slices.IndexFunc(l.segments, func(s *segment) bool { return s.number == number })
}

func (l *log) Load(number uint64, refs []core.Ref, _ string, fn func(int, *core.Block, error) bool) error {
	blocks := l.blocks(number)
	for i, ref := range refs {
		if int(ref.Offset) >= len(blocks) { // the stream was deleted, then the segment removed
			return store.ErrNotFound
		}
		if !fn(i, blocks[ref.Offset], nil) {
			break
		}
	}
	return nil
}

func (l *log) Scan(number uint64, stream string, fn func(*core.Block, error) bool) error {
	for _, b := range l.blocks(number) {
		if b.Stream == stream && !fn(b, nil) {
			break
		}
	}
	return nil
}

func (l *log) Seal(number uint64) error {
	l.placing.Lock()
	defer l.placing.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.find(number); i >= 0 {
		l.segments[i].sealed = true
	}
	return nil
}

func (l *log) Remove(number uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.find(number); i >= 0 {
		l.size -= l.segments[i].size
		l.segments = slices.Delete(l.segments, i, i+1)
	}
	return nil
}

func (l *log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

func (l *log) Close() error {
	l.placing.Lock()
	defer l.placing.Unlock()
	l.closed = true
	return nil
}
