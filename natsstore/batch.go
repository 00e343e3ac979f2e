package natsstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

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
	for {
		if i := slices.IndexFunc(c.doc.Frozen, func(f frozen) bool { return !f.Acked && !c.returned[f.ID] }); i >= 0 {
			if b := c.ready; b != nil && b.ID == c.doc.Frozen[i].ID { // else a split one comes first
				c.ready = nil
				return *b, nil
			}
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
		second.frozen.First, second.frozen.End, second.frozen.Last = first.end, whole.End, whole.Last
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
	if limits == (store.Limits{}) {
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
	if !made.full {
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
		d.Next, d.Last, d.Frozen = f.End, f.Last, d.Frozen[1:]
	}
	for it, err := range s.items(ctx, stream, store.From{Position: d.Next}) {
		if err != nil {
			return store.Backlog{}, err
		}
		if !it.Time.Before(before) {
			break
		}
		add(1, len(it.Data), it.Time)
		d.Next, d.Last = it.end(), it.Time
	}
	return skipped, nil
}
