// Package storetest checks that a store keeps the contract of package store.
// Call [Run] in a test of the store's own package:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) storetest.Subject {
//			dir, clock := t.TempDir(), storetest.NewClock()
//			return storetest.Subject{
//				Open:    func() (store.Store, error) { return mystore.Open(dir, clock) },
//				Advance: clock.Advance,
//				Lease:   time.Minute, Retention: time.Hour,
//			}
//		})
//	}
//
// Tests run in parallel, each with a subject of its own, and do not sleep.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Subject is a store to be tested, as nobody has opened it before.
type Subject struct {
	// Open opens it. The suite closes it and opens it again, never twice at
	// the same time.
	Open func() (store.Store, error)

	// Volatile tells that it forgets everything when it is closed: what
	// depends on that is skipped.
	Volatile bool

	// Advance lets the time pass for the store. It must return when the
	// store's clock has moved.
	Advance func(time.Duration)

	// Lease is how long a claim lasts, Retention for how long events stay.
	// They must be at least a minute and ten minutes.
	Lease, Retention time.Duration

	// Slack is by how much a wait may seem to end too early, because the
	// store's clock goes on by itself between calls. Zero for a clock that
	// only Advance moves, at most ten seconds.
	Slack time.Duration
}

// patience is how long the suite waits, on real time, for what must happen. A
// slow disk under load may need some of it.
const patience = 3 * time.Minute

// Run runs the suite.
func Run(t *testing.T, subject func(t *testing.T) Subject) {
	tests := []struct {
		name    string
		durable bool // it needs a store that is not volatile
		run     func(*suite)
	}{
		{"order", false, testOrder},
		{"memory of a block used again", false, testBlockReused},
		{"durability", true, testDurability},
		{"concurrent producers and claimers", false, testConcurrent},
		{"read", false, testRead},
		{"read while appending", false, testReadWhileAppending},
		{"large records", false, testLarge},
		{"bad blocks", false, testBadBlocks},
		{"hostile names", false, testNames},
		{"dedup", false, testDedup},
		{"dedup of concurrent calls", false, testDedupConcurrent},
		{"dedup over a restart", true, testDedupReopened},
		{"backlog", false, testBacklog},
		{"batch limits", false, testBatchLimits},
		{"batches in flight", false, testInFlight},
		{"frozen batches are repeated", false, testFrozen},
		{"frozen batches survive", true, testFrozenReopened},
		{"split", false, testSplit},
		{"split survives", true, testSplitReopened},
		{"ack freezes ahead", false, testAhead},
		{"status", false, testStatus},
		{"skip", false, testSkip},
		{"fair turns", false, testFair},
		{"release with a delay", false, testDelay},
		{"release until woken", false, testParked},
		{"release until filled", false, testFilled},
		{"release until filled by bytes", false, testFilledBytes},
		{"a woken holder", false, testWokenHolder},
		{"stale holder", false, testStale},
		{"keep", false, testKeep},
		{"retention", false, testRetention},
		{"retention spares claimed streams", false, testRetentionClaimed},
		{"retention while events come", false, testRetentionContinuous},
		{"delete a stream", false, testDelete},
		{"a deleted stream stays deleted", true, testDeleteReopened},
		{"dead letters", false, testDeadLetters},
		{"documents", false, testDocuments},
		{"documents survive", true, testDocumentsReopened},
		{"document lists", false, testLists},
		{"watch", false, testWatch},
		{"concurrent documents", false, testDocumentsConcurrent},
		{"cancellation", false, testCancel},
		{"close", false, testClose},
		{"close during use", false, testCloseDuringUse},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &suite{T: t, Subject: subject(t)}
			if tt.durable && s.Volatile {
				t.Skip("the store is volatile")
			}
			s.open()
			t.Cleanup(s.close)
			tt.run(s)
		})
	}
}

// suite is one test with an open store.
type suite struct {
	*testing.T
	Subject
	store store.Store
}

func (s *suite) open() {
	s.Helper()
	opened, err := s.Open()
	s.ok(err)
	s.store = opened
}

func (s *suite) close() {
	s.Helper()
	s.ok(s.store.Close())
}

