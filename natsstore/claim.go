package natsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// claim implements store.Claim: a token that is not acknowledged, and a
// document that says so.
type claim struct {
	s      *natsStore
	stream string
	id     string
	token  *token

	slot chan struct{} // taken by a call that reads or changes what follows
	doc  document
	rev  uint64 // the document's revision
	born uint64 // its first revision that this claim has written
	ahead
	used     bool            // since Keep was last called
	returned map[string]bool // ids of batches that Batch returned
	ready    *store.Batch    // one that Ack has frozen, for Batch to return

	mu    sync.Mutex
	until time.Time // the lease's end
	told  time.Time // when the server was last told to prolong it
	lost  bool
}

var _ store.Claim = (*claim)(nil)

// Stream implements store.Claim.
func (c *claim) Stream() string { return c.stream }

// lose ends the claim. Events that were appended in the belief that its release
// will look for them get a token.
func (c *claim) lose() {
	if c.end() {
		c.s.unhold(c)
		c.s.ringer.ring(c.stream)
	}
}

// end makes the claim refuse all calls, and tells whether it did not before.
func (c *claim) end() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	already := c.lost
	c.lost = true
	return !already
}

// unhold forgets that this process has the claim.
func (s *natsStore) unhold(c *claim) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[c.stream] == c {
		delete(s.held, c.stream)
	}
}

// holds tells whether this process has a claim of the stream, which looks for
// events before it ends.
func (s *natsStore) holds(stream string) bool {
	s.mu.Lock()
	c := s.held[stream]
	s.mu.Unlock()
	return c != nil && c.alive()
}

// alive tells whether the lease lasts, and ends the claim if not.
func (c *claim) alive() bool {
	c.mu.Lock()
	alive := !c.lost && time.Now().Before(c.until)
	c.mu.Unlock()
	if !alive {
		c.lose()
	}
	return alive
}

// prolong prolongs the lease. The server need not be told each time.
func (c *claim) prolong() error {
	if !c.alive() {
		return store.ErrClaimLost
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.told) < c.s.cfg.Lease/8 {
		return nil
	}
	if c.token.msg.InProgress() == nil { // otherwise the lease goes on as it was
		c.told, c.until = now, now.Add(c.s.cfg.Lease)
	}
	return nil
}

