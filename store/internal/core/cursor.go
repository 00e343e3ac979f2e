package core

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// cursorVersion is that of a stream's document. A later version reads this one.
const cursorVersion = 1

// cursor is a stream's document. Copies share slices, which therefore are
// replaced, never changed.
type cursor struct {
	Version int `json:"version"`

	// First is where the stream begins since it was deleted.
	First store.Position `json:"first,omitzero"`
	Gone  bool           `json:"gone,omitempty"` // deleted and not begun again

	Next      store.Position `json:"next,omitzero"`
	NextBytes int            `json:"next_bytes,omitempty"` // of Next's block before it
	Frozen    []frozen       `json:"frozen,omitempty"`
	Status    []byte         `json:"status,omitempty"`
	Gaps      []store.Gap    `json:"gaps,omitempty"`

	// Lost are blocks behind Next that a gap accounts for already.
	Lost []uint64 `json:"lost,omitempty"`
}

// frozen is a frozen batch.
type frozen struct {
	store.Frozen
	EndBytes int `json:"end_bytes,omitempty"` // of End's block before it
}

func decodeCursor(data []byte) (cursor, error) {
	var c cursor
	if err := json.Unmarshal(data, &c); err != nil {
		return cursor{}, err
	}
	if c.Version != cursorVersion {
		return cursor{}, fmt.Errorf("it has version %d; this program reads %d", c.Version, cursorVersion)
	}
	return c, nil
}

func (c cursor) encode() []byte {
	c.Version = cursorVersion
	data, err := json.Marshal(c)
	if err != nil {
		panic(err) // cannot be: it holds numbers, strings and times of four-digit years
	}
	return data
}

// batch returns the index of the frozen batch.
func (c cursor) batch(id string) (int, error) {
	i := slices.IndexFunc(c.Frozen, func(f frozen) bool { return f.ID == id && !f.Acked })
	if i < 0 {
		return 0, fmt.Errorf("frozen batch: %w", store.ErrNotFound)
	}
	return i, nil
}

// end returns where the next batch is cut: behind the frozen ones.
func (c cursor) end() store.Position {
	if n := len(c.Frozen); n > 0 {
		return c.Frozen[n-1].End
	}
	return c.Next
}

// ack marks the batch and moves over all that are marked.
func (c *cursor) ack(i int) {
	c.Frozen = slices.Clone(c.Frozen)
	c.Frozen[i].Acked = true
	for len(c.Frozen) > 0 && c.Frozen[0].Acked {
		c.advance(c.Frozen[0].End, c.Frozen[0].EndBytes)
	}
}

// advance moves to the position. Frozen batches before it are dropped, one that
// it is in is shortened.
func (c *cursor) advance(to store.Position, bytes int) {
	if to.Compare(c.Next) <= 0 {
		return
	}
	c.Next, c.NextBytes = to, bytes
	var left []frozen
	for _, f := range c.Frozen {
		if f.End.Compare(to) > 0 {
			if f.First.Compare(to) < 0 {
				f.First = to
			}
			left = append(left, f)
		}
	}
	c.Frozen = left
	var lost []uint64
	for _, seq := range c.Lost {
		if seq >= to.Seq {
			lost = append(lost, seq)
		}
	}
	c.Lost = lost
}

// gap adds to the gap of that reason. It gets a new id, for an event may
// have been made of the old one.
func (c *cursor) gap(reason store.Reason, events, bytes int64, first, last time.Time) {
	if events == 0 {
		return
	}
	g := store.Gap{Reason: reason, First: first, Last: last}
	var others []store.Gap
	for _, old := range c.Gaps {
		if old.Reason != reason {
			others = append(others, old)
			continue
		}
		g = old
		if first.Before(g.First) {
			g.First = first
		}
		if last.After(g.Last) {
			g.Last = last
		}
	}
	g.ID = newID()
	g.Events += events
	g.Bytes += bytes
	others = append(others, g)
	c.Gaps = others
}

// lose accounts for a block that cannot be read.
func (c *cursor) lose(seq uint64, events, bytes int64, at time.Time) {
	if slices.Contains(c.Lost, seq) {
		return
	}
	if seq == c.Next.Seq { // part of it may have been sent
		events -= int64(c.Next.Index)
		bytes -= int64(c.NextBytes)
	}
	c.gap(store.Damaged, events, bytes, at, at)
	if seq == c.Next.Seq {
		c.advance(store.Position{Seq: seq + 1}, 0)
		return
	}
	c.Lost = append(slices.Clone(c.Lost), seq)
}

// state returns the public view of the cursor.
func (c cursor) state() store.State {
	if c.Gone {
		return store.State{}
	}
	s := store.State{Next: c.Next, Status: slices.Clone(c.Status), Gaps: slices.Clone(c.Gaps)}
	for _, f := range c.Frozen {
		s.Frozen = append(s.Frozen, f.Frozen)
	}
	return s
}

// newID returns 130 random bits.
func newID() string { return rand.Text() }
