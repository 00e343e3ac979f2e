package diskstore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// Start implements core.Log: it reads what there is, cuts off what a crash
// left, and reports what is damaged.
func (l *log) Start(first uint64, found func(*core.Block), placed func([]*core.Block, error)) error {
	l.placed = placed
	l.next = first
	// A process that was killed may have made a file and not synced the
	// directory. What is in it now must not depend on that.
	if err := errors.Join(l.fs.SyncDir(), l.list()); err != nil {
		return fmt.Errorf("diskstore: reading the directory: %w", err)
	}
	for i := range l.segments {
		r := recovery{log: l, seg: l.segments[i], found: found}
		if i+1 < len(l.segments) {
			r.following = l.segments[i+1]
		}
		if err := r.run(); err != nil {
			return fmt.Errorf("diskstore: segment %s at offset %d: %w", r.seg.name(), r.scan.offset, err)
		}
		l.size += r.seg.size
	}
	l.missing()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
	return nil
}

// list fills in the segments. A last one that has not even a header was never
// used: it is removed.
func (l *log) list() error {
	names, err := l.fs.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if s, ok := parseName(name); ok {
			l.segments = append(l.segments, s)
		}
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return strings.Compare(a.name(), b.name()) })
	for n, s := range slices.Backward(l.segments) {
		l.next = max(l.next, s.number)
		unused, err := l.unused(s)
		if err != nil {
			return err
		}
		if !unused {
			break
		}
		l.segments = l.segments[:n]
		if err := errors.Join(l.fs.Remove(s.name()), l.fs.SyncDir()); err != nil {
			return err
		}
	}
	return nil
}

// unused tells whether nothing can ever have been in the segment: its header
// is written before anything else.
func (l *log) unused(s *segment) (bool, error) {
	f, err := l.fs.Open(s.name())
	if err != nil {
		return false, err
	}
	size, err := f.Size()
	head, readErr := readHeader(f)
	if err = errors.Join(err, readErr, f.Close()); err != nil {
		return false, err
	}
	known := l.durable
	if size > segmentHeader || known.Segment == s.number && known.Size > segmentHeader {
		return false, nil
	}
	_, _, ok, err := s.parseHeader(head)
	return !ok, err
}

// readHeader reads what there is of a segment's header.
func readHeader(f file) ([]byte, error) {
	head := make([]byte, segmentHeader)
	n, err := f.ReadAt(head, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head[:n], err
}

// missing reports that the log ends before a place that is known to have been
// durable.
func (l *log) missing() {
	known := l.durable
	n := len(l.segments)
	if known.Segment == 0 || n > 0 && l.segments[n-1].number >= known.Segment {
		return
	}
	s := segment{number: known.Segment}
	l.damage(&DamageError{
		Segment: s.name()[:16], Length: known.Size, Reason: "the file is missing",
	})
}

// recovery reads one segment.
type recovery struct {
	log       *log
	seg       *segment
	following *segment // nil for the last one
	found     func(*core.Block)

	file   file
	scan   scanner
	bad    []item // regions since the last frame
	end    int64  // of the last frame
	sync   int64  // what is known to have been durable
	filled int64  // the file's size when it can be written on
}

func (r *recovery) run() error {
	f, err := r.log.fs.Open(r.seg.name())
	if err != nil {
		return err
	}
	r.file = f
	keep, err := r.read()
	if err == nil && keep {
		r.log.active, r.log.filled = f, r.filled
		return nil
	}
	return errors.Join(err, f.Close())
}

// read tells whether the segment can be written on.
func (r *recovery) read() (keep bool, err error) {
	size, err := r.file.Size()
	if err != nil {
		return false, err
	}
	final, err := r.final()
	if err != nil {
		return false, err
	}
	limit := size
	if r.sync = final; final > 0 {
		limit = min(limit, final)
	}
	if known := r.log.durable; known.Segment == r.seg.number {
		r.sync = max(r.sync, known.Size) // it may have grown since
	}
	r.scan = scanner{r: r.file, limit: limit, salt: r.seg.salt}
	if err := r.header(); err != nil {
		return false, err
	}
	r.end = segmentHeader
	for {
		it, err := r.scan.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false, err
		}
		r.item(it)
	}
	return r.finish(limit, size)
}

