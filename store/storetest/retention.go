package storetest

import (
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func testRetention(s *suite) {
	s.append("a", "1", "22")
	first := s.state("a").Oldest
	c := s.claim("a")
	s.ack(c, s.batch(c, store.Limits{Events: 1, Bytes: 9}, "1"))
	frozen := s.batch(c, store.Limits{Events: 1, Bytes: 9}, "22")
	s.release(c, store.Wait{})
	s.Advance(time.Second)
	s.append("a", "333")
	last := s.read("a", store.From{})[2].Time
	s.append("delivered", "x")
	s.release(s.claim("a"), store.Wait{After: store.UntilWoken})
	c = s.claim("delivered")
	s.ack(c, s.batch(c, many, "x"))
	s.release(c, store.Wait{})

	s.Advance(s.Retention)
	for step := s.Retention / 8; len(s.state("a").Gaps) == 0 || len(s.read("delivered", store.From{})) > 0; {
		s.Advance(step) // a store may take its time, and the streams one by one
	}
	s.ok(s.store.Wake(s.ctx(), "a"))
	c = s.claim("a")
	state, err := c.State(s.ctx())
	s.ok(err)
	s.equal("number of gaps", len(state.Gaps), 1)
	gap := state.Gaps[0]
	s.equal("gap", gap, store.Gap{
		ID: gap.ID, Reason: store.Expired, Events: 2, Bytes: 5, First: first, Last: last,
	})
	s.equal("backlog", state.Backlog, store.Backlog{})
	s.is(c.Ack(s.ctx(), frozen.ID, nil, store.Limits{}), store.ErrNotFound)
	_, err = c.Batch(s.ctx(), many)
	s.is(err, store.ErrNoEvents)
	s.equal("gaps of a stream that lost nothing", len(s.state("delivered").Gaps), 0)

	if !s.Volatile {
		s.reopen()
		c = s.claim("a") // a gap is work
		s.equal("gaps", s.state("a").Gaps, []store.Gap{gap})
	}
	// What the engine does about it, and once more after a crash in between.
	for range 2 {
		_, err := s.store.Append(s.ctx(), "a", gap.ID, block("two events are missing"))
		s.ok(err)
	}
	s.ok(c.ClearGap(s.ctx(), gap.ID))
	s.is(c.ClearGap(s.ctx(), gap.ID), store.ErrNotFound)
	s.ack(c, s.batch(c, many, "two events are missing"))
	s.equal("gaps", len(s.state("a").Gaps), 0)
}

// Retention does not take events from under a holder, and does when it is gone.
func testRetentionClaimed(s *suite) {
	s.append("a", "1")
	c := s.claim("a")
	b := s.batch(c, many, "1")
	for passed := time.Duration(0); passed < 2*s.Retention; passed += s.Lease / 2 {
		s.Advance(s.Lease / 2)
		s.ok(c.Keep(s.ctx()))
	}
	s.equal("gaps", len(s.state("a").Gaps), 0)
	s.ack(c, b)
	s.append("a", "2")
	s.equal("backlog", s.state("a").Events, int64(1))
}

// A stream that is never idle loses what is too old, too, and only that.
func testRetentionContinuous(s *suite) {
	const step = 16
	for i := range 2 * step {
		s.append("a", fmt.Sprint(i))
		s.Advance(s.Retention / step)
	}
	pace := time.NewTicker(time.Millisecond) // a store may take its time
	defer pace.Stop()
	for i := 0; string(s.read("a", store.From{})[0].Data) == "0"; i++ {
		if i == 5000 {
			s.Fatal("the first event outlives the retention by far")
		}
		s.append("a", "more")
		s.Advance(s.Retention / step)
		<-pace.C
	}
	// Those of the last half of the time are all there.
	if events := s.read("a", store.From{}); len(events) <= step/2 {
		s.Fatalf("%d events are left, of %d within half the retention", len(events), 1+step/2)
	}
	s.equal("gaps", len(s.state("a").Gaps), 1)
}
