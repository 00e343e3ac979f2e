package diskstore

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// ahead is how many zeros are written at once behind the log's end: some hundreds
// of events fit in, and a write takes little longer with them.
const ahead = 256 << 10

var zeros [ahead]byte

// commit makes the blocks durable.
func (l *log) commit(group []*core.Block) error {
	defer recycle(group)
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
	data := l.frames(group, seg, now)
	if _, err := l.active.WriteAt(data, seg.size); err != nil {
		// It may have been written in part. What stands behind the synced
		// size does not count, but must not stand in the way either.
		if l.cut(seg.size) != nil {
			l.spoilt = true
		}
		return appendError(err)
	}
	l.fill(seg.size, int64(len(data)))
	if err := l.active.Sync(); err != nil {
		// The system may have dropped what it could not write, and say at the
		// next sync that all is well: this file is not to be trusted again.
		l.spoilt = true
		_ = l.cut(seg.size)
		return appendError(err)
	}
	l.grow(seg, int64(len(data)))
	if l.begun == 0 {
		l.begun = now.UnixMilli()
	}
	return nil
}

// frames gives the blocks their places and returns their frames, one behind the
// other.
func (l *log) frames(group []*core.Block, seg *segment, now time.Time) []byte {
	if cap(l.buffer) > maxBuffer {
		l.buffer = nil
	}
	l.buffer = l.buffer[:0]
	offset := seg.size
	for _, b := range group {
		b.Seq, b.Time, b.Segment, b.Offset = l.next, now, seg.number, uint32(offset)
		completeFrame(b, seg.salt, uint32(seg.size))
		l.next++
		if len(group) == 1 {
			return b.Frame
		}
		offset += int64(len(b.Frame))
		l.buffer = append(l.buffer, b.Frame...)
	}
	return l.buffer
}

// fill writes zeros behind the data that was written at the offset, if there are
// none any more. What overwrites them is durable sooner than what makes the file
// longer: the file system has nothing to note but the data. Data so large that
// the zeros would not last for another write does without.
func (l *log) fill(offset, length int64) {
	end := offset + length
	if end <= l.filled || length >= ahead {
		return
	}
	n := min(ahead, l.max-end)
	if n <= 0 {
		return
	}
	// If there is no room for them, it goes on without.
	if _, err := l.active.WriteAt(zeros[:n], end); err == nil {
		l.filled = end + n
	}
}

// cut takes off the active file what is behind the size.
func (l *log) cut(size int64) error {
	l.filled = size
	return l.active.Truncate(size)
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
		_ = l.cut(before.size) // all that counts was synced
		_ = l.active.Close()
	}
	l.active, l.filled, l.spoilt, l.begun = f, s.size, false, 0
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, s)
	l.size += s.size
	return nil
}
