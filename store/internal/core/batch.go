package core

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// piece is a batch with its events.
type piece struct {
	frozen
	events []store.Event
	full   bool        // the limits allow no event more
	lost   []lostBlock // in it
}

// lostBlock is a block that could not be read.
type lostBlock struct {
	seq           uint64
	events, bytes int64
	at            time.Time
}

// Batch implements store.Claim.
func (c *claim) Batch(ctx context.Context, limits store.Limits) (store.Batch, error) {
	if err := checkLimits(limits); err != nil {
		return store.Batch{}, err
	}
	for {
		b, err := c.next(ctx, limits)
		if err != nil || len(b.Events) > 0 {
			return b, err
		}
		// All of it was lost, which is in the state now.
	}
}

// next returns the next batch, which has no events if all were lost.
func (c *claim) next(ctx context.Context, limits store.Limits) (store.Batch, error) {
	if err := c.hold(ctx); err != nil {
		return store.Batch{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cur := c.cursor()
	if ahead := c.ahead; ahead != nil {
		c.ahead = nil
		if _, err := cur.batch(ahead.ID); err == nil {
			c.returned[ahead.ID] = true
			c.free()
			return *ahead, nil
		}
	}
	start := cur.end()
	end := store.Position{Seq: math.MaxUint64}
	again := slices.IndexFunc(cur.Frozen, func(f frozen) bool { return !f.Acked && !c.returned[f.ID] })
	if again >= 0 {
		start, end = cur.Frozen[again].First, cur.Frozen[again].End
		limits = store.Limits{Events: math.MaxInt, Bytes: math.MaxInt}
	}
	b, err := c.s.cut(ctx, c.st, start, end, limits)
	if err == nil && again < 0 && len(b.events)+len(b.lost) == 0 {
		err = store.ErrNoEvents
	}
	if err != nil {
		c.free()
		return store.Batch{}, err
	}
	if again >= 0 {
		b.ID = cur.Frozen[again].ID
		if len(b.events) == 0 {
			cur.ack(again)
		}
	} else if len(b.events) > 0 {
		cur.Frozen = append(slices.Clone(cur.Frozen), b.frozen)
	}
	for _, l := range b.lost {
		cur.lose(l.seq, l.events, l.bytes, l.at)
	}
	if again >= 0 && len(b.events) > 0 && len(b.lost) == 0 {
		c.free() // it is stored already
	} else if err := c.s.commit(ctx, c.st, cur); err != nil {
		return store.Batch{}, err
	}
	c.returned[b.ID] = true
	return store.Batch{ID: b.ID, Events: b.events}, nil
}

// run is blocks of one segment to be read.
type run struct {
	segment uint64
	refs    []Ref
	seqs    []uint64
	times   []time.Time
}

// cut reads the events from start to end that the limits allow.
func (s *Store) cut(ctx context.Context, st *stream, start, end store.Position, limits store.Limits) (piece, error) {
	b := piece{frozen: frozen{Frozen: store.Frozen{ID: newID(), First: start, End: start}}}
	for _, r := range s.plan(st, start, end, limits) {
		if err := s.begin(ctx); err != nil {
			return piece{}, err
		}
		var failed error
		err := s.log.Load(r.segment, r.refs, st.name, func(i int, block *Block, err error) bool {
			if err != nil {
				failed = err
				if errors.Is(err, store.ErrDamaged) {
					failed = nil
					b.lost = append(b.lost, lostBlock{r.seqs[i], int64(r.refs[i].Count), int64(r.refs[i].Bytes), r.times[i]})
				}
				return failed == nil
			}
			return b.take(block, start, end, limits)
		})
		if err = errors.Join(err, failed); err != nil {
			return piece{}, err
		}
		if b.full {
			break
		}
	}
	return b, nil
}

// plan returns the blocks that hold the events from start to end which the
// limits may allow.
func (s *Store) plan(st *stream, start, end store.Position, limits store.Limits) []run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var runs []run
	events, bytes := -start.Index, 0
	for _, c := range st.chunks {
		r := run{segment: c.segment.number}
		for i := c.find(start.Seq); i < len(c.refs); i++ {
			at := store.Position{Seq: c.seq(i)}
			if at.Compare(end) >= 0 || events >= limits.Events || bytes >= limits.Bytes {
				break
			}
			r.refs = append(r.refs, c.refs[i])
			r.seqs = append(r.seqs, at.Seq)
			r.times = append(r.times, c.time(i))
			events += int(c.refs[i].Count)
			if at.Seq != start.Seq { // of the first block a part may be sent
				bytes += int(c.refs[i].Bytes)
			}
		}
		if len(r.refs) > 0 {
			runs = append(runs, r)
		}
	}
	return runs
}

// take adds the block's events, as far as they are allowed, and tells whether
// there may be more.
func (p *piece) take(block *Block, start, end store.Position, limits store.Limits) bool {
	passed := 0 // bytes of the block
	for i, data := range block.Events {
		at := store.Position{Seq: block.Seq, Index: i}
		passed += len(data)
		if at.Compare(start) < 0 {
			continue
		}
		if at.Compare(end) >= 0 {
			return false
		}
		if p.Events > 0 && p.Bytes+len(data) > limits.Bytes {
			p.full = true
			return false
		}
		if p.Events == 0 {
			p.First = at
		}
		p.events = append(p.events, store.Event{Position: at, Time: block.Time, Data: data})
		p.Events++
		p.Bytes += len(data)
		p.End, p.EndBytes = store.Position{Seq: block.Seq, Index: i + 1}, passed
		if i == len(block.Events)-1 {
			p.End, p.EndBytes = store.Position{Seq: block.Seq + 1}, 0
		}
		if p.Events >= limits.Events || p.Bytes >= limits.Bytes {
			p.full = true
			return false
		}
	}
	return true
}
