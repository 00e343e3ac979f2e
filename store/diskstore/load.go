package diskstore

import (
	"bytes"
	"errors"
	"io"
	"io/fs"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

const (
	// maxHole is how many bytes of other streams are read along rather than
	// jumped over, and maxLoad how many bytes are read at once.
	maxHole = 16 << 10
	maxLoad = 1 << 20
)

// segment returns a copy of what is known of the segment, or nil.
func (l *log) segment(number uint64) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		if s.number == number {
			found := *s
			return &found
		}
	}
	return nil
}

// Load implements core.Log.
func (l *log) Load(number uint64, refs []core.Ref, stream string, fn func(int, *core.Block, error) bool) error {
	s := l.segment(number)
	if s == nil { // the stream was deleted, then the segment removed
		return store.ErrNotFound
	}
	f, err := l.fs.Open(s.name())
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	for i := 0; i < len(refs); {
		start, stop := int64(refs[i].Offset), end(stream, refs[i])
		n := i + 1
		for n < len(refs) && int64(refs[n].Offset) <= stop+maxHole && end(stream, refs[n]) <= start+maxLoad {
			stop = max(stop, end(stream, refs[n]))
			n++
		}
		scan := scanner{r: f, limit: min(stop, s.size), salt: s.salt}
		if _, err := scan.peek(start, int(stop-start)); err != nil {
			return err
		}
		// The events that are handed out share the window, so nothing may be read
		// into it again: of a file that has become shorter, no more is there.
		scan.limit = scan.at + int64(len(scan.window))
		for ; i < n; i++ {
			b, err := l.load(&scan, f, s, int64(refs[i].Offset), stream)
			if !fn(i, b, err) {
				return nil
			}
		}
	}
	return nil
}

// end returns an offset behind the stream's block.
func end(stream string, r core.Ref) int64 {
	return int64(r.Offset) + int64(maxFrame(stream, int(r.Count), int(r.Bytes)))
}

// load returns the block at the offset, or an error that wraps store.ErrDamaged.
// Its events share the scanner's window.
func (l *log) load(scan *scanner, f file, s *segment, offset int64, stream string) (*core.Block, error) {
	it, err := scan.frame(offset)
	if err != nil {
		return nil, err
	}
	if it.err == nil && it.stream != stream {
		it.err = errNoFrame
	}
	var events [][]byte
	if it.err == nil {
		events, it.err = it.events(it.data)
	}
	if it.err != nil {
		return nil, l.damaged(f, s, it)
	}
	b := it.block(s.number, offset)
	b.Events = events
	return b, nil
}

// damaged reports damage that was not there when the store was opened.
func (l *log) damaged(f file, s *segment, it item) error {
	e := &DamageError{Segment: s.name(), Offset: it.offset, Length: max(it.length, frameHeader), Reason: it.err.Error()}
	if it.known {
		e.Stream, e.Events, e.Seq = it.stream, it.count, it.seq
	}
	l.setAside(f, s, e)
	return e
}

// Scan implements core.Log.
func (l *log) Scan(number uint64, stream string, fn func(*core.Block, error) bool) error {
	s := l.segment(number)
	if s == nil {
		return nil
	}
	f, err := l.fs.Open(s.name())
	if errors.Is(err, fs.ErrNotExist) { // retention was faster
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	scan := scanner{r: f, limit: s.size, salt: s.salt, offset: segmentHeader}
	for {
		it, err := scan.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if it.known && it.stream != stream {
			continue
		}
		var b *core.Block
		if it.err == nil {
			b = it.block(number, it.offset)
			b.Events, it.err = it.events(bytes.Clone(it.data))
		}
		if it.err != nil {
			err = l.damaged(f, s, it)
		}
		if !fn(b, err) {
			return nil
		}
	}
}
