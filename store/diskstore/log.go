package diskstore

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// maxGroup is about how many bytes are synced together at most.
const maxGroup = 8 << 20

// log implements core.Log. As long as blocks wait, one goroutine writes: it
// takes all there are, writes them at once and syncs once.
type log struct {
	fs      fileSystem
	clock   store.Clock
	max     int64         // bytes of a segment
	age     time.Duration // after which a segment is ended
	damage  func(*DamageError)
	durable mark // what the documents know of the log

	placed func([]*core.Block, error)
	writer sync.WaitGroup // the goroutine that writes, if there is one

	// The fields below are the writer's, or whose who holds writing.
	writing sync.Mutex // before mu
	active  file       // of the last segment; nil if it was given up
	filled  int64      // size of that file: behind the log's end it has zeros
	ended   bool       // no file is to be made any more
	spoilt  bool       // the active file must not be written any more
	next    uint64
	last    int64 // time of the last block
	begun   int64 // time of the active segment's first block; 0 if it has none
	buffer  []byte

	mu       sync.Mutex
	queue    []*core.Block
	busy     bool // there is a writer, who will see what is in queue
	started  bool
	closed   bool
	segments []*segment
	size     int64
}

var _ core.Log = (*log)(nil)

// mark is the end of the log at some time.
type mark struct {
	Segment uint64 `json:"segment"`
	Size    int64  `json:"size"`
}

// Submit implements core.Log.
func (l *log) Submit(b *core.Block) {
	b.Frame = appendFrame(newBuffer(maxFrame(b.Stream, b.Count, b.Bytes)), b)
	b.Events = nil
	if !l.enqueue(b) {
		l.placed([]*core.Block{b}, store.ErrClosed)
	}
}

// enqueue puts the block into the queue, unless the log is closed.
func (l *log) enqueue(b *core.Block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.queue = append(l.queue, b)
	if !l.busy {
		l.busy = true
		l.writer.Go(l.write)
	}
	return true
}

// Withdraw implements core.Log.
func (l *log) Withdraw(b *core.Block) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.queue, b)
	if i < 0 {
		return false
	}
	l.queue = slices.Delete(l.queue, i, i+1)
	return true
}

// write writes what is in the queue, until nothing is.
func (l *log) write() {
	for group := l.group(); group != nil; group = l.group() {
		l.writing.Lock()
		l.placed(group, l.commit(group))
		l.writing.Unlock()
		// Those who were just served go first, for they may come back: many
		// callers then share a sync, not two halves of them one each.
		runtime.Gosched()
	}
}

// group takes blocks from the queue. If there is none, it returns nil, and the
// writer is one no more.
func (l *log) group() []*core.Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, bytes := 0, 0
	for n < len(l.queue) && (n == 0 || bytes+len(l.queue[n].Frame) <= maxGroup) {
		bytes += len(l.queue[n].Frame)
		n++
	}
	if n == 0 {
		l.busy = false
		return nil
	}
	group := l.queue[:n:n]
	l.queue = l.queue[n:]
	return group
}

// Seal implements core.Log.
func (l *log) Seal(number uint64) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if s := l.current(); s == nil || s.number != number {
		return nil
	}
	if l.ended {
		return store.ErrClosed
	}
	return l.rotate()
}

// Remove implements core.Log.
func (l *log) Remove(number uint64) error {
	l.mu.Lock()
	i := slices.IndexFunc(l.segments, func(s *segment) bool { return s.number == number })
	if i < 0 {
		l.mu.Unlock()
		return nil
	}
	s := l.segments[i]
	l.segments = slices.Delete(slices.Clone(l.segments), i, i+1)
	l.size -= s.size
	l.mu.Unlock()
	if err := l.fs.Remove(s.name()); err != nil {
		return err
	}
	return l.fs.SyncDir()
}

// Size implements core.Log.
func (l *log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// mark returns the log's end; what is known of it while the log is being read.
func (l *log) mark() mark {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.started {
		return l.durable
	}
	if len(l.segments) == 0 {
		return mark{}
	}
	s := l.segments[len(l.segments)-1]
	return mark{Segment: s.number, Size: s.size}
}

// Close implements core.Log. What was submitted is still written.
func (l *log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.writer.Wait()
	l.writing.Lock()
	defer l.writing.Unlock()
	l.ended = true
	if l.active == nil {
		return nil
	}
	_ = l.cut(l.current().size) // if not now, then when the next segment is begun
	f := l.active
	l.active = nil
	return f.Close()
}
