package natsstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// headers reads the headers of the stream of events: which streams have some.
type headers struct {
	s       *natsStore
	next    getRequest          // where to read on
	to      uint64              // the last sequence
	streams map[string]struct{} // that were seen
}

// recent returns the streams with events since the time, up to the sequence. It
// calls busy often.
func (s *natsStore) recent(ctx context.Context, since time.Time, to uint64, busy func() error) (map[string]struct{}, error) {
	h := headers{s: s, to: to, streams: map[string]struct{}{}}
	h.next.Next = s.cfg.eventsPrefix() + "*"
	if since.IsZero() {
		h.next.Seq = 1
	} else {
		h.next.StartTime = &since
	}
	for {
		before := h.next
		done, err := h.read(ctx, busy)
		if err != nil {
			return nil, err
		}
		if done {
			break
		}
		if h.next == before {
			return nil, fmt.Errorf("%w: nothing comes of the stream of events", store.ErrUnavailable)
		}
	}
	// The consumer may live on a server that does not have the last ones yet.
	msg, err := s.get(ctx, s.cfg.eventsStream(), h.next)
	if err == nil && msg != nil && msg.Sequence <= to {
		err = fmt.Errorf("%w: a follower lacks events from sequence %d on", store.ErrUnavailable, msg.Sequence)
	}
	return h.streams, err
}

// read reads on by a consumer of its own, and tells whether that was all. It is not
// where messages were lost on their way, with the connection: the server counts
// them as delivered.
func (h *headers) read(ctx context.Context, busy func() error) (done bool, err error) {
	cfg := jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, HeadersOnly: true, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: time.Minute,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy, OptStartSeq: h.next.Seq,
	}
	if h.next.StartTime != nil {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, h.next.StartTime
	}
	var consumer jetstream.Consumer
	if err := h.s.retry(ctx, func(ctx context.Context) (err error) {
		consumer, err = h.s.events.CreateConsumer(ctx, cfg)
		return err
	}); err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.s.cfg.timeout())
		defer cancel()
		_ = h.s.events.DeleteConsumer(ctx, consumer.CachedInfo().Name) // otherwise it goes by itself
	}()
	left, last := consumer.CachedInfo().NumPending, uint64(0)
	for left > 0 {
		if err := busy(); err != nil {
			return false, err
		}
		before := last
		if left, last, err = h.fetch(ctx, consumer, left, last); err != nil {
			if ctx.Err() == nil && transient(err) {
				return false, nil
			}
			return false, ended(ctx, err)
		}
		if left > 0 && last == before {
			return false, nil
		}
	}
	return true, nil
}

// errHole tells that messages were lost on their way.
var errHole = fmt.Errorf("messages are missing: %w", nats.ErrTimeout)

// fetch reads some of the messages that are left behind the consumer's last one, and
// returns how many then are left, and the new last one.
func (h *headers) fetch(ctx context.Context, consumer jetstream.Consumer, left, last uint64) (uint64, uint64, error) {
	if !h.s.conn.IsConnected() { // the library leaves a subscription behind when it cannot publish
		return left, last, nats.ErrDisconnected
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	batch, err := consumer.Fetch(int(min(left, 1000)), jetstream.FetchContext(ctx))
	if err != nil {
		return left, last, err
	}
	for msg := range batch.Messages() {
		meta, err := msg.Metadata()
		if err != nil {
			return left, last, err
		}
		if meta.Sequence.Consumer != last+1 {
			return left, last, errHole
		}
		if meta.Sequence.Stream > h.to {
			return 0, last, nil
		}
		left, last = meta.NumPending, meta.Sequence.Consumer
		h.next.Seq, h.next.StartTime = meta.Sequence.Stream+1, nil
		if stream, ok := unescape(strings.TrimPrefix(msg.Subject(), h.s.cfg.eventsPrefix())); ok {
			h.streams[stream] = struct{}{}
		}
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return left, last, err
	}
	return left, last, nil
}
