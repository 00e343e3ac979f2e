package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// The caller uses the memory of a block again.
func testBlockReused(s *suite) {
	data := []byte("first")
	for _, next := range []string{"again", "third"} {
		_, err := s.store.Append(s.ctx(), "a", "", store.Block{data[:3], data[3:]})
		s.ok(err)
		copy(data, next)
	}
	c := s.claim("a")
	s.batch(c, many, "fir", "st", "aga", "in")
	s.release(c, store.Wait{})
}

func testOrder(s *suite) {
	var last uint64
	for i := range 50 {
		seq := s.append("a", fmt.Sprint(i, "-0"), fmt.Sprint(i, "-1"))
		s.append("b", "other")
		if seq <= last {
			s.Fatalf("sequence %d after %d", seq, last)
		}
		last = seq
	}
	events := s.read("a", store.From{})
	if len(events) != 100 {
		s.Fatalf("%d events, want 100", len(events))
	}
	for i, e := range events {
		s.equal("event", string(e.Data), fmt.Sprintf("%d-%d", i/2, i%2))
		s.equal("index", e.Position.Index, i%2)
		if i > 0 && (e.Position.Compare(events[i-1].Position) <= 0 || e.Time.Before(events[i-1].Time)) {
			s.Fatalf("event %d is not after the one before", i)
		}
	}
}

func testDurability(s *suite) {
	for round := range 3 {
		s.append("a", fmt.Sprint("event ", round))
		s.append("b", "x", "y")
		before := s.read("a", store.From{})
		state := s.state("b")
		s.reopen()
		s.equal("events", s.read("a", store.From{}), before)
		s.equal("state", s.state("b"), state)
	}
	s.equal("events", texts(s.read("a", store.From{})), []string{"event 0", "event 1", "event 2"})
	c := s.find("a")
	b := s.batch(c, store.Limits{Events: 2, Bytes: 1000}, "event 0", "event 1")
	s.ack(c, b)
	s.reopen()
	s.batch(s.find("a"), many, "event 2")
}

// Producers and claimers at once: everything is delivered once, in order.
func testConcurrent(s *suite) {
	const streams, blocks = 8, 40
	ctx, cancel := context.WithTimeout(s.ctx(), patience)
	defer cancel()
	var producers, claimers sync.WaitGroup
	for i := range streams {
		producers.Go(func() {
			for n := range blocks {
				_, err := s.store.Append(ctx, fmt.Sprint("stream-", i), "", block(fmt.Sprint(n), fmt.Sprint(n, "b")))
				if err != nil {
					s.Errorf("append: %v", err)
				}
			}
		})
	}
	var mu sync.Mutex
	got := map[string][]string{}
	holders := map[string]int{}
	total := 0
	claiming, stop := context.WithCancel(ctx)
	defer stop()
	for range 4 {
		claimers.Go(func() {
			for {
				c, err := s.store.Claim(claiming)
				if err != nil {
					return
				}
				mu.Lock()
				if holders[c.Stream()]++; holders[c.Stream()] > 1 {
					s.Errorf("two hold %s", c.Stream())
				}
				mu.Unlock()
				b, err := c.Batch(ctx, store.Limits{Events: 7, Bytes: 1000})
				if err == nil {
					err = c.Ack(ctx, b.ID, nil, store.Limits{})
				}
				mu.Lock()
				holders[c.Stream()]--
				if err == nil {
					got[c.Stream()] = append(got[c.Stream()], texts(b.Events)...)
					total += len(b.Events)
				}
				done := total == streams*blocks*2
				mu.Unlock()
				if err != nil && !errors.Is(err, store.ErrNoEvents) {
					s.Errorf("claimer: %v", err)
				}
				if err := c.Release(ctx, store.Wait{}); err != nil {
					s.Errorf("release: %v", err)
				}
				if done {
					stop()
				}
			}
		})
	}
	producers.Wait()
	claimers.Wait()
	var want []string
	for n := range blocks {
		want = append(want, fmt.Sprint(n), fmt.Sprint(n, "b"))
	}
	for i := range streams {
		s.equal("delivered", got[fmt.Sprint("stream-", i)], want)
	}
	left, err := s.store.Total(s.ctx())
	s.ok(err)
	s.equal("backlog", left, store.Backlog{})
}

