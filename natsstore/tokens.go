package natsstore

import (
	"context"
	"errors"
	"sync"
	"time"

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
		return err
	}
	unsent, err := s.unsent(ctx, stream)
	if err != nil {
		s.ringer.ring(stream) // nobody knows
		return err
	}
	if unsent {
		s.ringer.ring(stream)
	}
	return nil
}

// unsent tells whether a stream has work.
func (s *natsStore) unsent(ctx context.Context, stream string) (bool, error) {
	d, _, err := s.load(ctx, stream)
	if err != nil || d.work() {
		return err == nil, err
	}
	subject := s.cfg.eventsPrefix() + escape(stream)
	msg, err := s.get(ctx, s.cfg.eventsStream(), getRequest{Seq: max(d.end().Seq, 1), Next: subject})
	if err != nil || msg == nil {
		return false, err
	}
	if msg.Sequence > d.end().Seq {
		return true, nil
	}
	items := appendItems(nil, msg)
	return items[len(items)-1].Position.Compare(d.end()) >= 0, nil
}

// ringer publishes tokens for streams that have got events: one for each
// stream, however many events came meanwhile. That there is one already is what
// the server answers.
type ringer struct {
	s  *natsStore
	js jetstream.JetStream

	mu      sync.Mutex
	changed sync.Cond
	queue   []string            // in the order in which they came
	queued  map[string]struct{} // those in the queue
	flying  map[string]struct{} // published, not answered
	again   map[string]struct{} // that failed, or that came while they were flying
	stopped bool
}

// ringInterval is after how long a token that could not be published is tried
// again.
const ringInterval = 200 * time.Millisecond

func newRinger(s *natsStore) (*ringer, error) {
	r := &ringer{
		s: s, queued: map[string]struct{}{}, flying: map[string]struct{}{}, again: map[string]struct{}{},
	}
	r.changed.L = &r.mu
	var err error
	r.js, err = s.jetStream(
		jetstream.WithPublishAsyncMaxPending(4*s.cfg.Window),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, msg *nats.Msg, _ *jetstream.PubAck) {
			r.answered(msg, nil)
		}),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, msg *nats.Msg, err error) {
			r.answered(msg, err)
		}),
	)
	return r, err
}

// ring publishes a token for the stream soon.
func (r *ringer) ring(stream string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	if _, ok := r.flying[stream]; ok {
		r.again[stream] = struct{}{}
		return
	}
	r.push(stream)
}

// push adds to the queue.
func (r *ringer) push(stream string) {
	if _, ok := r.queued[stream]; !ok {
		r.queued[stream] = struct{}{}
		r.queue = append(r.queue, stream)
		r.changed.Broadcast()
	}
}

// run publishes until stop is called.
func (r *ringer) run() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for len(r.queue) == 0 && !r.stopped || len(r.flying) >= 2*r.s.cfg.Window {
			r.changed.Wait()
		}
		if r.stopped {
			return
		}
		stream := r.queue[0]
		r.queue = r.queue[1:]
		delete(r.queued, stream)
		r.flying[stream] = struct{}{}
		r.mu.Unlock()
		msg := nats.NewMsg(r.s.cfg.tokensPrefix() + escape(stream))
		msg.Header.Set(streamHeader, escape(stream))
		_, err := r.js.PublishMsgAsync(msg, jetstream.WithExpectLastSequencePerSubject(0))
		if err != nil {
			r.answered(msg, err)
		}
		r.mu.Lock()
	}
}

// streamHeader is the header of a token that names its stream, escaped.
const streamHeader = "Auditlog-Stream"

// answered is called with the server's answer.
func (r *ringer) answered(msg *nats.Msg, err error) {
	stream, _ := unescape(msg.Header.Get(streamHeader))
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flying, stream)
	defer r.changed.Broadcast()
	if err != nil && !superseded(err) {
		if !transient(err) {
			r.s.cfg.Logger.Error("the token of a webhook could not be published; it is tried again", "webhook", stream, "error", err)
		}
		r.again[stream] = struct{}{}
		r.s.running.Go(r.later)
		return
	}
	if _, ok := r.again[stream]; ok {
		delete(r.again, stream)
		r.push(stream)
	}
}

// later queues after a while what has failed.
func (r *ringer) later() {
	_ = store.SystemClock{}.Sleep(r.s.closing, ringInterval)
	r.mu.Lock()
	defer r.mu.Unlock()
	for stream := range r.again {
		if _, ok := r.flying[stream]; !ok {
			delete(r.again, stream)
			r.push(stream)
		}
	}
}

// flush waits until all is published.
func (r *ringer) flush(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue)+len(r.flying)+len(r.again) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.changed.Wait()
	}
	return nil
}

// stop ends run.
func (r *ringer) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.changed.Broadcast()
}
