package diskstore

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// maxGroup is about how many bytes are synced together at most.
const maxGroup = 8 << 20

// maxBuffer is how large a buffer is kept for the next group, in bytes.
const maxBuffer = 1 << 20

// log implements core.Log. One goroutine writes: it takes all blocks that wait,
// writes them at once and syncs once.
type log struct {
	fs      fileSystem
	clock   store.Clock
	max     int64         // bytes of a segment
	age     time.Duration // after which a segment is ended
	damage  func(*DamageError)
	durable mark // what the documents know of the log

	placed  func([]*core.Block, error)
	stopped chan struct{} // closed when write has returned; nil before Start

	// The fields below are the writer's, or whose who holds writing.
	writing sync.Mutex // before mu
	active  file       // of the last segment; nil if it was given up
	ended   bool       // no file is to be made any more
	spoilt  bool       // the active file must not be written any more
	next    uint64
	last    int64 // time of the last block
	begun   int64 // time of the active segment's first block; 0 if it has none
	buffer  []byte

	mu       sync.Mutex
	wake     sync.Cond // of mu: there is something in queue, or closed
	queue    []*core.Block
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
	b.Frame = appendFrame(nil, b)
	b.Events = nil
	l.mu.Lock()
	if !l.closed {
		l.queue = append(l.queue, b)
		l.mu.Unlock()
		l.wake.Signal()
		return
	}
	l.mu.Unlock()
	l.placed([]*core.Block{b}, store.ErrClosed)
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

// write writes what is submitted until the log is closed.
func (l *log) write() {
	defer close(l.stopped)
	for {
		group := l.group()
		if group == nil {
			return
		}
		l.writing.Lock()
		l.placed(group, l.commit(group))
		l.writing.Unlock()
	}
}

// group waits for blocks and takes them; nil when the log is closed.
func (l *log) group() []*core.Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) == 0 {
		if l.closed {
			return nil
		}
		l.wake.Wait()
	}
	n, bytes := 0, 0
	for n < len(l.queue) && (n == 0 || bytes+len(l.queue[n].Frame) <= maxGroup) {
		bytes += len(l.queue[n].Frame)
		n++
	}
	group := l.queue[:n:n]
	l.queue = l.queue[n:]
	return group
}

// commit makes the blocks durable.
func (l *log) commit(group []*core.Block) error {
	bytes := 0
	for _, b := range group {
		bytes += len(b.Frame)
	}
	now := core.Time(l.clock, &l.last)
	seg := l.current()
	full := seg == nil || seg.size > segmentHeader && seg.size+int64(bytes) > l.max
	old := l.begun > 0 && now.UnixMilli()-l.begun >= l.age.Milliseconds()
	if l.active == nil || l.spoilt || full || old {
		if err := l.rotate(); err != nil {
			return appendError(err)
		}
		seg = l.current()
	}
	l.buffer = l.buffer[:0]
	for _, b := range group {
		b.Seq, b.Time, b.Segment = l.next, now, seg.number
		b.Offset = uint32(seg.size + int64(len(l.buffer)))
		completeFrame(b, seg.salt, uint32(seg.size))
		l.buffer = append(l.buffer, b.Frame...)
		b.Frame = nil
		l.next++
	}
	if _, err := l.active.WriteAt(l.buffer, seg.size); err != nil {
		// It may have been written in part. What stands behind the synced
		// size does not count, but must not stand in the way either.
		if l.active.Truncate(seg.size) != nil {
			l.spoilt = true
		}
		return appendError(err)
	}
	if err := l.active.Sync(); err != nil {
		// The system may have dropped what it could not write, and say at the
		// next sync that all is well: this file is not to be trusted again.
		l.spoilt = true
		_ = l.active.Truncate(seg.size)
		return appendError(err)
	}
	l.grow(seg, int64(len(l.buffer)))
	if cap(l.buffer) > maxBuffer {
		l.buffer = nil
	}
	if l.begun == 0 {
		l.begun = now.UnixMilli()
	}
	return nil
}

// appendError tells that nothing was accepted, and whether for lack of room.
func appendError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, errQuota) {
		return fmt.Errorf("diskstore: %w: %w", store.ErrFull, err)
	}
	return fmt.Errorf("diskstore: the events were not accepted: %w", err)
}

// current returns the last segment, or nil.
func (l *log) current() *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == 0 {
		return nil
	}
	return l.segments[len(l.segments)-1]
}

func (l *log) grow(s *segment, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.size += bytes
	l.size += bytes
}

// rotate begins a new segment, durably.
func (l *log) rotate() error {
	before := l.current()
	if before != nil && before.number >= l.next {
		l.next = before.number + 1 // an empty one that must not be used
	}
	s := &segment{number: l.next, salt: newSalt(), size: segmentHeader}
	f, err := l.fs.Create(s.name())
	if err != nil {
		return err
	}
	_, err = f.WriteAt(s.header(before), 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = l.fs.SyncDir()
	}
	if err != nil {
		l.next++ // should it not go away, the next one has another number
		return errors.Join(err, f.Close(), l.fs.Remove(s.name()))
	}
	if l.active != nil {
		_ = l.active.Close() // all that counts was synced
	}
	l.active, l.spoilt, l.begun = f, false, 0
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, s)
	l.size += s.size
	return nil
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
	if l.stopped == nil {
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
	l.wake.Signal()
	if l.stopped != nil {
		<-l.stopped
	}
	l.writing.Lock()
	defer l.writing.Unlock()
	l.ended = true
	if l.active == nil {
		return nil
	}
	f := l.active
	l.active = nil
	return f.Close()
}