func testLarge(s *suite) {
	large := strings.Repeat("0123456789abcdef", store.MaxBlockBytes/16)
	s.append("a", large)
	many10 := make(store.Block, store.MaxBlockEvents)
	for i := range many10 {
		many10[i] = []byte{byte(i), byte(i >> 8), '\n', 0}
	}
	_, err := s.store.Append(s.ctx(), "a", strings.Repeat("d", store.MaxName), many10)
	s.ok(err)
	check := func() {
		s.Helper()
		events := s.read("a", store.From{})
		s.equal("number of events", len(events), 1+len(many10))
		if string(events[0].Data) != large {
			s.Fatal("the large event is another one")
		}
		for i, e := range events[1:] {
			if !bytes.Equal(e.Data, many10[i]) {
				s.Fatalf("event %d is another one", i)
			}
		}
	}
	check()
	if !s.Volatile {
		s.reopen()
		check()
	}
	c := s.claim("a")
	b, err := c.Batch(s.ctx(), store.Limits{Events: 500, Bytes: 1000})
	s.ok(err)
	s.equal("events", len(b.Events), 1) // larger than the limit, and so alone
	s.ack(c, b)
	b, err = c.Batch(s.ctx(), store.Limits{Events: 500, Bytes: 1000})
	s.ok(err)
	s.equal("events", len(b.Events), 250) // of four bytes each
}

func testBadBlocks(s *suite) {
	tests := map[string]store.Block{
		"no events":       {},
		"an empty event":  {[]byte("x"), {}},
		"too many events": make(store.Block, store.MaxBlockEvents+1),
		"too many bytes":  {make([]byte, store.MaxBlockBytes), {1}},
	}
	for name, b := range tests {
		_, err := s.store.Append(s.ctx(), "a", "", b)
		if _, ok := errors.AsType[*store.SizeError](err); !ok {
			s.Errorf("%s: error is %v, want a SizeError", name, err)
		}
	}
	s.equal("events", len(s.read("a", store.From{})), 0)
}

func testNames(s *suite) {
	good := []string{
		"../x", "..", ".", "/", "a/b", `a\b`, "a.b", "*", ">", "a b", " ", "-", "ü", "日本語", "\U0001F600",
		"CON", "nul", "%2e%2e", "$(x)", "a:b", strings.Repeat("n", store.MaxName), "A", "a", "\ufeff", "e\u0301", "é",
	}
	bad := []string{"", strings.Repeat("n", store.MaxName+1), strings.Repeat("n", 300), "a\x00b", "\n", "\x7f", "\u0085", "\xff", "a\xc3"}
	for _, name := range good {
		seq := s.append(name, "event of "+name)
		again, err := s.store.Append(s.ctx(), name, name, block("second of "+name))
		s.ok(err)
		third, err := s.store.Append(s.ctx(), name, name, block("third of "+name))
		s.ok(err)
		if again <= seq || third != again {
			s.Fatalf("%q: sequences %d, %d, %d", name, seq, again, third)
		}
		_, err = s.store.Put(s.ctx(), name, []byte("document "+name), 0)
		s.ok(err)
	}
	check := func() {
		s.Helper()
		for _, name := range good {
			s.equal("events", texts(s.read(name, store.From{})), []string{"event of " + name, "second of " + name})
			doc, err := s.store.Get(s.ctx(), name)
			s.ok(err)
			s.equal("document", string(doc.Value), "document "+name)
		}
	}
	check()
	if !s.Volatile {
		s.reopen()
		check()
	}
	for _, name := range bad {
		_, appendErr := s.store.Append(s.ctx(), name, "", block("x"))
		_, stateErr := s.store.State(s.ctx(), name)
		_, getErr := s.store.Get(s.ctx(), name)
		_, putErr := s.store.Put(s.ctx(), name, nil, 0)
		errs := map[string]error{
			"Append": appendErr, "State": stateErr, "Get": getErr, "Put": putErr,
			"Wake": s.store.Wake(s.ctx(), name), "DeleteStream": s.store.DeleteStream(s.ctx(), name),
			"Delete": s.store.Delete(s.ctx(), name, 1),
		}
		for _, err := range s.store.Read(s.ctx(), name, store.From{}) {
			errs["Read"] = err
		}
		if name != "" {
			_, errs["dedup id"] = s.store.Append(s.ctx(), "fine", name, block("x"))
			for _, err := range s.store.List(s.ctx(), name) {
				errs["List"] = err
			}
			for _, err := range s.store.Watch(s.ctx(), name) {
				errs["Watch"] = err
			}
		}
		for method, err := range errs {
			if _, ok := errors.AsType[*store.NameError](err); !ok {
				s.Errorf("%s of %q: error is %v, want a NameError", method, name, err)
			}
		}
	}
}

