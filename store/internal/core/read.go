package core

import (
	"context"
	"errors"
	"iter"
	"sort"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Read implements store.Store.
func (s *Store) Read(ctx context.Context, name string, from store.From) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		if err := errors.Join(s.begin(ctx), store.CheckName("stream", name)); err != nil {
			yield(store.Event{}, err)
			return
		}
		r := reader{s: s, ctx: ctx, name: name, from: from, yield: yield}
		number, last := uint64(0), false
		for !last {
			number, last = s.nextSegment(number, from)
			if number == 0 || !r.read(number) {
				return
			}
			// Segments can have none of the stream's blocks, which would tell.
			if err := s.begin(ctx); err != nil && !last {
				yield(store.Event{}, err)
				return
			}
		}
	}
}

// nextSegment returns the segment behind the one given that events from there on
// can be in, and whether it is the last one; or 0.
func (s *Store) nextSegment(behind uint64, from store.From) (number uint64, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.segments), func(i int) bool {
		seg := s.segments[i]
		next := i+1 == len(s.segments) || s.segments[i+1].number > from.Position.Seq
		return seg.number > behind && next && !seg.last.Before(from.Time)
	})
	if i == len(s.segments) {
		return 0, true
	}
	return s.segments[i].number, i+1 == len(s.segments)
}

// reader is one run of Read.
type reader struct {
	s     *Store
	ctx   context.Context
	name  string
	from  store.From
	yield func(store.Event, error) bool
}

// read yields the segment's events and tells whether to go on.
func (r *reader) read(number uint64) bool {
	more := true
	err := r.s.log.Scan(number, r.name, func(b *Block, err error) bool {
		if err == nil {
			err = r.s.begin(r.ctx)
		}
		if err != nil {
			more = r.yield(store.Event{}, err) && errors.Is(err, store.ErrDamaged)
			return more
		}
		more = r.block(b)
		return more
	})
	if err != nil && more {
		r.yield(store.Event{}, err)
		return false
	}
	return more
}

func (r *reader) block(b *Block) bool {
	r.s.mu.Lock()
	st := r.s.streams[r.name]
	accepted := b.Seq <= r.s.last && st != nil && b.Seq >= st.cur.First.Seq
	r.s.mu.Unlock()
	if !accepted || b.Seq < r.from.Position.Seq || b.Time.Before(r.from.Time) {
		return true
	}
	for i, data := range b.Events {
		at := store.Position{Seq: b.Seq, Index: i}
		if at.Compare(r.from.Position) < 0 {
			continue
		}
		if !r.yield(store.Event{Position: at, Time: b.Time, Data: data}, nil) {
			return false
		}
	}
	return true
}
