package natsstore

import (
	"context"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// server returns which process of the server keeps the events, if that is known:
// it is the one that the store is connected to.
func (s *natsStore) server() string {
	if s.replicas > 1 || s.conn.ConnectedServerName() != s.keeper {
		return ""
	}
	return s.conn.ConnectedServerId()
}

// rewind moves a document back to where the stream of events is, if what came
// before the document's end is not there: a single server that lost its power has
// lost the last events, gives their sequences to others, and those must not be
// passed over. What the server still has is sent again from the last event on that
// was acknowledged. It looks when another process of the server was the last to have
// that event, and tells whether events are lost.
func (s *natsStore) rewind(ctx context.Context, stream string, d *document) (lost bool, err error) {
	server := s.server()
	if s.replicas > 1 || server != "" && d.Server == server {
		return false, nil
	}
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
	if at.IsZero() {
		return false, nil // nothing came before
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
// that are there.
func (s *natsStore) restart(ctx context.Context, stream string, d *document) error {
	known, _ := d.before()
	info, err := s.eventsInfo(ctx) // before the look: what comes later is behind its last
	if err != nil {
		return err
	}
	request := getRequest{Seq: 1, Next: s.cfg.eventsPrefix() + escape(stream)}
	if !d.Last.IsZero() {
		if d.Next.Index > 0 { // a part of that block is not acknowledged
			d.Last = d.Last.Add(-time.Nanosecond)
		}
		from := d.Last.Add(time.Nanosecond)
		request.Seq, request.StartTime = 0, &from
	}
	msg, err := s.get(ctx, s.cfg.eventsStream(), request)
	if err != nil {
		return err
	}
	next := info.State.LastSeq + 1
	if msg != nil {
		next = min(next, msg.Sequence)
	}
	s.cfg.Logger.Error("the NATS server has lost events that it had acknowledged, of this webhook or others; what is left is delivered",
		"webhook", stream, "last", info.State.LastSeq, "known", known)
	d.Next, d.Frozen = store.Position{Seq: next}, nil
	return nil
}
