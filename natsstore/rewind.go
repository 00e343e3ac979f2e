package natsstore

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// known is how far the stream of events has come, at least.
type known struct {
	replicas   int
	last       atomic.Uint64 // sequence
	connection atomic.Uint64 // how often it had been made anew by then
}

// saw tells that the stream has come to the sequence.
func (k *known) saw(seq uint64) {
	for last := k.last.Load(); last < seq; last = k.last.Load() {
		if k.last.CompareAndSwap(last, seq) {
			return
		}
	}
}

// over forgets what was known over another connection than the present one: the
// server may have been restarted since.
func (k *known) over(conn *nats.Conn) {
	if reconnects := conn.Stats().Reconnects; k.connection.Swap(reconnects) != reconnects {
		k.last.Store(0)
	}
}

// rewind moves a document back to where the stream of events is, if it is
// beyond its end: a single server that lost its power has lost the last events,
// gives their sequences to others, and those must not be passed over. What the
// server still has is sent again from the last event on that was acknowledged.
func (s *natsStore) rewind(ctx context.Context, stream string, d *document) error {
	end := d.end().Seq
	if s.known.replicas > 1 {
		return nil
	}
	s.known.over(s.conn)
	if end <= s.known.last.Load()+1 {
		return nil
	}
	info, err := s.eventsInfo(ctx)
	if err != nil {
		return err
	}
	s.known.saw(info.State.LastSeq)
	if end <= info.State.LastSeq+1 {
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