func testDedup(s *suite) {
	put := func(stream, id, event string) uint64 {
		s.Helper()
		seq, err := s.store.Append(s.ctx(), stream, id, block(event))
		s.ok(err)
		return seq
	}
	first := put("a", "id", "one")
	s.equal("sequence", put("a", "id", "again"), first)
	if put("a", "other", "two") == first || put("b", "id", "of b") == first {
		s.Fatal("another id, or the id in another stream, was taken for the same")
	}
	s.Advance(store.DedupWindow)
	s.equal("sequence within the window", put("a", "id", "again"), first)
	third := put("a", "", "three")
	if put("a", "", "three") == third {
		s.Fatal("an empty id was taken for one")
	}
	s.equal("events", texts(s.read("a", store.From{})), []string{"one", "two", "three", "three"})
}

func testDedupConcurrent(s *suite) {
	const callers = 16
	seqs := make([]uint64, callers)
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			seq, err := s.store.Append(s.ctx(), "a", "id", block("one"))
			if err != nil {
				s.Errorf("append: %v", err)
			}
			seqs[i] = seq
		})
	}
	wait.Wait()
	for _, seq := range seqs {
		s.equal("sequence", seq, seqs[0])
	}
	s.equal("events", len(s.read("a", store.From{})), 1)
}

func testDedupReopened(s *suite) {
	first, err := s.store.Append(s.ctx(), "a", "id", block("one"))
	s.ok(err)
	s.reopen()
	again, err := s.store.Append(s.ctx(), "a", "id", block("one"))
	s.ok(err)
	s.equal("sequence", again, first)
}

func testBacklog(s *suite) {
	s.equal("state", s.state("unknown"), store.State{})
	s.append("a", "12", "345")
	at := s.state("a").Oldest
	if at.IsZero() {
		s.Fatal("no time of the oldest event")
	}
	s.Advance(time.Minute)
	s.append("b", "6")
	s.append("a", "7")
	s.equal("backlog", s.state("a").Backlog, store.Backlog{Events: 3, Bytes: 6, Oldest: at})
	total, err := s.store.Total(s.ctx())
	s.ok(err)
	s.equal("total", total, store.Backlog{Events: 4, Bytes: 7, Oldest: at})

	c := s.claim("a")
	b := s.batch(c, store.Limits{Events: 1, Bytes: 100}, "12")
	s.equal("backlog", s.state("a").Backlog, store.Backlog{Events: 3, Bytes: 6, Oldest: at})
	s.ack(c, b)
	s.equal("backlog", s.state("a").Backlog, store.Backlog{Events: 2, Bytes: 4, Oldest: at})
	if !s.Volatile {
		s.reopen()
		s.equal("backlog", s.state("a").Backlog, store.Backlog{Events: 2, Bytes: 4, Oldest: at})
		c = s.find("a")
	}
	s.ack(c, s.batch(c, many, "345", "7"))
	s.equal("backlog", s.state("a").Backlog, store.Backlog{})
	total, err = s.store.Total(s.ctx())
	s.ok(err)
	s.equal("total", total, store.Backlog{Events: 1, Bytes: 1, Oldest: s.state("b").Oldest})
	var names []string
	for name, err := range s.store.Streams(s.ctx()) {
		s.ok(err)
		names = append(names, name)
	}
	s.equal("streams", names, []string{"a", "b"})
}
