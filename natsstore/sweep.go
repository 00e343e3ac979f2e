package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// sweepKey is that of the sweeps in the bucket of states.
const sweepKey = "sweep"

// sweeps is the document of the sweeps, of all instances. All times are the
// server's.
type sweeps struct {
	Orphans time.Time `json:"orphans,omitzero"` // events before this have no token missing
	Expired time.Time `json:"expired,omitzero"` // when the retention was last looked at
	Server  string    `json:"server,omitempty"` // which process of a single server that was
}

// sweep runs sweeps until the store is closed. Of the instances the one does
// it which finds that none has for an interval.
func (s *natsStore) sweep() {
	var seen uint64
	for (store.SystemClock{}).Sleep(s.closing, s.cfg.Sweep) == nil {
		var done sweeps
		entry, err := s.entry(s.closing, sweepKey)
		rev := uint64(0)
		if err == nil && entry != nil {
			rev = entry.Revision()
			err = json.Unmarshal(entry.Value(), &done)
		}
		if err == nil && rev != seen {
			seen = rev
			continue
		}
		if err == nil {
			seen, err = s.sweepOnce(s.closing, done, rev)
		}
		if err != nil && s.closing.Err() == nil && !errors.Is(err, store.ErrConflict) {
			s.cfg.Logger.Warn("the sweep of the audit log's streams failed; it is tried again", "error", err)
		}
	}
}

// sweepOnce claims a sweep by the document's revision and does it.
func (s *natsStore) sweepOnce(ctx context.Context, done sweeps, rev uint64) (uint64, error) {
	rev, err := s.putSweeps(ctx, done, rev)
	if err != nil {
		return 0, err
	}
	info, err := s.eventsInfo(ctx)
	if err != nil {
		return 0, err
	}
	now := info.TimeStamp
	told := time.Now()
	busy := func() error { // the others see that it goes on
		if time.Since(told) < s.cfg.Sweep/4 {
			return nil
		}
		told = time.Now()
		rev, err = s.putSweeps(ctx, done, rev)
		return err
	}
	if server := s.server(); server != "" && server != done.Server {
		// One that lost its power may have lost the tokens of whatever events.
		done.Orphans, done.Server = time.Time{}, server
	}
	if err := s.findOrphans(ctx, done.Orphans, info.State.LastSeq, busy); err != nil {
		return 0, err
	}
	// A holder may remove a token just before it dies, of an event that came since
	// it last looked for more. So events are looked at once more when their claims
	// have ended.
	done.Orphans = now.Add(-s.cfg.Lease - 2*s.cfg.fresh())
	if now.Sub(done.Expired) >= min(s.cfg.Retention/64, time.Hour) {
		if err := s.expire(ctx, now.Add(-s.cfg.Retention), &info.State, busy); err != nil {
			return 0, err
		}
		done.Expired = now
	}
	return s.putSweeps(ctx, done, rev)
}

func (s *natsStore) putSweeps(ctx context.Context, done sweeps, rev uint64) (uint64, error) {
	value, err := json.Marshal(done)
	if err != nil {
		return 0, err
	}
	return s.update(ctx, sweepKey, value, rev)
}

func (s *natsStore) eventsInfo(ctx context.Context) (info *jetstream.StreamInfo, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		info, err = s.events.Info(ctx)
		return err
	})
	return info, err
}

// findOrphans publishes tokens for streams that have events since the time, up
// to the sequence, and no token: whoever appended them died in between. It calls
// busy often.
func (s *natsStore) findOrphans(ctx context.Context, since time.Time, to uint64, busy func() error) error {
	recent, err := s.recent(ctx, since, to, busy)
	if err != nil || len(recent) == 0 {
		return err
	}
	tokens, err := s.subjects(ctx, s.tokens, s.cfg.tokensPrefix())
	if err != nil {
		return err
	}
	for stream := range tokens {
		delete(recent, stream)
	}
	return s.each(ctx, recent, busy, func(ctx context.Context, stream string) error {
		unsent, err := s.unsent(ctx, stream)
		if err != nil || !unsent {
			return err
		}
		return s.adopt(ctx, stream)
	})
}

// adopt publishes a token for a stream that has events and none.
func (s *natsStore) adopt(ctx context.Context, stream string) error {
	err := s.publishToken(ctx, stream, 0)
	if superseded(err) {
		return nil // just now
	}
	if err == nil {
		s.cfg.Logger.Info("events that nobody was told of are delivered now", "webhook", stream)
	}
	return err
}

