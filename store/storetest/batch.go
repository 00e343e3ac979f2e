package storetest

import (
	"errors"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func testBatchLimits(s *suite) {
	s.append("a", "1", "22", "333")
	s.append("a", "4444", "55555", "6")
	s.append("a", "7")
	c := s.claim("a")
	for _, bad := range []store.Limits{{}, {Events: 1}, {Bytes: 1}, {Events: -1, Bytes: 1}} {
		if _, err := c.Batch(s.ctx(), bad); err == nil || errors.Is(err, store.ErrNoEvents) {
			s.Fatalf("limits %+v: error is %v", bad, err)
		}
	}
	s.ack(c, s.batch(c, store.Limits{Events: 2, Bytes: 100}, "1", "22"))
	s.ack(c, s.batch(c, store.Limits{Events: 9, Bytes: 7}, "333", "4444"))
	s.ack(c, s.batch(c, store.Limits{Events: 9, Bytes: 2}, "55555"))
	s.ack(c, s.batch(c, store.Limits{Events: 9, Bytes: 9}, "6", "7"))
	_, err := c.Batch(s.ctx(), many)
	s.is(err, store.ErrNoEvents)
	s.append("a", "8")
	s.ack(c, s.batch(c, many, "8"))
}

func testInFlight(s *suite) {
	s.append("a", "1", "2", "3", "4", "5", "6")
	c := s.claim("a")
	two := store.Limits{Events: 2, Bytes: 100}
	first := s.batch(c, two, "1", "2")
	second := s.batch(c, two, "3", "4")
	third := s.batch(c, two, "5", "6")
	if first.ID == second.ID || second.ID == third.ID {
		s.Fatal("two batches have one id")
	}
	_, err := c.Batch(s.ctx(), two)
	s.is(err, store.ErrNoEvents)
	s.ack(c, second)
	s.is(c.Ack(s.ctx(), second.ID, nil, store.Limits{}), store.ErrNotFound)
	s.equal("position", s.state("a").Next.Compare(first.Events[0].Position) <= 0, true)
	s.release(c, store.Wait{})
	if !s.Volatile {
		s.reopen()
	}

	c = s.claim("a")
	s.equal("id", s.batch(c, many, "1", "2").ID, first.ID)
	s.equal("id", s.batch(c, many, "5", "6").ID, third.ID)
	s.ack(c, first)
	s.equal("position", s.state("a").Next, third.Events[0].Position)
	s.ack(c, third)
	s.equal("backlog", s.state("a").Backlog, store.Backlog{})
	s.equal("frozen", len(s.state("a").Frozen), 0)
	s.is(c.Ack(s.ctx(), "unknown", nil, store.Limits{}), store.ErrNotFound)
}

func testFrozen(s *suite) { s.frozen(func() {}) }

func testFrozenReopened(s *suite) { s.frozen(s.reopen) }

func (s *suite) frozen(between func()) {
	s.append("a", "1", "2")
	s.append("a", "3")
	c := s.claim("a")
	b := s.batch(c, store.Limits{Events: 2, Bytes: 100}, "1", "2")
	for range 3 {
		s.release(c, store.Wait{})
		s.append("a", "4")
		between()
		c = s.claim("a")
		// Other limits change nothing.
		s.equal("batch", s.batch(c, store.Limits{Events: 1, Bytes: 1}, "1", "2"), b)
		frozen := s.state("a").Frozen
		s.equal("frozen", frozen, []store.Frozen{{
			ID: b.ID, First: b.Events[0].Position, End: frozen[0].End, Events: 2, Bytes: 2,
		}})
	}
	s.ack(c, b)
	s.batch(c, many, "3", "4", "4", "4")
}

func testSplit(s *suite) { s.split(func() {}) }

func testSplitReopened(s *suite) { s.split(s.reopen) }

func (s *suite) split(between func()) {
	s.append("a", "1", "2")
	s.append("a", "3", "4", "5")
	c := s.claim("a")
	again := func() {
		s.release(c, store.Wait{})
		between()
		c = s.claim("a")
	}
	whole := s.batch(c, many, "1", "2", "3", "4", "5")
	s.is(c.Split(s.ctx(), "unknown"), store.ErrNotFound)
	s.ok(c.Split(s.ctx(), whole.ID))
	s.is(c.Ack(s.ctx(), whole.ID, nil, store.Limits{}), store.ErrNotFound)
	first := s.batch(c, many, "1", "2", "3")
	second := s.batch(c, many, "4", "5")
	if first.ID == whole.ID || second.ID == whole.ID || first.ID == second.ID {
		s.Fatal("a half has the id of another batch")
	}
	again()
	s.equal("first half", s.batch(c, many, "1", "2", "3"), first)
	s.ack(c, first)
	s.equal("second half", s.batch(c, many, "4", "5"), second)
	s.ok(c.Split(s.ctx(), second.ID))
	four := s.batch(c, many, "4")
	s.ack(c, four)
	again()
	five := s.batch(c, many, "5")
	var size *store.SizeError
	if err := c.Split(s.ctx(), five.ID); !errors.As(err, &size) {
		s.Fatalf("splitting one event: %v, want a SizeError", err)
	}
	s.ack(c, five)
	s.equal("backlog", s.state("a").Backlog, store.Backlog{})
}

func testAhead(s *suite) {
	s.append("a", "1", "2", "3", "4", "5")
	c := s.claim("a")
	two := store.Limits{Events: 2, Bytes: 100}
	s.ok(c.Ack(s.ctx(), s.batch(c, two, "1", "2").ID, nil, two))
	frozen := s.state("a").Frozen
	s.equal("frozen batches", len(frozen), 1)
	b := s.batch(c, two, "3", "4")
	s.equal("id", b.ID, frozen[0].ID)
	// One event is not a full batch.
	s.ok(c.Ack(s.ctx(), b.ID, nil, two))
	s.equal("frozen batches", len(s.state("a").Frozen), 0)
	s.append("a", "6", "7", "8")
	s.ok(c.Ack(s.ctx(), s.batch(c, two, "5", "6").ID, nil, two))
	s.release(c, store.Wait{})
	c = s.claim("a")
	s.batch(c, many, "7", "8")
}

func testStatus(s *suite) {
	s.append("a", "1", "2")
	c := s.claim("a")
	s.equal("status", s.state("a").Status == nil, true)
	s.ok(c.Save(s.ctx(), []byte("trying")))
	s.equal("status", string(s.state("a").Status), "trying")
	one := store.Limits{Events: 1, Bytes: 100}
	s.ok(c.Ack(s.ctx(), s.batch(c, one, "1").ID, []byte("delivered"), store.Limits{}))
	s.equal("status", string(s.state("a").Status), "delivered")
	s.ack(c, s.batch(c, one, "2"))
	s.equal("status", string(s.state("a").Status), "delivered")
	var size *store.SizeError
	if err := c.Save(s.ctx(), make([]byte, store.MaxDocument+1)); !errors.As(err, &size) {
		s.Fatalf("a large status: %v, want a SizeError", err)
	}
	state, err := c.State(s.ctx())
	s.ok(err)
	s.equal("state", state, s.state("a"))
	if !s.Volatile {
		s.reopen()
		s.equal("state", s.state("a"), state)
	}
}

func testSkip(s *suite) {
	s.append("a", "1", "22")
	s.append("a", "333")
	first := s.state("a").Oldest
	s.Advance(time.Minute)
	s.append("a", "4444", "55555")
	later := s.read("a", store.From{})[3].Time
	s.Advance(time.Minute)
	s.append("a", "666666")
	c := s.claim("a")
	s.ack(c, s.batch(c, store.Limits{Events: 1, Bytes: 9}, "1"))

	skipped, err := c.Skip(s.ctx(), first, []byte("nothing"))
	s.ok(err)
	s.equal("skipped", skipped, store.Backlog{})
	skipped, err = c.Skip(s.ctx(), later, nil)
	s.ok(err)
	s.equal("skipped", skipped, store.Backlog{Events: 2, Bytes: 5, Oldest: first})
	s.equal("status", string(s.state("a").Status), "nothing")

	// A frozen batch that begins before the time goes as a whole.
	b := s.batch(c, store.Limits{Events: 1, Bytes: 9}, "4444")
	skipped, err = c.Skip(s.ctx(), later.Add(time.Second), []byte("now"))
	s.ok(err)
	s.equal("skipped", skipped, store.Backlog{Events: 2, Bytes: 9, Oldest: later})
	s.is(c.Ack(s.ctx(), b.ID, nil, store.Limits{}), store.ErrNotFound)
	state := s.state("a")
	s.equal("status", string(state.Status), "now")
	s.equal("gaps", len(state.Gaps)+len(state.Frozen), 0)
	s.batch(c, many, "666666")
}
