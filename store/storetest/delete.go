package storetest

import (
	"fmt"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func testDelete(s *suite) { s.deleted(func() {}) }

func testDeleteReopened(s *suite) { s.deleted(s.reopen) }

func (s *suite) deleted(between func()) {
	s.ok(s.store.DeleteStream(s.ctx(), "unknown"))
	last, err := s.store.Append(s.ctx(), "a", "id", block("1", "2", "3"))
	s.ok(err)
	s.append("b", "other")
	c := s.claim("a")
	b := s.batch(c, store.Limits{Events: 2, Bytes: 9}, "1", "2")
	s.ok(c.Save(s.ctx(), []byte("status")))
	s.ok(s.store.DeleteStream(s.ctx(), "a"))
	s.refused(c, b.ID)
	check := func() {
		s.Helper()
		s.equal("state", s.state("a"), store.State{})
		s.equal("events", len(s.read("a", store.From{})), 0)
		total, err := s.store.Total(s.ctx())
		s.ok(err)
		s.equal("total", total, s.state("b").Backlog)
		for name, err := range s.store.Streams(s.ctx()) {
			s.ok(err)
			s.equal("stream", name, "b")
		}
	}
	check()
	between()
	check()

	// The same name begins again, with higher sequences. Its old ids are forgotten.
	seq, err := s.store.Append(s.ctx(), "a", "id", block("4"))
	s.ok(err)
	if seq <= last {
		s.Fatalf("sequence %d after %d", seq, last)
	}
	between()
	s.equal("events", texts(s.read("a", store.From{})), []string{"4"})
	c = s.find("a")
	s.ack(c, s.batch(c, many, "4"))
}

// What package store says about dead letters works.
func testDeadLetters(s *suite) {
	s.append("a", "good", "bad", "fine")
	c := s.claim("a")
	one := store.Limits{Events: 1, Bytes: 9}
	s.ack(c, s.batch(c, one, "good"))
	b := s.batch(c, one, "bad")
	key := fmt.Sprintf("dead/a/%d-%d", b.Events[0].Position.Seq, b.Events[0].Position.Index)
	_, err := s.store.Put(s.ctx(), key, b.Events[0].Data, 0)
	s.ok(err)
	s.ack(c, b)
	s.ack(c, s.batch(c, one, "fine"))
	if !s.Volatile {
		s.reopen()
	} else {
		s.release(c, store.Wait{})
	}
	letters := func() []store.Document {
		var docs []store.Document
		for doc, err := range s.store.List(s.ctx(), "dead/a/") {
			s.ok(err)
			docs = append(docs, doc)
		}
		return docs
	}
	s.equal("dead letters", len(letters()), 1)
	letter := letters()[0]
	s.equal("key", letter.Key, key)
	for range 2 { // as if the process had died in between
		_, err := s.store.Append(s.ctx(), "a", fmt.Sprint(letter.Key, "/", letter.Revision), block(string(letter.Value)))
		s.ok(err)
	}
	s.ok(s.store.Delete(s.ctx(), letter.Key, letter.Revision))
	s.equal("dead letters", len(letters()), 0)
	c = s.claim("a")
	s.ack(c, s.batch(c, many, "bad"))
}
