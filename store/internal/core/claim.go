package core

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/ready"
)

// claim implements store.Claim.
type claim struct {
	s     *Store
	st    *stream
	item  *ready.Item[*stream]
	token uint64

	mu       sync.Mutex
	returned map[string]bool // ids of the batches that Batch returned
	ahead    *store.Batch    // one that Ack has frozen, for Batch to return
}

var _ store.Claim = (*claim)(nil)

// Claim implements store.Store.
func (s *Store) Claim(ctx context.Context) (store.Claim, error) {
	item, token, err := s.queue.Claim(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	item.Value.wait = store.Wait{}
	return &claim{s: s, st: item.Value, item: item, token: token, returned: map[string]bool{}}, nil
}

// hold takes the stream's slot and prolongs the claim. Without an error the
// caller has to free the slot, which commit does.
func (c *claim) hold(ctx context.Context) error {
	if err := c.s.begin(ctx); err != nil {
		return err
	}
	if err := c.s.acquire(ctx, c.st); err != nil {
		return err
	}
	if !c.s.queue.Renew(c.item, c.token) {
		c.free()
		return store.ErrClaimLost
	}
	return nil
}

func (c *claim) free() { <-c.st.slot }

// cursor returns a copy to be changed.
func (c *claim) cursor() cursor {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	cur := c.st.cur
	cur.Gone = false
	return cur
}

// change changes the stream's cursor.
func (c *claim) change(ctx context.Context, status []byte, change func(*cursor) error) error {
	if err := store.CheckDocument("the status's bytes", status); err != nil {
		return err
	}
	if err := c.hold(ctx); err != nil {
		return err
	}
	cur := c.cursor()
	if err := change(&cur); err != nil {
		c.free()
		return err
	}
	if status != nil {
		cur.Status = slices.Clone(status)
	}
	return c.s.commit(ctx, c.st, cur)
}

// Stream implements store.Claim.
func (c *claim) Stream() string { return c.st.name }

// State implements store.Claim.
func (c *claim) State(ctx context.Context) (store.State, error) {
	if err := c.hold(ctx); err != nil {
		return store.State{}, err
	}
	defer c.free()
	return c.s.State(ctx, c.st.name)
}

// Split implements store.Claim.
func (c *claim) Split(ctx context.Context, id string) error {
	if err := c.hold(ctx); err != nil {
		return err
	}
	cur := c.cursor()
	i, err := cur.batch(id)
	if err == nil && cur.Frozen[i].Events < 2 {
		err = &store.SizeError{Field: "the batch's events", Size: cur.Frozen[i].Events, Min: 2}
	}
	if err != nil {
		c.free()
		return err
	}
	whole := cur.Frozen[i]
	limits := store.Limits{Events: math.MaxInt, Bytes: math.MaxInt}
	all, err := c.s.cut(ctx, c.st, whole.First, whole.End, limits)
	limits.Events = (len(all.events) + 1) / 2
	var first piece
	if err == nil {
		first, err = c.s.cut(ctx, c.st, whole.First, whole.End, limits)
	}
	if err == nil && len(all.lost) > 0 {
		err = fmt.Errorf("a part of the batch is %w", store.ErrDamaged) // Batch makes a gap of it
	}
	if err != nil {
		c.free()
		return err
	}
	second := whole
	second.ID, second.First = newID(), first.End
	second.Events = all.Events - first.Events
	second.Bytes = all.Bytes - first.Bytes
	cur.Frozen = slices.Replace(slices.Clone(cur.Frozen), i, i+1, first.frozen, second)
	return c.s.commit(ctx, c.st, cur)
}

// Ack implements store.Claim.
func (c *claim) Ack(ctx context.Context, id string, status []byte, next store.Limits) error {
	return c.change(ctx, status, func(cur *cursor) error {
		i, err := cur.batch(id)
		if err != nil {
			return err
		}
		c.mu.Lock()
		delete(c.returned, id)
		c.mu.Unlock()
		cur.ack(i)
		if next == (store.Limits{}) {
			return nil
		}
		return c.freezeAhead(ctx, cur, next)
	})
}

// freezeAhead freezes a full batch, if there is one and all others were
// returned. That something went wrong shows when Batch tries again.
func (c *claim) freezeAhead(ctx context.Context, cur *cursor, limits store.Limits) error {
	if err := checkLimits(limits); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range cur.Frozen {
		if !f.Acked && !c.returned[f.ID] {
			return nil
		}
	}
	start := cur.end()
	b, err := c.s.cut(ctx, c.st, start, store.Position{Seq: math.MaxUint64}, limits)
	if err != nil || !b.full || len(b.lost) > 0 {
		return nil
	}
	cur.Frozen = append(slices.Clone(cur.Frozen), b.frozen)
	c.ahead = &store.Batch{ID: b.ID, Events: b.events}
	return nil
}

// Skip implements store.Claim.
func (c *claim) Skip(ctx context.Context, before time.Time, status []byte) (skipped store.Backlog, err error) {
	err = c.change(ctx, status, func(cur *cursor) error {
		c.s.mu.Lock()
		defer c.s.mu.Unlock()
		oldest := c.st.backlog().Oldest
		to, bytes := c.st.from(before), 0
		for _, f := range cur.Frozen {
			if f.First.Compare(to) < 0 && f.End.Compare(to) > 0 {
				to, bytes = f.End, f.EndBytes
			}
		}
		if to.Compare(cur.Next) > 0 {
			skipped = c.st.before(to, bytes)
			skipped.Oldest = oldest
			cur.advance(to, bytes)
		}
		return nil
	})
	if err != nil {
		return store.Backlog{}, err
	}
	return skipped, nil
}

// Save implements store.Claim.
func (c *claim) Save(ctx context.Context, status []byte) error {
	return c.change(ctx, status, func(*cursor) error { return nil })
}

// ClearGap implements store.Claim.
func (c *claim) ClearGap(ctx context.Context, id string) error {
	return c.change(ctx, nil, func(cur *cursor) error {
		i := slices.IndexFunc(cur.Gaps, func(g store.Gap) bool { return g.ID == id })
		if i < 0 {
			return fmt.Errorf("gap: %w", store.ErrNotFound)
		}
		cur.Gaps = slices.Delete(slices.Clone(cur.Gaps), i, i+1)
		return nil
	})
}

// Keep implements store.Claim. It does not wait for the stream's slot.
func (c *claim) Keep(ctx context.Context) error {
	if err := c.s.begin(ctx); err != nil {
		return err
	}
	if !c.s.queue.Renew(c.item, c.token) {
		return store.ErrClaimLost
	}
	return nil
}

// Release implements store.Claim.
func (c *claim) Release(ctx context.Context, wait store.Wait) error {
	if err := c.hold(ctx); err != nil {
		return err
	}
	defer c.free()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.st.wait = wait
	if !c.s.queue.Release(c.item, c.token, c.st.work(), wait.After) {
		return store.ErrClaimLost
	}
	c.s.filled(c.st)
	return nil
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
