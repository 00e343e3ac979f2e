package natsstore

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// replace publishes a new token in place of the one with the sequence, at the
// end of the queue. It returns store.ErrClaimLost if there is another already.
func (s *natsStore) replace(ctx context.Context, stream string, seq uint64) error {
	err := s.publishToken(ctx, stream, seq)
	if superseded(err) {
		s.ringer.ring(stream) // in case there is none at all
		return store.ErrClaimLost
	}
	return err
}

// publishToken publishes a token if the last one of the stream still has the
// sequence; 0 is none.
func (s *natsStore) publishToken(ctx context.Context, stream string, seq uint64) error {
	subject := s.cfg.tokensPrefix() + escape(stream)
	return s.retry(ctx, func(ctx context.Context) error {
		_, err := s.js.Publish(ctx, subject, nil, jetstream.WithExpectLastSequencePerSubject(seq))
		return err
	})
}

// requeue is replace for what may as well fail: the token is handed out again
// when its lease ends.
func (s *natsStore) requeue(stream string, seq uint64) {
	msg := nats.NewMsg(s.cfg.tokensPrefix() + escape(stream))
	_, _ = s.js.PublishMsgAsync(msg, jetstream.WithExpectLastSequencePerSubject(seq))
}

// drop removes the token of a stream without work, and looks once more: an
// event that came before the token went has none of its own. Whoever calls it
// must have written the stream's document since it got the token: then the
// token is never handed out under the same sequence again, however late
// it is removed.
func (s *natsStore) drop(ctx context.Context, stream string, seq uint64) error {
	err := s.retry(ctx, func(ctx context.Context) error { return s.tokens.DeleteMsg(ctx, seq) })
	if err != nil && apiCode(err) != errMessageDelete && !errors.Is(err, jetstream.ErrMsgNotFound) && !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		s.ringer.ring(stream) // nobody knows
		return err
	}
	unsent, err := s.unsent(ctx, stream)
	if err != nil || unsent {
		s.ringer.ring(stream)
	}
	return err
}

// unsent tells whether a stream has work.
func (s *natsStore) unsent(ctx context.Context, stream string) (bool, error) {
	d, _, err := s.load(ctx, stream)
	if err != nil || d.work() {
		return err == nil, err
	}
	if _, err := s.rewind(ctx, stream, &d); err != nil {
		return false, err
	}
	return s.beyond(ctx, stream, d.end())
}

// beyond tells whether a stream has events from the position on.
func (s *natsStore) beyond(ctx context.Context, stream string, end store.Position) (bool, error) {
	subject := s.cfg.eventsPrefix() + escape(stream)
	msg, err := s.get(ctx, s.cfg.eventsStream(), getRequest{Seq: max(end.Seq, 1), Next: subject})
	if err != nil || msg == nil {
		return false, err
	}
	if msg.Sequence > end.Seq {
		return true, nil
	}
	items := appendItems(nil, msg)
	return items[len(items)-1].Position.Compare(end) >= 0, nil
}
