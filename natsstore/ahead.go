package natsstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// How far a backlog is counted. Beyond that it is estimated: as many events and
// bytes in each message as in those before it.
const (
	exactEvents = 4096
	exactBytes  = 1 << 20
)

// ahead is what was read of a stream behind its frozen batches.
type ahead struct {
	items []item
	next  uint64    // the sequence to read on at, 0 if nothing was read
	more  int       // messages from there on, as of the last look
	read  int       // messages that were read
	empty time.Time // when there were no more, before the last look for them
}

// errAnew tells that the single server was started anew while it was read, and may
// have lost a part of what was read with its power.
var errAnew = fmt.Errorf("%w: the server was started anew", store.ErrUnavailable)

// look reads on until there are as many events or bytes as the limits, or no
// more. end is where the items begin. It forgets all and returns errAnew when
// that is due.
func (a *ahead) look(ctx context.Context, s *natsStore, stream string, end store.Position, limits store.Limits) error {
	if a.next == 0 {
		a.next = max(end.Seq, 1)
	}
	subject := s.cfg.eventsPrefix() + escape(stream)
	server := s.server()
	events, bytes := a.size()
	for events < limits.Events && bytes < limits.Bytes {
		began := time.Now()
		items, more, err := s.page(ctx, subject, store.From{Position: store.Position{Seq: a.next}})
		if err != nil {
			return err
		}
		if s.server() != server {
			*a = ahead{}
			return errAnew
		}
		for i := range items {
			if items[i].last {
				a.read++
			}
			if items[i].Position.Compare(end) < 0 {
				continue
			}
			a.items = append(a.items, items[i])
			events++
			bytes += len(items[i].Data)
		}
		if len(items) > 0 {
			a.next = items[len(items)-1].Position.Seq + 1
		}
		if a.more = more; more == 0 {
			a.empty = began
			return nil
		}
	}
	return nil
}

// size returns how many events and bytes were read.
func (a *ahead) size() (events, bytes int) {
	for i := range a.items {
		bytes += len(a.items[i].Data)
	}
	return len(a.items), bytes
}

// some tells whether there is anything behind the frozen batches.
func (a *ahead) some() bool { return len(a.items) > 0 || a.more > 0 }

// with returns the state of the stream: what the document says, and what was
// read.
func (a *ahead) with(d *document) store.State {
	state := d.state()
	events, bytes := a.size()
	if events > 0 && state.Events == 0 {
		state.Oldest = a.items[0].Time
	}
	state.Events += int64(events)
	state.Bytes += int64(bytes)
	if a.more > 0 {
		read := max(1, a.read)
		state.Events += max(1, int64(events)/int64(read)) * int64(a.more)
		state.Bytes += max(1, int64(bytes)/int64(read)) * int64(a.more)
	}
	return state
}

// cut is a batch that could be made.
type cut struct {
	frozen  frozen
	events  []store.Event
	full    bool // the limits allow no event more
	end     store.Position
	items   int // how many it takes
	damaged []item
}

// cut returns the longest batch within the limits.
func (a *ahead) cut(limits store.Limits) cut {
	var c cut
	f := &c.frozen
	for i := range a.items {
		it := &a.items[i]
		if f.Events > 0 && f.Bytes+len(it.Data) > limits.Bytes {
			c.full = true
			break
		}
		c.items, c.end = i+1, it.end()
		f.Last = it.Time
		if it.damaged != nil {
			c.damaged = append(c.damaged, *it)
			continue
		}
		if f.Events == 0 {
			f.First, f.Time = it.Position, it.Time
		}
		c.events = append(c.events, it.Event)
		f.Events++
		f.Bytes += len(it.Data)
		if f.Events >= limits.Events || f.Bytes >= limits.Bytes {
			c.full = true
			break
		}
	}
	f.ID, f.End = newID(), c.end
	f.LeftEvents, f.LeftBytes = f.Events, f.Bytes
	return c
}

// freeze adds the batch to the document, and a gap for what of it is damaged.
func (d *document) freeze(c *cut) {
	for _, it := range c.damaged {
		d.gap(store.Damaged, 1, 0, it.Time, it.Time)
	}
	if c.frozen.Events > 0 {
		d.Frozen = append(append([]frozen{}, d.Frozen...), c.frozen)
	} else {
		d.extend(c.end, c.frozen.Last)
	}
}

// take removes what the batch consists of.
func (a *ahead) take(c *cut) {
	clear(a.items[:c.items]) // their memory is that of whole messages
	a.items = a.items[c.items:]
}

func checkLimits(l store.Limits) error {
	var errs []error
	if l.Events <= 0 {
		errs = append(errs, &store.SizeError{Field: "a batch's events", Size: l.Events, Min: 1})
	}
	if l.Bytes <= 0 {
		errs = append(errs, &store.SizeError{Field: "a batch's bytes", Size: l.Bytes, Min: 1})
	}
	return errors.Join(errs...)
}