// final returns the size that the segment had when the following one was begun;
// 0 if that is not known.
func (r *recovery) final() (int64, error) {
	if r.following == nil {
		return 0, nil
	}
	f, err := r.log.fs.Open(r.following.name())
	if err != nil {
		return 0, err
	}
	head, err := readHeader(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	before, size, ok, err := r.following.parseHeader(head)
	if err != nil || !ok || before != r.seg.number {
		return 0, err
	}
	return size, nil
}

// header checks the segment's header, which nothing else depends on.
func (r *recovery) header() error {
	head, err := r.scan.peek(0, segmentHeader)
	if err != nil {
		return err
	}
	if _, _, ok, err := r.seg.parseHeader(head); err != nil {
		return err
	} else if !ok {
		r.report(item{length: int64(len(head)), err: errors.New("the segment's header is wrong")}, false)
	}
	r.scan.offset = int64(len(head))
	return nil
}

// item takes a frame or a region.
func (r *recovery) item(it item) {
	if it.err != nil {
		r.bad = append(r.bad, it)
		return
	}
	// Whatever was synced before this frame was written is damaged if it is bad.
	r.sync = max(r.sync, int64(it.group))
	r.lost()
	r.block(it, false)
	r.end = it.offset + it.length
}

// lost reports the regions before a frame.
func (r *recovery) lost() {
	for _, it := range r.bad {
		r.report(it, it.offset >= r.sync)
		if it.known {
			r.block(it, true)
		}
	}
	r.bad = nil
}

func (r *recovery) block(it item, damaged bool) {
	b := it.block(r.seg.number, it.offset)
	b.Damaged = damaged
	r.log.next = max(r.log.next, b.Seq+1)
	r.log.last = max(r.log.last, it.time)
	if r.following == nil && r.log.begun == 0 {
		r.log.begun = it.time
	}
	r.found(b)
}

// finish deals with what stands behind the last frame.
func (r *recovery) finish(limit, size int64) (keep bool, err error) {
	if limit, err = r.trim(limit); err != nil {
		return false, err
	}
	bad := len(r.bad) > 0
	torn := bad && r.bad[0].offset >= r.sync && r.following == nil
	if bad && !torn {
		r.lost()
	}
	r.seg.size = limit
	if limit < r.sync {
		r.report(item{offset: limit, length: r.sync - limit, err: errors.New("the file is too short")}, false)
	}
	if r.following != nil {
		return false, nil
	}
	if torn {
		r.log.damage(&DamageError{
			Segment: r.seg.name(), Offset: r.end, Length: size - r.end, Reason: r.bad[0].err.Error(), Torn: true,
		})
		if err := r.file.Truncate(r.end); err != nil {
			return false, err
		}
		r.seg.size, size = r.end, r.end
	}
	r.filled = size
	// What a killed process has written but not synced was read all the same,
	// and may be acknowledged now.
	if err := r.file.Sync(); err != nil {
		return false, err
	}
	return limit >= r.sync && limit >= segmentHeader && (!bad || torn), nil
}

// trim returns where the zeros begin that were written ahead of the log's end and
// not used, or the limit. They are no damage.
func (r *recovery) trim(limit int64) (int64, error) {
	n := len(r.bad) - 1
	if n < 0 || r.bad[n].known || r.bad[n].offset < r.sync {
		return limit, nil
	}
	begin := r.bad[n].offset
	zero, err := r.scan.zero(begin)
	if err != nil || !zero {
		return limit, err
	}
	r.bad = r.bad[:n]
	return begin, nil
}

// report reports a region and copies it, unless that was done when the store
// was last opened.
func (r *recovery) report(it item, torn bool) {
	e := &DamageError{
		Segment: r.seg.name(), Offset: it.offset, Length: it.length, Reason: it.err.Error(), Torn: torn,
	}
	if it.known {
		e.Stream, e.Events, e.Seq = it.stream, it.count, it.seq
	}
	r.log.setAside(r.file, r.seg, e)
}