// hold runs a call that prolongs the claim, alone.
func (c *claim) hold(ctx context.Context, call func(context.Context) error) error {
	return c.s.do(ctx, func(ctx context.Context) error {
		select {
		case c.slot <- struct{}{}:
			defer func() { <-c.slot }()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := c.prolong(); err != nil {
			return err
		}
		c.used = true
		return call(ctx)
	})
}

// change changes the document as long as it is this claim's, and stores the
// status, unless it is nil. A part that changes the claim itself as well is run
// once it is stored.
func (c *claim) change(ctx context.Context, status []byte, change func(*document) error, then func()) error {
	if err := store.CheckDocument("the status's bytes", status); err != nil {
		return err
	}
	return c.hold(ctx, func(ctx context.Context) error { return c.write(ctx, status, change, then) })
}

// write is change for who holds the slot. It goes on while the servers cannot
// be reached, until the lease ends.
func (c *claim) write(ctx context.Context, status []byte, change func(*document) error, then func()) error {
	for {
		next := c.doc
		if err := change(&next); err != nil {
			return err
		}
		if status != nil {
			next.Status = slices.Clone(status)
		}
		data := next.encode()
		if err := c.s.fits("the status's bytes", len(data)); err != nil {
			return err
		}
		rev, err := c.s.put(ctx, c.stream, data, c.rev)
		if errors.Is(err, store.ErrConflict) {
			// Another has the claim; or a write before, which seemed to have
			// failed, had not.
			var now document
			if now, rev, err = c.s.load(ctx, c.stream); err != nil {
				return err
			}
			if now.Claim != c.id {
				c.lose()
				return store.ErrClaimLost
			}
			if !bytes.Equal(now.encode(), data) {
				c.doc, c.rev, c.ahead, c.ready = now, rev, ahead{}, nil
				continue
			}
		}
		if err != nil {
			return err
		}
		c.s.total.changed()
		c.doc, c.rev = next, rev
		if then != nil {
			then()
		}
		return nil
	}
}

// State implements store.Claim.
func (c *claim) State(ctx context.Context) (state store.State, err error) {
	err = c.hold(ctx, func(ctx context.Context) error {
		if err := c.look(ctx, c.s, c.stream, c.doc.end(), store.Limits{Events: exactEvents, Bytes: exactBytes}); err != nil {
			return err
		}
		state = c.with(&c.doc)
		return nil
	})
	return state, err
}

// Batch implements store.Claim.
func (c *claim) Batch(ctx context.Context, limits store.Limits) (batch store.Batch, err error) {
	if err := checkLimits(limits); err != nil {
		return store.Batch{}, err
	}
	err = c.hold(ctx, func(ctx context.Context) error {
		batch, err = c.next(ctx, limits)
		if err == nil {
			c.returned[batch.ID] = true
		}
		return err
	})
	if err != nil {
		return store.Batch{}, err
	}
	return batch, nil
}

// errChanged tells that the document is another: a call that had failed has
// written it nevertheless.
var errChanged = errors.New("the state was changed by a call that had failed")

// next returns the next batch.
func (c *claim) next(ctx context.Context, limits store.Limits) (store.Batch, error) {
	if b := c.ready; b != nil {
		c.ready = nil
		return *b, nil
	}
	for {
		if i := slices.IndexFunc(c.doc.Frozen, func(f frozen) bool { return !f.Acked && !c.returned[f.ID] }); i >= 0 {
			b, err := c.again(ctx, i)
			if err != nil || len(b.Events) > 0 {
				return b, err
			}
			continue // all of it is lost, and the document is another
		}
		if err := c.look(ctx, c.s, c.stream, c.doc.end(), limits); err != nil {
			return store.Batch{}, err
		}
		made := c.cut(limits)
		if made.items == 0 {
			return store.Batch{}, store.ErrNoEvents
		}
		before := c.rev
		err := c.write(ctx, nil, func(d *document) error {
			if c.rev != before {
				return errChanged
			}
			d.freeze(&made)
			return nil
		}, func() { c.take(&made) })
		if errors.Is(err, errChanged) {
			continue // it may have a batch that comes first
		}
		if err != nil {
			return store.Batch{}, err
		}
		if len(made.events) > 0 {
			return store.Batch{ID: made.frozen.ID, Events: made.events}, nil
		}
	}
}

// again returns the events of a frozen batch. What of them cannot be read any
// more becomes a gap.
func (c *claim) again(ctx context.Context, i int) (store.Batch, error) {
	f := c.doc.Frozen[i]
	b := store.Batch{ID: f.ID}
	size := 0
	for it, err := range c.s.items(ctx, c.stream, store.From{Position: f.First}) {
		if err != nil {
			return store.Batch{}, err
		}
		if it.Position.Compare(f.End) >= 0 {
			break
		}
		if it.damaged == nil {
			b.Events = append(b.Events, it.Event)
			size += len(it.Data)
		}
	}
	if len(b.Events) >= f.LeftEvents {
		return b, nil
	}
	return b, c.write(ctx, nil, func(d *document) error {
		i, err := d.batch(f.ID)
		if err != nil {
			return err
		}
		d.gap(store.Damaged, int64(f.LeftEvents-len(b.Events)), int64(f.LeftBytes-size), f.Time, f.Time)
		d.Frozen = slices.Clone(d.Frozen)
		d.Frozen[i].LeftEvents, d.Frozen[i].LeftBytes = len(b.Events), size
		if len(b.Events) == 0 {
			d.ack(i)
		}
		return nil
	}, nil)
}

// Split implements store.Claim.
func (c *claim) Split(ctx context.Context, id string) error {
	return c.hold(ctx, func(ctx context.Context) error {
		i, err := c.doc.batch(id)
		if err != nil {
			return err
		}
		if n := c.doc.Frozen[i].Events; n < 2 {
			return &store.SizeError{Field: "the batch's events", Size: n, Min: 2}
		}
		whole := c.doc.Frozen[i]
		var all ahead
		for it, err := range c.s.items(ctx, c.stream, store.From{Position: whole.First}) {
			if err != nil {
				return err
			}
			if it.Position.Compare(whole.End) >= 0 {
				break
			}
			if it.damaged == nil {
				all.items = append(all.items, *it)
			}
		}
		if len(all.items) != whole.LeftEvents {
			return fmt.Errorf("a part of the batch is %w", store.ErrDamaged) // Batch makes a gap of it
		}
		if len(all.items) < 2 {
			return &store.SizeError{Field: "the batch's events", Size: len(all.items), Min: 2}
		}
		first := all.cut(store.Limits{Events: (len(all.items) + 1) / 2, Bytes: math.MaxInt})
		all.take(&first)
		second := all.cut(store.Limits{Events: len(all.items), Bytes: math.MaxInt})
		second.frozen.First, second.frozen.End = first.end, whole.End
		return c.write(ctx, nil, func(d *document) error {
			i, err := d.batch(id)
			if err == nil {
				d.Frozen = slices.Replace(slices.Clone(d.Frozen), i, i+1, first.frozen, second.frozen)
			}
			return err
		}, nil)
	})
}

// Ack implements store.Claim.
func (c *claim) Ack(ctx context.Context, id string, status []byte, next store.Limits) error {
	if next != (store.Limits{}) {
		if err := checkLimits(next); err != nil {
			return err
		}
	}
	if err := store.CheckDocument("the status's bytes", status); err != nil {
		return err
	}
	return c.hold(ctx, func(ctx context.Context) error {
		if _, err := c.doc.batch(id); err != nil {
			return err
		}
		made := c.madeAhead(ctx, next)
		before := c.rev
		return c.write(ctx, status, func(d *document) error {
			i, err := d.batch(id)
			if err != nil {
				return err
			}
			if made != nil && c.rev == before {
				d.freeze(made)
			} else {
				made = nil
			}
			d.ack(i)
			return nil
		}, func() {
			delete(c.returned, id)
			if made != nil {
				c.take(made)
				c.ready = &store.Batch{ID: made.frozen.ID, Events: made.events}
			}
		})
	})
}

// madeAhead returns a full batch, if there is one and all frozen ones were
// returned. That something went wrong shows when Batch tries again.
func (c *claim) madeAhead(ctx context.Context, limits store.Limits) *cut {
	if limits == (store.Limits{}) || c.ready != nil {
		return nil
	}
	for _, f := range c.doc.Frozen {
		if !f.Acked && !c.returned[f.ID] {
			return nil
		}
	}
	if err := c.look(ctx, c.s, c.stream, c.doc.end(), limits); err != nil {
		return nil
	}
	made := c.cut(limits)
	if !made.full || len(made.damaged) > 0 {
		return nil
	}
	return &made
}

// Skip implements store.Claim.
func (c *claim) Skip(ctx context.Context, before time.Time, status []byte) (skipped store.Backlog, err error) {
	if err := store.CheckDocument("the status's bytes", status); err != nil {
		return store.Backlog{}, err
	}
	err = c.hold(ctx, func(ctx context.Context) error {
		next := c.doc
		skipped, err = c.s.skip(ctx, c.stream, &next, before)
		if err != nil {
			return err
		}
		rev := c.rev
		return c.write(ctx, status, func(d *document) error {
			if c.rev != rev {
				return fmt.Errorf("%w: %w", store.ErrUnavailable, errChanged)
			}
			*d = next
			return nil
		}, func() {
			if skipped.Events > 0 {
				c.ahead, c.ready = ahead{}, nil
			}
		})
	})
	if err != nil {
		return store.Backlog{}, err
	}
	return skipped, nil
}

// skip moves the document over the events accepted before the time, and over
// the whole of a frozen batch that begins before it.
func (s *natsStore) skip(ctx context.Context, stream string, d *document, before time.Time) (skipped store.Backlog, err error) {
	add := func(events, bytes int, at time.Time) {
		if skipped.Events == 0 {
			skipped.Oldest = at
		}
		skipped.Events += int64(events)
		skipped.Bytes += int64(bytes)
	}
	for len(d.Frozen) > 0 {
		f := d.Frozen[0]
		if !f.Time.Before(before) {
			return skipped, nil
		}
		if !f.Acked {
			add(f.LeftEvents, f.LeftBytes, f.Time)
		}
		d.Next, d.Frozen = f.End, d.Frozen[1:]
	}
	for it, err := range s.items(ctx, stream, store.From{Position: d.Next}) {
		if err != nil {
			return store.Backlog{}, err
		}
		if !it.Time.Before(before) {
			break
		}
		add(1, len(it.Data), it.Time)
		d.Next = it.end()
	}
	return skipped, nil
}

// Save implements store.Claim.
func (c *claim) Save(ctx context.Context, status []byte) error {
	return c.change(ctx, status, func(*document) error { return nil }, nil)
}

// ClearGap implements store.Claim.
func (c *claim) ClearGap(ctx context.Context, id string) error {
	return c.change(ctx, nil, func(d *document) error {
		i := slices.IndexFunc(d.Gaps, func(g store.Gap) bool { return g.ID == id })
		if i < 0 {
			return fmt.Errorf("gap: %w", store.ErrNotFound)
		}
		d.Gaps = slices.Delete(slices.Clone(d.Gaps), i, i+1)
		return nil
	}, nil)
}

// Keep implements store.Claim. It does not wait for other calls, and finds out
// when another instance has taken the stream. What was read ahead is forgotten
// when nothing but Keep was called since the last one: of many claims that wait
// for slow endpoints it would be much.
func (c *claim) Keep(ctx context.Context) error {
	return c.s.do(ctx, func(ctx context.Context) error {
		if err := c.prolong(); err != nil {
			return err
		}
		select {
		case c.slot <- struct{}{}:
			if !c.used {
				c.ahead = ahead{}
			}
			c.used = false
			<-c.slot
		default:
		}
		d, _, err := c.s.load(ctx, c.stream)
		if err == nil && d.Claim != c.id {
			c.lose()
			err = store.ErrClaimLost
		}
		return err
	})
}

// Release implements store.Claim.
func (c *claim) Release(ctx context.Context, wait store.Wait) error {
	return c.hold(ctx, func(ctx context.Context) error {
		if wait.After != 0 {
			return c.wait(ctx, wait.After)
		}
		// Whoever appends from now on publishes a token.
		c.s.unhold(c)
		c.end()
		if c.doc.work() || c.some() {
			return c.s.replace(ctx, c.stream, c.token.seq)
		}
		return c.s.drop(ctx, c.stream, c.token.seq)
	})
}

// longest is how long a token waits at most: a wake that was lost on its way
// costs no more. A waiting webhook is looked at each time.
const longest = time.Hour

// wait gives the stream back for later.
func (c *claim) wait(ctx context.Context, after time.Duration) error {
	err := c.write(ctx, nil, func(d *document) error {
		d.Waiting = true
		return nil
	}, nil)
	if err != nil {
		return err
	}
	c.s.unhold(c)
	c.end()
	// A Wake that came before the document said that the stream waits has left
	// a mark, a later one publishes a new token.
	woken, err := c.s.woken(ctx, c.stream)
	if err != nil {
		return err
	}
	if woken > c.born {
		return c.s.replace(ctx, c.stream, c.token.seq)
	}
	if after < 0 || after > longest {
		after = longest
	}
	return c.token.msg.NakWithDelay(after)
}