// each makes a call for each stream, several at a time, and returns the first
// error. It calls busy often.
func (s *natsStore) each(ctx context.Context, streams map[string]struct{}, busy func() error, call func(context.Context, string) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	places := make(chan struct{}, readers)
	for stream := range streams {
		if err := busy(); err != nil {
			cancel(err)
		}
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			defer func() { <-places }()
			if err := call(ctx, stream); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// expire removes the events before the time. Those that are unsent become a gap
// first; those of claimed streams stay, and everything behind them.
func (s *natsStore) expire(ctx context.Context, before time.Time, state *jetstream.StreamState, busy func() error) error {
	if state.Msgs == 0 || !state.FirstTime.Before(before) {
		return nil
	}
	to := state.LastSeq + 1
	msg, err := s.get(ctx, s.cfg.eventsStream(), getRequest{StartTime: &before, Next: s.cfg.eventsPrefix() + "*"})
	if err != nil {
		return err
	}
	if msg != nil {
		to = min(to, msg.Sequence)
	}
	if to <= state.FirstSeq {
		return nil
	}
	// Their names come from the messages themselves: what nobody has seen is not
	// removed.
	streams, err := s.recent(ctx, time.Time{}, to-1, busy)
	if err != nil {
		return err
	}
	limit := to // times may go back where another server became the leader; sequences do not
	var mu sync.Mutex
	if err := s.each(ctx, streams, busy, func(ctx context.Context, stream string) error {
		first, err := s.expireStream(ctx, stream, limit)
		mu.Lock()
		defer mu.Unlock()
		to = min(to, first)
		return err
	}); err != nil {
		return err
	}
	return s.retry(ctx, func(ctx context.Context) error {
		return s.events.Purge(ctx, jetstream.WithPurgeSequence(to))
	})
}

// expireStream makes a gap of the stream's unsent events before the sequence, if
// nobody claims it. It returns the sequence of its first event that has to
// stay, at most limit.
func (s *natsStore) expireStream(ctx context.Context, stream string, limit uint64) (uint64, error) {
	key := escape(stream)
	d, rev, err := s.load(ctx, stream)
	unreadable := err != nil && !errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil
	if unreadable {
		s.cfg.Logger.Error("the document of a webhook cannot be read; its events stay", "webhook", stream, "error", err)
	}
	if err == nil {
		_, err = s.rewind(ctx, stream, &d)
	}
	if err != nil && !unreadable {
		return 0, err
	}
	first, err := s.get(ctx, s.cfg.eventsStream(), getRequest{Seq: max(d.Next.Seq, 1), Next: s.cfg.eventsPrefix() + key})
	if err != nil || first == nil || first.Sequence >= limit {
		return limit, err
	}
	if unreadable {
		return first.Sequence, nil
	}
	token, err := s.last(ctx, s.cfg.tokensStream(), s.cfg.tokensPrefix()+key)
	if err != nil || d.held(token) {
		return first.Sequence, err
	}
	if token == 0 { // a gap would be told to nobody
		return first.Sequence, s.adopt(ctx, stream)
	}
	g, err := s.passed(ctx, stream, &d, limit)
	if err != nil || g.Events == 0 {
		return limit, err
	}
	d.gap(store.Expired, g.Events, g.Bytes, g.First, g.Last)
	_, err = s.put(ctx, stream, d.encode(), rev)
	if errors.Is(err, store.ErrConflict) { // somebody claims it just now
		return first.Sequence, nil
	}
	if err != nil {
		return 0, err
	}
	s.cfg.Logger.Warn("events outlived the retention unsent", "stream", stream, "events", g.Events, "from", g.First, "to", g.Last)
	return limit, nil
}

// passed moves the document over the events before the sequence, and returns
// what they were. A frozen batch may lose a part.
func (s *natsStore) passed(ctx context.Context, stream string, d *document, limit uint64) (g store.Gap, err error) {
	kept := append([]frozen{}, d.Frozen...)
	cut := d.end() // what is damaged before that is in a gap already
	for it, err := range s.items(ctx, stream, store.From{Position: d.Next}) {
		if err != nil {
			return store.Gap{}, err
		}
		if it.Position.Seq >= limit {
			if len(kept) > 0 && kept[0].First == d.Next {
				kept[0].Time = it.Time
			}
			break
		}
		d.Next, d.Last = it.end(), it.Time
		told := it.damaged != nil && it.Position.Compare(cut) < 0
		if len(kept) > 0 && it.Position.Compare(kept[0].First) >= 0 {
			f := &kept[0]
			told = told || f.Acked
			if it.damaged == nil {
				f.LeftEvents--
				f.LeftBytes -= len(it.Data)
			}
			f.First = d.Next
			if d.Next.Compare(f.End) >= 0 {
				kept = kept[1:]
			}
		}
		if told {
			continue
		}
		if g.Events == 0 {
			g.First = it.Time
		}
		g.Last = it.Time
		g.Events++
		g.Bytes += int64(len(it.Data))
	}
	d.Frozen = kept
	return g, nil
}
