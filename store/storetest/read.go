package storetest

import (
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func testRead(s *suite) {
	var times []time.Time
	for i := range 4 {
		s.append("a", fmt.Sprint(i, "a"), fmt.Sprint(i, "b"))
		s.append("b", "other")
		events := s.read("a", store.From{})
		times = append(times, events[len(events)-1].Time)
		s.Advance(time.Minute)
	}
	all := s.read("a", store.From{})
	check := func() {
		s.Helper()
		for i, e := range all {
			s.equal("from a position", s.read("a", store.From{Position: e.Position}), all[i:])
		}
		s.equal("from a time", texts(s.read("a", store.From{Time: times[2]})), []string{"2a", "2b", "3a", "3b"})
		s.equal("from after a time", texts(s.read("a", store.From{Time: times[2].Add(time.Second)})), []string{"3a", "3b"})
		s.equal("from both", texts(s.read("a", store.From{Position: all[7].Position, Time: times[1]})), []string{"3b"})
		s.equal("from the future", len(s.read("a", store.From{Time: times[3].Add(time.Hour)})), 0)
		s.equal("from behind the end", len(s.read("a", store.From{Position: store.Position{Seq: 1 << 60}})), 0)
		s.equal("of an unknown stream", len(s.read("unknown", store.From{})), 0)
	}
	check()
	// Delivered events can still be read.
	c := s.claim("a")
	s.ack(c, s.batch(c, store.Limits{Events: 3, Bytes: 100}, "0a", "0b", "1a"))
	check()
	s.ack(c, s.batch(c, many, "1b", "2a", "2b", "3a", "3b"))
	check()
	if !s.Volatile {
		s.reopen()
		check()
	}
	// Ranging twice reads twice, and stopping early is fine.
	seq := s.store.Read(s.ctx(), "a", store.From{})
	for range 2 {
		for e, err := range seq {
			s.ok(err)
			s.equal("first", string(e.Data), "0a")
			break
		}
	}
}

// A loop over a stream may append to it, and may see that or not.
func testReadWhileAppending(s *suite) {
	s.append("a", "0")
	n := 0
	for e, err := range s.store.Read(s.ctx(), "a", store.From{}) {
		s.ok(err)
		s.equal("event", string(e.Data), fmt.Sprint(n))
		if n++; n == 20 {
			break
		}
		s.append("a", fmt.Sprint(n))
	}
	for i, e := range s.read("a", store.From{}) {
		s.equal("event", string(e.Data), fmt.Sprint(i))
	}
}
