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
// dedup id the block is published again, until ctx ends or as long as the stream
// knows the id; without one the call fails.
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
	if err := s.fits("the block's bytes", encodedSize(block, size)); err != nil {
		return 0, err
	}
	if s.closing.Err() != nil {
		return 0, store.ErrClosed
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	key := escape(stream)
	msg := &nats.Msg{Subject: s.cfg.eventsPrefix() + key, Data: encodeBlock(block, size)}
	if dedupID != "" {
		msg.Header = nats.Header{jetstream.MsgIDHeader: {key + "." + escape(dedupID)}}
	}
	if seq, err = s.publish(ctx, msg); err != nil {
		return 0, err
	}
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

// fits returns a *store.SizeError if the servers' max_payload has no room for
// so many bytes of the field.
func (s *natsStore) fits(field string, size int) error {
	room := int(s.conn.MaxPayload()) - headerRoom
	if room <= 0 || size <= room { // it knows no limit before it was connected
		return nil
	}
	return &store.SizeError{Field: field + ", with what NATS is to know of them", Size: size, Max: room}
}

// publish publishes a block until it is stored.
func (s *natsStore) publish(ctx context.Context, msg *nats.Msg) (uint64, error) {
	dedup, open := msg.Header != nil, false // open: a try may have stored it
	var known time.Time                     // until when the stream knows that it did
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		ack, began, sent, err := s.once(ctx, msg, known)
		if !open && sent && (err == nil || transient(err) || apiCode(err) == 0) { // else it was refused
			open, known = true, began.Add(s.cfg.DedupWindow-s.cfg.timeout())
		}
		switch {
		case err == nil && !ack.Duplicate:
			return ack.Sequence, nil
		case err == nil:
			there, err := s.there(ctx, msg.Subject, ack.Sequence)
			if err != nil && ctx.Err() == nil && s.closing.Err() == nil {
				// Not wrapped: store.ErrUnavailable tells that the block is not kept.
				return 0, fmt.Errorf("%w: %s", errInDoubt, err.Error())
			}
			if err != nil || there {
				return ack.Sequence, err
			}
			// The stream was deleted since: its ids are forgotten.
			id := msg.Header.Get(jetstream.MsgIDHeader)
			msg.Header.Set(jetstream.MsgIDHeader, id+"+"+strconv.FormatUint(ack.Sequence, 10))
			open, known = false, time.Time{}
			continue
		case ctx.Err() != nil || s.closing.Err() != nil:
			return 0, err
		case !dedup || !open || !transient(err) || time.Now().Add(wait).After(known):
			return 0, refused(err, open)
		}
		if err := s.sleep(ctx, wait); err != nil {
			return 0, err
		}
	}
}

// once publishes a block, when there is a place in the window before the time, which
// may be zero, and waits for the answer. It tells when it began, and whether an error
// leaves open if the block is stored.
func (s *natsStore) once(ctx context.Context, msg *nats.Msg, before time.Time) (ack *jetstream.PubAck, began time.Time, sent bool, err error) {
	var late <-chan time.Time
	if !before.IsZero() {
		timer := time.NewTimer(time.Until(before))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case s.window <- struct{}{}:
	case <-late:
		return nil, began, false, nats.ErrTimeout
	case <-ctx.Done():
		return nil, began, false, context.Cause(ctx)
	case <-s.closing.Done():
		return nil, began, false, store.ErrClosed
	}
	began = time.Now()
	select {
	case a := <-s.publisher.publish(msg):
		return a.ack, began, a.sent, a.err
	case <-ctx.Done():
		return nil, began, true, context.Cause(ctx)
	case <-s.closing.Done():
		return nil, began, true, store.ErrClosed
	}
}

// there tells whether the subject still has the message.
func (s *natsStore) there(ctx context.Context, subject string, seq uint64) (there bool, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		msg, err := s.get(ctx, s.cfg.eventsStream(), getRequest{Seq: seq, Next: subject})
		there = msg != nil && msg.Sequence == seq
		return err
	})
	return there, err
}

// sleep waits until the time, ctx or the store ends.
func (s *natsStore) sleep(ctx context.Context, d time.Duration) error {
	return s.do(ctx, func(ctx context.Context) error { return store.SystemClock{}.Sleep(ctx, d) })
}

var errInDoubt = errors.New("natsstore: there is no answer, the block may be kept or not")

// refused returns the error of Append for one of NATS; open tells that the block
// may be stored all the same.
func refused(err error, open bool) error {
	switch {
	case errors.Is(err, nats.ErrConnectionClosed):
		return store.ErrClosed
	case open:
		return fmt.Errorf("%w: %w", errInDoubt, err)
	case transient(err):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	switch apiCode(err) {
	case errAccountFull, errInsufficient, errNoStorage, errStoreFailed:
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	default:
		return fmt.Errorf("natsstore: %w", err)
	}
}
