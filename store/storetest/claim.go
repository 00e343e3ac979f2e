package storetest

import (
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func testFair(s *suite) {
	for i := range 3 {
		for range 5 {
			s.append(fmt.Sprint("stream-", i), "x")
		}
	}
	one := store.Limits{Events: 1, Bytes: 9}
	for range 5 {
		for i := range 3 {
			c := s.claim(fmt.Sprint("stream-", i))
			s.ack(c, s.batch(c, one, "x"))
			s.release(c, store.Wait{})
		}
	}
	// All of them are idle; a new one is handed out at once.
	s.append("new", "x")
	s.claim("new")
}

func testDelay(s *suite) {
	s.append("a", "1")
	s.append("b", "1")
	spare := max(time.Millisecond, 6*s.Slack)
	s.release(s.claim("a"), store.Wait{After: 10*time.Second + spare})
	s.release(s.claim("b"), store.Wait{})
	s.append("a", "2") // does not end the wait
	s.release(s.claim("b"), store.Wait{})
	s.Advance(10 * time.Second)
	s.release(s.claim("b"), store.Wait{After: store.UntilWoken})
	c := s.claimLater("a", time.Second)
	s.batch(c, many, "1", "2")

	s.release(c, store.Wait{After: time.Hour})
	s.ok(s.store.Wake(s.ctx(), "a"))
	s.batch(s.claim("a"), many, "1", "2")
}

func testParked(s *suite) {
	s.append("a", "1")
	s.release(s.claim("a"), store.Wait{After: store.UntilWoken})
	s.Advance(s.Retention / 2)
	s.append("a", "2")
	s.append("b", "1")
	s.release(s.claim("b"), store.Wait{})
	s.release(s.claim("b"), store.Wait{})
	s.ok(s.store.Wake(s.ctx(), "unknown"))
	s.ok(s.store.Wake(s.ctx(), "a"))
	s.claim("b")
	s.batch(s.claim("a"), many, "1", "2")
}

func testFilled(s *suite) { s.filled(store.Wait{After: 30 * time.Second, Events: 3}) }

func testFilledBytes(s *suite) { s.filled(store.Wait{After: 30 * time.Second, Bytes: 3}) }

// filled checks a wait that ends by three events of one byte. A store may end
// it later, by its time.
func (s *suite) filled(wait store.Wait) {
	s.append("a", "x")
	s.release(s.claim("a"), wait)
	s.append("a", "x")
	s.append("a", "x")
	c := s.claimLater("a", wait.After)
	s.batch(c, many, "x", "x", "x")
	// Enough is there already.
	s.release(c, wait)
	s.claimLater("a", wait.After)
}

func testWokenHolder(s *suite) {
	s.append("a", "1")
	c := s.claim("a")
	s.ok(s.store.Wake(s.ctx(), "a"))
	s.release(c, store.Wait{After: store.UntilWoken})
	c = s.claim("a")
	// It was woken once.
	s.release(c, store.Wait{After: store.UntilWoken})
	s.append("b", "1")
	s.claim("b")
}

func testStale(s *suite) {
	s.append("a", "1", "2")
	stale := s.claim("a")
	b := s.batch(stale, many, "1", "2")
	s.ok(stale.Save(s.ctx(), []byte("before")))
	c := s.claimLater("a", s.Lease)

	s.refused(stale, b.ID)
	s.equal("status", string(s.state("a").Status), "before")
	again := s.batch(c, many, "1", "2")
	s.equal("id", again.ID, b.ID)
	s.ack(c, again)
	s.release(c, store.Wait{})
	s.refused(c, again.ID)
}

// refused checks that no method of the claim does anything.
func (s *suite) refused(c store.Claim, batch string) {
	s.Helper()
	_, stateErr := c.State(s.ctx())
	_, batchErr := c.Batch(s.ctx(), many)
	_, skipErr := c.Skip(s.ctx(), time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), []byte("stale"))
	for method, err := range map[string]error{
		"State": stateErr, "Batch": batchErr, "Skip": skipErr,
		"Split":    c.Split(s.ctx(), batch),
		"Ack":      c.Ack(s.ctx(), batch, []byte("stale"), store.Limits{}),
		"Save":     c.Save(s.ctx(), []byte("stale")),
		"ClearGap": c.ClearGap(s.ctx(), "gap"),
		"Keep":     c.Keep(s.ctx()),
		"Release":  c.Release(s.ctx(), store.Wait{}),
	} {
		if err == nil || err.Error() == "" {
			s.Errorf("%s of a lost claim did something", method)
			continue
		}
		s.is(err, store.ErrClaimLost)
	}
}

func testKeep(s *suite) {
	s.append("a", "1")
	s.append("b", "1")
	c := s.claim("a")
	for range 6 {
		s.Advance(s.Lease / 2)
		s.ok(c.Keep(s.ctx()))
	}
	// Any method keeps it.
	for range 6 {
		s.Advance(s.Lease / 2)
		s.ok(c.Save(s.ctx(), nil))
	}
	s.ack(c, s.batch(c, many, "1"))
}
