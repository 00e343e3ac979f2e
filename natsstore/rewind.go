package natsstore

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// known is how far the stream of events has come, at least.
type known struct {
	replicas int

	mu         sync.Mutex
	last       uint64 // sequence
	connection uint64 // how often it was made anew before
}

// saw tells that the stream has come to the sequence, and returns how far it
// has come. Over another connection nothing is known: the server may have been
// restarted.
func (k *known) saw(conn *nats.Conn, seq uint64) uint64 {
	reconnects := conn.Stats().Reconnects
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.connection != reconnects {
		k.connection, k.last = reconnects, 0
	}
	k.last = max(k.last, seq)
	return k.last
}

// rewind moves a document back to where the stream of events is, if it is
// beyond its end: a single server that lost its power has lost the last events,
// gives their sequences to others, and those must not be passed over. What the
// server still has is sent again from the last event on that was acknowledged.
func (s *natsStore) rewind(ctx context.Context, stream string, d *document) error {
	end := d.end().Seq
	if s.known.replicas > 1 || end <= s.known.saw(s.conn, 0)+1 {
		return nil
	}
	info, err := s.eventsInfo(ctx)
	if err != nil {
		return err
	}
	if end <= s.known.saw(s.conn, info.State.LastSeq)+1 {
		return nil
	}
	from := d.Last
	if d.Next.Index == 0 {
		from = from.Add(time.Nanosecond)
	}
	request := getRequest{StartTime: &from, Next: s.cfg.eventsPrefix() + escape(stream)}
	if d.Last.IsZero() {
		request.StartTime, request.Seq = nil, 1
	}
	next := info.State.LastSeq + 1
	msg, err := s.get(ctx, s.cfg.eventsStream(), request)
	if err != nil {
		return err
	}
	if msg != nil {
		next = min(next, msg.Sequence)
	}
	s.cfg.Logger.Error("the NATS server has lost events that it had acknowledged, of this webhook or others; what is left is delivered",
		"webhook", stream, "last", info.State.LastSeq, "known", end-1)
	d.Next, d.Frozen = store.Position{Seq: next}, nil
	return nil
}
