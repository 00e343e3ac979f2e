package natsstore

import (
	"errors"
	"runtime"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publisher publishes the blocks of all callers from one goroutine. When each
// caller did it, the library would write each block by itself.
type publisher struct {
	s  *natsStore
	js jetstream.JetStream

	mu     sync.Mutex
	queue  []*outgoing
	flying map[*nats.Msg]*outgoing
	some   chan struct{} // has an element when the queue has
}

// outgoing is a block on its way. It has a place in the window.
type outgoing struct {
	msg  nats.Msg
	done chan answer
}

// answer is the server's, or why there is none. sent tells that the block may be
// stored although there is an error.
type answer struct {
	ack  *jetstream.PubAck
	sent bool
	err  error
}

func newPublisher(s *natsStore) (*publisher, error) {
	p := &publisher{s: s, flying: map[*nats.Msg]*outgoing{}, some: make(chan struct{}, 1)}
	var err error
	p.js, err = s.jetStream(
		jetstream.WithPublishAsyncMaxPending(2*s.cfg.Window), // never reached
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, msg *nats.Msg, ack *jetstream.PubAck) {
			p.answered(msg, answer{ack: ack, sent: true})
		}),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, msg *nats.Msg, err error) {
			p.answered(msg, answer{sent: !errors.Is(err, jetstream.ErrNoStreamResponse), err: err})
		}),
	)
	return p, err
}

// publish takes a block that has a place in the window, and gives the place back
// when it is answered.
func (p *publisher) publish(msg *nats.Msg) <-chan answer {
	o := &outgoing{msg: *msg, done: make(chan answer, 1)} // the library changes the message
	p.mu.Lock()
	p.queue = append(p.queue, o)
	p.mu.Unlock()
	select {
	case p.some <- struct{}{}:
	default:
	}
	return o.done
}

// run publishes until the store is closed.
func (p *publisher) run() {
	for {
		select {
		case <-p.some:
		case <-p.s.closing.Done():
			return
		}
		runtime.Gosched() // to others that were answered just now
		p.mu.Lock()
		queue := p.queue
		p.queue = nil
		for _, o := range queue {
			p.flying[&o.msg] = o
		}
		p.mu.Unlock()
		for _, o := range queue {
			if _, err := p.js.PublishMsgAsync(&o.msg); err != nil {
				p.answered(&o.msg, answer{err: err})
			}
		}
	}
}

// answered hands over the answer.
func (p *publisher) answered(msg *nats.Msg, a answer) {
	p.mu.Lock()
	o := p.flying[msg]
	delete(p.flying, msg)
	p.mu.Unlock()
	if o != nil {
		<-p.s.window
		o.done <- a
	}
}
