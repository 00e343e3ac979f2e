package core

import (
	"container/heap"
	"slices"
	"sort"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/ready"
)

// stream is what is known of a stream. The store's mutex guards it.
type stream struct {
	name   string
	item   *ready.Item[*stream]
	wait   store.Wait // while it is released
	cur    cursor
	chunks []*chunk // with unsent blocks, by segment
	events int64    // unsent
	bytes  int64
	oldest int // its index in the heap of streams with unsent events, plus 1

	// slot is held by whoever changes cur, until the change is durable.
	slot chan struct{}
}

// chunk is a stream's unsent blocks in a segment: 20 bytes each, since a
// million may wait.
type chunk struct {
	segment *segment
	since   int64 // in Unix milliseconds
	refs    []Ref
}

// segment is what is known of a segment of the log.
type segment struct {
	number uint64
	last   time.Time // of the last block
	unsent map[*stream]*chunk
}

func (c *chunk) seq(i int) uint64     { return c.segment.number + uint64(c.refs[i].seq) }
func (c *chunk) time(i int) time.Time { return time.UnixMilli(c.since + int64(c.refs[i].ms)).UTC() }

// find returns the index of the first block that is not before seq.
func (c *chunk) find(seq uint64) int {
	return sort.Search(len(c.refs), func(i int) bool { return c.seq(i) >= seq })
}

// segmentOf returns the segment, which is the last one or a new one.
func (s *Store) segmentOf(number uint64) *segment {
	if n := len(s.segments); n > 0 && s.segments[n-1].number == number {
		return s.segments[n-1]
	}
	seg := &segment{number: number, unsent: map[*stream]*chunk{}}
	s.segments = append(s.segments, seg)
	return seg
}

// stream returns the stream, which it makes if need be.
func (s *Store) stream(name string) *stream {
	st := s.streams[name]
	if st == nil {
		st = &stream{name: name, slot: make(chan struct{}, 1)}
		st.item = &ready.Item[*stream]{Value: st}
		s.streams[name] = st
	}
	return st
}

// add indexes a block that comes after all others.
func (s *Store) add(b *Block) {
	seg := s.segmentOf(b.Segment)
	seg.last = b.Time
	s.last = b.Seq
	st := s.stream(b.Stream)
	if b.Seq < st.cur.Next.Seq {
		return
	}
	c := seg.unsent[st]
	if c == nil {
		c = &chunk{segment: seg, since: b.Time.UnixMilli()}
		seg.unsent[st] = c
		st.chunks = append(st.chunks, c)
	}
	if len(c.refs) == cap(c.refs) { // append would double it
		c.refs = slices.Grow(c.refs, 1+min(len(c.refs)/4, 1<<16))
	}
	c.refs = append(c.refs, Ref{
		Offset: b.Offset, Count: uint32(b.Count), Bytes: uint32(b.Bytes),
		seq: uint32(b.Seq - seg.number), ms: uint32(b.Time.UnixMilli() - c.since),
	})
	s.count(st, int64(b.Count), int64(b.Bytes))
	if st.oldest == 0 {
		heap.Push(&s.oldest, st)
	}
}

// count adds to the numbers of unsent events.
func (s *Store) count(st *stream, events, bytes int64) {
	st.events += events
	st.bytes += bytes
	s.events += events
	s.bytes += bytes
}

// reorder keeps the heap in order when the stream's first unsent block has
// changed.
func (s *Store) reorder(st *stream) {
	switch {
	case st.events > 0 && st.oldest == 0:
		heap.Push(&s.oldest, st)
	case st.events > 0:
		heap.Fix(&s.oldest, st.oldest-1)
	case st.oldest > 0:
		heap.Remove(&s.oldest, st.oldest-1)
	}
}

// install makes cur the stream's cursor and drops from the index what it
// passed and what is lost.
func (s *Store) install(st *stream, cur cursor) {
	var events, bytes int64
	drop := func(r Ref) {
		events -= int64(r.Count)
		bytes -= int64(r.Bytes)
	}
	for len(st.chunks) > 0 {
		c := st.chunks[0]
		n := c.find(cur.Next.Seq)
		for _, r := range c.refs[:n] {
			drop(r)
		}
		c.refs = c.refs[n:]
		if len(c.refs) > 0 {
			break
		}
		s.forget(st, 0)
	}
	if len(cur.Lost) > len(st.cur.Lost) { // those that are new are at the end
		for _, seq := range cur.Lost {
			s.removeBlock(st, seq, drop)
		}
	}
	// A block that is sent in part counts as a whole among the references.
	events += int64(st.cur.Next.Index) - int64(cur.Next.Index)
	bytes += int64(st.cur.NextBytes) - int64(cur.NextBytes)
	st.cur = cur
	s.count(st, events, bytes)
	s.reorder(st)
}

// removeBlock takes one block out of the index, if it is there.
func (s *Store) removeBlock(st *stream, seq uint64, drop func(Ref)) {
	for i, c := range st.chunks {
		at := c.find(seq)
		if at == len(c.refs) || c.seq(at) != seq {
			continue
		}
		drop(c.refs[at])
		c.refs = slices.Delete(c.refs, at, at+1)
		if len(c.refs) == 0 {
			s.forget(st, i)
		}
		return
	}
}

// forget takes the stream's chunk i out.
func (s *Store) forget(st *stream, i int) {
	delete(st.chunks[i].segment.unsent, st)
	st.chunks = slices.Delete(st.chunks, i, i+1)
}

// backlog returns the stream's unsent events.
func (st *stream) backlog() store.Backlog {
	b := store.Backlog{Events: st.events, Bytes: st.bytes}
	if st.events > 0 {
		b.Oldest = st.chunks[0].time(0)
	}
	return b
}

// from returns the position of the first unsent block accepted at or after t, or
// behind all.
func (st *stream) from(t time.Time) store.Position {
	var end store.Position
	for _, c := range st.chunks {
		for i := range c.refs {
			if !c.time(i).Before(t) {
				return store.Position{Seq: c.seq(i)}
			}
			end.Seq = c.seq(i) + 1
		}
	}
	return end
}

// before returns the unsent events before the position, at which so many bytes
// of its block are passed.
func (st *stream) before(to store.Position, bytes int) store.Backlog {
	b := store.Backlog{
		Events: int64(to.Index - st.cur.Next.Index),
		Bytes:  int64(bytes - st.cur.NextBytes),
	}
	for _, c := range st.chunks {
		for _, r := range c.refs[:c.find(to.Seq)] {
			b.Events += int64(r.Count)
			b.Bytes += int64(r.Bytes)
		}
	}
	return b
}

// work tells whether there is something to claim the stream for.
func (st *stream) work() bool { return st.events > 0 || len(st.cur.Gaps) > 0 }

// oldest is a heap of the streams with unsent events by their first block.
type oldest []*stream

func (h oldest) Len() int           { return len(h) }
func (h oldest) Less(i, j int) bool { return h[i].chunks[0].seq(0) < h[j].chunks[0].seq(0) }

func (h oldest) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].oldest, h[j].oldest = i+1, j+1
}

func (h *oldest) Push(x any) {
	st := x.(*stream)
	*h = append(*h, st)
	st.oldest = len(*h)
}

func (h *oldest) Pop() any {
	last := len(*h) - 1
	st := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	st.oldest = 0
	return st
}