// reopen closes the store and opens it.
func (s *suite) reopen() {
	s.Helper()
	s.close()
	s.open()
}

func (s *suite) ctx() context.Context { return s.Context() }

// ok ends the test unless err is nil.
func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("error: %v", err)
	}
}

// is ends the test unless err is target.
func (s *suite) is(err, target error) {
	s.Helper()
	if !errors.Is(err, target) {
		s.Fatalf("error is %v, want %v", err, target)
	}
}

// equal ends the test unless both are the same when printed.
func (s *suite) equal(what string, got, want any) {
	s.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		s.Fatalf("%s: got %.2000s, want %.2000s", what, g, w)
	}
}

// block is a block of those events.
func block(events ...string) store.Block {
	var b store.Block
	for _, e := range events {
		b = append(b, []byte(e))
	}
	return b
}

// append appends the events as one block.
func (s *suite) append(stream string, events ...string) uint64 {
	s.Helper()
	seq, err := s.store.Append(s.ctx(), stream, "", block(events...))
	s.ok(err)
	return seq
}

// claim claims a stream, which must be the one named.
func (s *suite) claim(stream string) store.Claim {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx(), patience)
	defer cancel()
	c, err := s.store.Claim(ctx)
	s.ok(err)
	if c.Stream() != stream {
		s.Fatalf("claimed %q, want %q", c.Stream(), stream)
	}
	return c
}

// find claims the stream; others that come first are not handed out again.
func (s *suite) find(stream string) store.Claim { //nolint:unparam // it reads better with the name
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx(), patience)
	defer cancel()
	for {
		c, err := s.store.Claim(ctx)
		s.ok(err)
		if c.Stream() == stream {
			return c
		}
		s.release(c, store.Wait{After: store.UntilWoken})
	}
}

// claimLater claims a stream that becomes ready when so much time passes.
func (s *suite) claimLater(stream string, wait time.Duration) store.Claim { //nolint:unparam // as above
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx(), patience)
	defer cancel()
	type result struct {
		c   store.Claim
		err error
	}
	claimed := make(chan result, 1)
	go func() {
		c, err := s.store.Claim(ctx)
		claimed <- result{c, err}
	}()
	s.Advance(wait)
	// A store that was about to wait for it has not seen it pass. The rest is
	// paced, or the claim could be over before it gets here.
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case r := <-claimed:
			s.ok(r.err)
			if r.c.Stream() != stream {
				s.Fatalf("claimed %q, want %q", r.c.Stream(), stream)
			}
			return r.c
		case <-pace.C:
			s.Advance(wait / 500)
		}
	}
}

// batch takes a batch, which must have those events.
func (s *suite) batch(c store.Claim, limits store.Limits, events ...string) store.Batch {
	s.Helper()
	b, err := c.Batch(s.ctx(), limits)
	s.ok(err)
	s.equal("events", texts(b.Events), events)
	if len(b.ID) < 22 {
		s.Fatalf("a batch id with fewer than 122 random bits: %q", b.ID)
	}
	return b
}

func texts(events []store.Event) []string {
	texts := []string{}
	for _, e := range events {
		texts = append(texts, string(e.Data))
	}
	return texts
}

// read returns the stream's events.
func (s *suite) read(stream string, from store.From) []store.Event {
	s.Helper()
	var events []store.Event
	for e, err := range s.store.Read(s.ctx(), stream, from) {
		s.ok(err)
		events = append(events, e)
	}
	return events
}

// state returns the stream's state.
func (s *suite) state(stream string) store.State {
	s.Helper()
	state, err := s.store.State(s.ctx(), stream)
	s.ok(err)
	return state
}

// ack acknowledges the batch.
func (s *suite) ack(c store.Claim, b store.Batch) {
	s.Helper()
	s.ok(c.Ack(s.ctx(), b.ID, nil, store.Limits{}))
}

// release gives the claim back.
func (s *suite) release(c store.Claim, wait store.Wait) {
	s.Helper()
	s.ok(c.Release(s.ctx(), wait))
}

// many is limits that no test reaches.
var many = store.Limits{Events: 1 << 20, Bytes: 1 << 30}
