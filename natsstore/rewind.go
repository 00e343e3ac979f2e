package natsstore

import (
	"context"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// server returns which process of the single server keeps the events, if that is
// known: it is the one that the store is connected to.
func (s *natsStore) server() string {
	id := s.conn.ConnectedServerId()
	if s.replicas > 1 || s.scattered || nameOf(s.conn.ConnectedServerName(), id) != s.keeper {
		return ""
	}
	return id
}

// nameOf returns a server's name, empty if it was given none: then it is its id,
// which is another for each process.
func nameOf(name, id string) string {
	if name == id {
		return ""
	}
	return name
}

// seen tells that nothing of what the document knows can be lost since it was last
// looked for.
func (s *natsStore) seen(d *document) bool {
	server := s.server()
	return s.replicas > 1 || server != "" && d.Server == server
}

// rewind moves a document back to where the stream of events is, if what came
// before the document's end is not there: a single server that lost its power has
// lost the last events, gives their sequences to others, and those must not be
// passed over. What the server still has is sent again from the last event on that
// was acknowledged. It looks when another process of the server was the last to have
// that event, and tells whether events are lost.
func (s *natsStore) rewind(ctx context.Context, stream string, d *document) (lost bool, err error) {
	if s.seen(d) {
		return false, nil
	}
	server := s.server()
	if lost, err = s.lacks(ctx, stream, d); err != nil {
		return false, err
	}
	if lost {
		if err := s.restart(ctx, stream, d); err != nil {
			return false, err
		}
	}
	d.Server = server
	return lost, nil
}

// lacks tells whether the message before the document's end is another, or none
// although its sequence is not yet past the retention.
func (s *natsStore) lacks(ctx context.Context, stream string, d *document) (bool, error) {
	seq, at := d.before()
	if at.IsZero() || seq == 0 {
		return false, nil // nothing came before
	}
	if d.end() == d.Rewound {
		next, last, err := s.firstAfter(ctx, stream, d.Last)
		return next < d.Next.Seq || last+1 < d.Next.Seq, err
	}
	msg, err := s.get(ctx, s.cfg.eventsStream(), getRequest{Seq: seq})
	if err != nil {
		return false, err
	}
	if msg != nil {
		return msg.Subject != s.cfg.eventsPrefix()+escape(stream) || !msg.Time.Equal(at), nil
	}
	info, err := s.eventsInfo(ctx)
	if err != nil {
		return false, err
	}
	return seq >= info.State.FirstSeq, nil
}

// restart moves the document to the first event that was not acknowledged, of those
// that are there: by its time, for sequences are given anew.
func (s *natsStore) restart(ctx context.Context, stream string, d *document) error {
	known, _ := d.before()
	info, err := s.eventsInfo(ctx)
	if err != nil {
		return err
	}
	s.cfg.Logger.Error("the NATS server has lost events that it had acknowledged, of this webhook or others; what is left is delivered",
		"webhook", stream, "last", info.State.LastSeq, "known", known)
	if d.Last.IsZero() { // none was
		d.Next, d.Frozen = store.Position{}, nil
		return nil
	}
	if d.Next.Index > 0 { // a part of that block was not
		d.Last = d.Last.Add(-time.Nanosecond)
	}
	next, _, err := s.firstAfter(ctx, stream, d.Last)
	if err != nil {
		return err
	}
	d.Next, d.Frozen = store.Position{Seq: next}, nil
	d.Rewound = d.Next
	return nil
}

// firstAfter returns the sequence of the stream's first message after the time, or
// where the next one of all streams can be at the earliest, and of the last of all.
func (s *natsStore) firstAfter(ctx context.Context, stream string, at time.Time) (next, last uint64, err error) {
	info, err := s.eventsInfo(ctx) // before the look: what comes later is behind its last
	if err != nil {
		return 0, 0, err
	}
	from := at.Add(time.Nanosecond)
	msg, err := s.get(ctx, s.cfg.eventsStream(), getRequest{StartTime: &from, Next: s.cfg.eventsPrefix() + escape(stream)})
	if err != nil {
		return 0, 0, err
	}
	last = info.State.LastSeq
	if msg != nil {
		return msg.Sequence, last, nil
	}
	return last + 1, last, nil
}
