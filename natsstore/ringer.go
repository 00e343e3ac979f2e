package natsstore

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// ringInterval is how often a stream gets a token at most. Of one that gets
	// events all the time, later ones wait so long for theirs, unless they find
	// the one before still there, as they do while their batch fills.
	ringInterval = 200 * time.Millisecond

	// streamHeader is the header of a token that names its stream, escaped.
	streamHeader = "Auditlog-Stream"
)

// ringer publishes tokens for streams that have got events, without knowing
// whether there is one already: that is what the server answers. However many
// events come at a time, one token is enough.
type ringer struct {
	s  *natsStore
	js jetstream.JetStream

	mu      sync.Mutex
	changed sync.Cond
	streams map[string]ring // what is not idle
	queue   []string        // to be published, in the order in which they came
	flying  int             // published, not answered
	cooling []cooling       // in the order in which they were published
	stopped bool
	halt    chan struct{} // closed when it is
}

// ring is what is known of a stream.
type ring struct {
	queued  bool
	flying  *nats.Msg // the token that is published, not answered
	again   bool      // it was rung since it was published, or that failed
	failed  bool      // the last time it was published
	cooling bool
}

// cooling is a stream that was published lately.
type cooling struct {
	stream string
	until  time.Time
}

func newRinger(s *natsStore) (*ringer, error) {
	r := &ringer{s: s, streams: map[string]ring{}, halt: make(chan struct{})}
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
	k := r.streams[stream]
	switch {
	case r.stopped || k.queued:
		return
	case k.flying != nil || k.cooling:
		k.again = true
		r.streams[stream] = k
	default:
		r.push(stream, k)
	}
}

// push adds to the queue.
func (r *ringer) push(stream string, k ring) {
	k.queued, k.again = true, false
	r.streams[stream] = k
	r.queue = append(r.queue, stream)
	r.changed.Broadcast()
}

// run publishes until stop is called.
func (r *ringer) run() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for len(r.queue) == 0 && !r.stopped || r.flying >= 2*r.s.cfg.Window {
			r.changed.Wait()
		}
		if r.stopped {
			return
		}
		stream := r.queue[0]
		r.queue = r.queue[1:]
		key := escape(stream)
		msg := &nats.Msg{Subject: r.s.cfg.tokensPrefix() + key, Header: nats.Header{
			streamHeader: {key}, jetstream.ExpectedLastSubjSeqHeader: {"0"},
		}}
		k := r.streams[stream]
		k.queued, k.flying = false, msg
		r.streams[stream] = k
		r.flying++
		r.mu.Unlock()
		_, err := r.js.PublishMsgAsync(msg)
		if err != nil {
			r.answered(msg, err)
		}
		r.mu.Lock()
	}
}

// answered is called with the server's answer. When the connection is lost while a
// token is published, the library may tell it twice.
func (r *ringer) answered(msg *nats.Msg, err error) {
	stream, _ := unescape(msg.Header.Get(streamHeader))
	failed := err != nil && !superseded(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.streams[stream]
	if k.flying != msg {
		return
	}
	if failed && !transient(err) && !r.stopped {
		r.s.cfg.Logger.Error("the token of a webhook could not be published; it is tried again", "webhook", stream, "error", err)
	}
	if !k.cooling { // else it was flushed meanwhile
		r.cooling = append(r.cooling, cooling{stream, time.Now().Add(ringInterval)})
		if len(r.cooling) == 1 && !r.stopped {
			r.s.running.Go(r.cool)
		}
	}
	k.flying, k.cooling, k.failed, k.again = nil, true, failed, k.again || failed
	r.streams[stream] = k
	r.flying--
	r.changed.Broadcast()
}

// cool publishes again what was rung while it was cooling, until nothing is.
func (r *ringer) cool() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.cooling) > 0 && !r.stopped {
		if wait := time.Until(r.cooling[0].until); wait > 0 {
			r.mu.Unlock()
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-r.halt:
				timer.Stop()
			}
			r.mu.Lock()
			continue
		}
		r.cooled()
	}
}

// cooled takes the first of those that are cooling.
func (r *ringer) cooled() {
	stream := r.cooling[0].stream
	r.cooling = r.cooling[1:]
	k := r.streams[stream]
	k.cooling = false
	switch {
	case k.queued || k.flying != nil: // it cools again when that is answered
		r.streams[stream] = k
	case k.again:
		r.push(stream, k)
	default:
		delete(r.streams, stream)
	}
	r.changed.Broadcast()
}

// flush waits until a token was published for all that was rung: all means until
// that has succeeded, otherwise until it was tried.
func (r *ringer) flush(ctx context.Context, all bool) error {
	stop := context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.changed.Broadcast()
	})
	defer stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		waiting := len(r.queue) + r.flying
		for _, c := range r.cooling {
			k := r.streams[c.stream]
			switch {
			case !k.again || k.queued || k.flying != nil:
			case !k.failed:
				r.push(c.stream, k)
				waiting++
			case all: // it is tried again when it has cooled
				waiting++
			}
		}
		if waiting == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.changed.Wait()
	}
}

// stop ends run.
func (r *ringer) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	close(r.halt)
	r.changed.Broadcast()
}
