package core

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// errBusy tells that a segment cannot go now.
var errBusy = errors.New("busy")

// keep removes segments that have outlived the retention, until the store is
// closed.
func (s *Store) keep() {
	defer close(s.keeping)
	interval := min(max(s.cfg.Retention/64, time.Second), time.Hour)
	for {
		wait := interval
		switch err := s.Expire(); {
		case s.ctx.Err() != nil:
			return
		case errors.Is(err, errBusy):
			wait = min(interval, s.cfg.Lease)
		case err != nil:
			s.cfg.Logger.Error("removing events past retention", "error", err)
		}
		if s.cfg.Clock.Sleep(s.ctx, wait) != nil {
			return
		}
	}
}

// Expire removes segments whose last event is too old, the oldest first, and
// then what is left of deleted streams. It is called regularly; tests call it,
// too.
func (s *Store) Expire() error {
	s.expiring.Lock()
	defer s.expiring.Unlock()
	cutoff := s.cfg.Clock.Now().Add(-s.cfg.Retention)
	for {
		seg := s.expired(cutoff)
		if seg == nil {
			return s.bury()
		}
		// Nothing may come into it any more, and something may just have.
		if err := s.log.Seal(seg.number); err != nil {
			return err
		}
		if s.expired(cutoff) != seg {
			continue
		}
		if err := s.remove(seg); err != nil {
			return err
		}
	}
}

// expired returns the first segment if all in it is older than the cutoff.
func (s *Store) expired(cutoff time.Time) *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 || !s.segments[0].last.Before(cutoff) {
		return nil
	}
	return s.segments[0]
}

// remove removes a sealed segment, once the gaps that it leaves are stored.
func (s *Store) remove(seg *segment) error {
	s.mu.Lock()
	var streams []*stream
	for st := range seg.unsent {
		streams = append(streams, st)
	}
	s.mu.Unlock()
	free := func(streams []*stream) {
		for _, st := range streams {
			<-st.slot
		}
	}
	for i, st := range streams {
		select {
		case st.slot <- struct{}{}:
			if !s.queue.Held(st.item) {
				continue
			}
			i++
		default:
		}
		free(streams[:i])
		return errBusy
	}
	cursors, ops := s.gaps(seg, streams)
	result := make(chan error, 1)
	s.docs.Commit(ops, func(err error) {
		s.mu.Lock()
		for i, st := range streams {
			if err == nil {
				s.installed(st, cursors[i])
			}
		}
		s.mu.Unlock()
		free(streams)
		result <- err
	})
	if err := <-result; err != nil {
		return fmt.Errorf("storing the gaps of expired events: %w", err)
	}
	s.forgetSegment(seg)
	return s.log.Remove(seg.number)
}

// gaps returns the streams' cursors behind the segment, and how to store them.
func (s *Store) gaps(seg *segment, streams []*stream) (cursors []cursor, ops []Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range streams {
		cur := st.cur
		c := seg.unsent[st]
		if c == nil { // all was sent just now
			cursors = append(cursors, cur)
			continue
		}
		cur.Gone = false
		n := len(c.refs) - 1
		to := store.Position{Seq: c.seq(n) + 1}
		lost := st.before(to, 0)
		cur.gap(store.Expired, lost.Events, lost.Bytes, c.time(0), c.time(n))
		cur.advance(to, 0)
		cursors = append(cursors, cur)
		ops = append(ops, cursorOp(st, cur))
		s.cfg.Logger.Warn("events outlived the retention unsent", slog.String("stream", st.name),
			slog.Int64("events", lost.Events), slog.Time("first", c.time(0)), slog.Time("last", c.time(n)))
	}
	return cursors, ops
}

// removeSent removes the oldest segment of which everything was sent, and tells
// whether there was one.
func (s *Store) removeSent() (bool, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.segments, func(seg *segment) bool { return len(seg.unsent) == 0 })
	var seg *segment
	if i >= 0 {
		seg = s.segments[i]
	}
	s.mu.Unlock()
	if seg == nil {
		return false, nil
	}
	if err := s.log.Seal(seg.number); err != nil {
		return false, err
	}
	s.mu.Lock()
	sent := len(seg.unsent) == 0
	s.mu.Unlock()
	if !sent {
		return true, nil // look again
	}
	s.forgetSegment(seg)
	return true, s.log.Remove(seg.number)
}

// forgetSegment takes the segment out of the index.
func (s *Store) forgetSegment(seg *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = slices.DeleteFunc(s.segments, func(other *segment) bool { return other == seg })
}

// bury forgets deleted streams of which nothing is in the log any more.
func (s *Store) bury() error {
	s.mu.Lock()
	var gone []*stream
	for _, st := range s.streams {
		begun := len(s.segments) > 0 && s.segments[0].number < st.cur.First.Seq
		if st.cur.Gone && !st.work() && !begun {
			gone = append(gone, st)
		}
	}
	s.mu.Unlock()
	for _, st := range gone {
		select {
		case st.slot <- struct{}{}:
		default:
			continue
		}
		result := make(chan error, 1)
		s.docs.Commit([]Op{{Bucket: Streams, Change: store.Change{
			Document: store.Document{Key: st.name}, Deleted: true,
		}}}, func(err error) { result <- err })
		err := <-result
		if err == nil {
			s.mu.Lock()
			if st.cur = (cursor{}); !st.work() {
				delete(s.streams, st.name)
			}
			s.mu.Unlock()
		}
		<-st.slot
		if err != nil {
			return fmt.Errorf("forgetting a deleted stream: %w", err)
		}
	}
	return nil
}
