package natsstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// leased tells whether the lease lasts.
func (c *claim) leased() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.until)
}

// alive tells whether the claim and its lease last, and ends the claim if not.
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
		for {
			if err := c.verify(ctx); err != nil {
				return err
			}
			c.used = true
			if err := call(ctx); !errors.Is(err, errAnew) {
				return err
			}
		}
	})
}

// verify looks, when the single server was started anew or nobody knows if it was,
// whether it still has the token and what the document says. If not, the claim ends,
// and the next one begins where the events do. What was read ahead may be lost too,
// and is read again.
func (c *claim) verify(ctx context.Context) error {
	if c.s.seen(&c.doc) {
		return nil
	}
	d := c.doc
	lost, err := c.s.rewind(ctx, c.stream, &d)
	if err != nil {
		return err
	}
	last, err := c.s.last(ctx, c.s.cfg.tokensStream(), c.s.cfg.tokensPrefix()+escape(c.stream))
	if err != nil {
		return err
	}
	if lost && last == c.token.seq {
		err = c.s.replace(ctx, c.stream, last)
	}
	if lost || last != c.token.seq { // else its sequence may be another's by now
		c.lose()
		return errors.Join(store.ErrClaimLost, err)
	}
	c.doc.Server, c.ahead = d.Server, ahead{}
	return nil
}

// change changes the document as long as it is this claim's, and stores the
// status, unless it is nil.
func (c *claim) change(ctx context.Context, status []byte, change func(*document) error) error {
	if err := store.CheckDocument("the status's bytes", status); err != nil {
		return err
	}
	return c.hold(ctx, func(ctx context.Context) error { return c.write(ctx, status, change, nil) })
}

// write is change for who holds the slot. then, unless it is nil, changes the
// claim itself once the document is stored. It goes on while the servers cannot be
// reached, until the lease ends.
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

// Save implements store.Claim.
func (c *claim) Save(ctx context.Context, status []byte) error {
	return c.change(ctx, status, func(*document) error { return nil })
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
	})
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
		more := c.doc.work() || c.some()
		if !more && time.Since(c.empty) > c.s.cfg.fresh() {
			// Of events of the meantime only this claim knows. Should it die when
			// the token is gone, they must not be older than sweeps look.
			var err error
			if more, err = c.s.beyond(ctx, c.stream, c.doc.end()); err != nil {
				return err
			}
		}
		if more {
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
	if after < 0 || after > longest {
		after = longest
	}
	err := c.write(ctx, nil, func(d *document) error {
		d.Until = time.Now().UTC().Add(after)
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
	if !c.leased() { // the token may be another's by now, who would lose time
		return store.ErrClaimLost
	}
	return c.token.msg.NakWithDelay(after)
}
