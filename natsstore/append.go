package natsstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Append implements store.Store. The block is accepted when the stream of events
// has acknowledged it; the token that makes somebody deliver it follows.
//
// Where the servers cannot be reached the error wraps store.ErrUnavailable.
// When an answer does not come, nobody knows whether the block is kept: with a
// dedup id the block is published again until ctx ends, without one the call fails.
func (s *natsStore) Append(ctx context.Context, stream, dedupID string, block store.Block) (seq uint64, err error) {
	if err := store.CheckName("stream", stream); err != nil {
		return 0, err
	}
	if err := store.CheckPrefix("dedup id", dedupID); err != nil {
		return 0, err
	}
	size, err := store.CheckBlock(block)
	if err != nil {
		return 0, err
	}
	if room := s.conn.MaxPayload() - headerRoom; room > 0 && int64(encodedSize(block, size)) > room {
		return 0, &store.SizeError{Field: "the block's bytes, as NATS counts them", Size: encodedSize(block, size), Min: 1, Max: int(room)}
	}
	err = s.do(ctx, func(ctx context.Context) error {
		select {
		case s.window <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		key := escape(stream)
		msg := &nats.Msg{Subject: s.cfg.eventsPrefix() + key, Data: encodeBlock(block, size)}
		if dedupID != "" {
			msg.Header = nats.Header{jetstream.MsgIDHeader: {key + "." + escape(dedupID)}}
		}
		seq, err = s.publish(ctx, msg)
		return err
	})
	if err != nil {
		return 0, err
	}
	s.total.changed()
	if beforeToken := s.beforeToken; beforeToken != nil {
		beforeToken()
	}
	if !s.holds(stream) { // else its release looks for more
		s.ringer.ring(stream)
	}
	return seq, nil
}

// headerRoom is what the headers of a message may need of max_payload.
const headerRoom = 2 << 10

// publish publishes a block until it is stored. It has a place in the window,
// which it gives back.
func (s *natsStore) publish(ctx context.Context, msg *nats.Msg) (uint64, error) {
	dedup := msg.Header != nil
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		ack, sent, err := s.once(ctx, msg)
		switch code := apiCode(err); {
		case err == nil && ack.Duplicate:
			// The stream may have been deleted since.
			first, err := s.get(ctx, s.cfg.eventsStream(), getRequest{Seq: ack.Sequence, Next: msg.Subject})
			if err != nil {
				<-s.window
				return 0, err
			}
			if first != nil && first.Sequence == ack.Sequence {
				<-s.window
				return ack.Sequence, nil
			}
			id := msg.Header.Get(jetstream.MsgIDHeader)
			msg.Header.Set(jetstream.MsgIDHeader, id+"+"+strconv.FormatUint(ack.Sequence, 10))
			continue
		case err == nil:
			<-s.window
			return ack.Sequence, nil
		case ctx.Err() != nil:
			return 0, context.Cause(ctx) // once gives the place back when the answer comes
		case code == errStoreFailed || code == errInsufficient || code == errNoStorage:
			<-s.window
			return 0, fmt.Errorf("%w: %w", store.ErrFull, err)
		case code == errTooLarge:
			<-s.window
			return 0, &store.SizeError{Field: "the block's bytes, as NATS counts them", Size: len(msg.Data), Min: 1, Max: len(msg.Data) - 1}
		case !transient(err):
			<-s.window
			return 0, fmt.Errorf("natsstore: %w", err)
		case !sent:
			<-s.window
			return 0, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		case !dedup:
			<-s.window
			return 0, fmt.Errorf("natsstore: there is no answer, the block may be kept or not: %w", err)
		}
		if err := (store.SystemClock{}).Sleep(ctx, wait); err != nil {
			<-s.window
			return 0, err
		}
	}
}

// once publishes a block and waits for the answer, and tells whether an error
// leaves open if it is stored. When ctx ends first, the place in the window stays
// taken until there is an answer.
func (s *natsStore) once(ctx context.Context, msg *nats.Msg) (ack *jetstream.PubAck, sent bool, err error) {
	again := *msg // the library writes a reply subject into it
	future, err := s.js.PublishMsgAsync(&again)
	if err != nil {
		if ctx.Err() != nil {
			<-s.window
		}
		return nil, false, err
	}
	select {
	case ack := <-future.Ok():
		return ack, true, nil
	case err := <-future.Err():
		return nil, !errors.Is(err, jetstream.ErrNoStreamResponse), err
	case <-ctx.Done():
		s.running.Go(func() {
			select {
			case <-future.Ok():
			case err = <-future.Err(): // nobody is interested any more
			}
			<-s.window
		})
		return nil, true, context.Cause(ctx)
	}
}
