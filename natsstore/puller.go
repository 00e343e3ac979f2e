package natsstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// token is one that the consumer has handed out.
type token struct {
	msg       jetstream.Msg
	stream    string
	seq       uint64
	delivered uint64    // how often it was handed out
	at        time.Time // when it came
}

// puller fetches tokens for those who wait for one, never more than there are.
type puller struct {
	s        *natsStore
	messages jetstream.MessagesContext

	mu      sync.Mutex
	waiting []chan *token
	some    chan struct{} // has an element when somebody has begun to wait
}

func newPuller(s *natsStore, messages jetstream.MessagesContext) *puller {
	return &puller{s: s, messages: messages, some: make(chan struct{}, 1)}
}

// pull begins to fetch, one token at a time.
func (s *natsStore) pull() (jetstream.MessagesContext, error) {
	return s.consumer.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(pullHeartbeat))
}

// heardAgain is how long the consumer's leader may take to answer until it is asked
// again, at first.
const heardAgain = 100 * time.Millisecond

// heard waits until the leader of the consumer hears requests, but not for ever. Just
// after a cluster has made the consumer, one of its servers may not know where the
// leader is: a request for tokens would be lost without a word, and made again only
// when its heartbeats have been missing for seconds. It asks for what no leader
// grants, for a token that came too late would wait for a lease.
func (s *natsStore) heard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timeout())
	defer cancel()
	subject := s.apiPrefix + "CONSUMER.MSG.NEXT." + s.cfg.tokensStream() + "." + consumerName
	for wait := heardAgain; ctx.Err() == nil; wait *= 2 {
		once, end := context.WithTimeout(ctx, wait)
		_, err := s.conn.RequestWithContext(once, subject, []byte("{"))
		if err == nil {
			end()
			return
		}
		<-once.Done()
		end()
	}
}

// run fetches until the store is closed. A token that nobody waits for any more
// goes back.
func (p *puller) run() {
	defer p.rest()
	for {
		if !p.wanted() {
			select {
			case <-p.some:
				continue
			case <-p.s.closing.Done():
				return
			}
		}
		msg, err := p.fetch()
		if err != nil {
			if p.s.closing.Err() != nil {
				return
			}
			p.s.cfg.Logger.Warn("no work can be fetched from NATS; it is tried again", "error", err)
			p.restart()
			continue
		}
		p.hand(msg)
	}
}

// secondLook is after how long fetch makes sure that a token was asked for.
const secondLook = 50 * time.Millisecond

// fetch waits for a token. Next asks for one unless the request before is still
// being sent, also if that one is answered already; then nobody has asked, and it would
// wait for a heartbeat that is missing, which is half a minute. The second call asks.
func (p *puller) fetch() (jetstream.Msg, error) {
	ctx, cancel := context.WithTimeout(p.s.closing, secondLook)
	defer cancel()
	msg, err := p.messages.Next(jetstream.NextContext(ctx))
	if err != nil && ctx.Err() != nil && p.s.closing.Err() == nil {
		return p.messages.Next(jetstream.NextContext(p.s.closing))
	}
	return msg, err
}

func (p *puller) wanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting) > 0
}

// hand gives the token to who has waited longest.
func (p *puller) hand(msg jetstream.Msg) {
	t, err := p.s.tokenOf(msg)
	if err != nil {
		p.s.cfg.Logger.Error("a message among the tokens is none; it is removed", "subject", msg.Subject(), "error", err)
		_ = msg.Term()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 || p.s.closing.Err() != nil {
		p.s.requeue(t.stream, t.seq)
		return
	}
	p.waiting[0] <- t
	p.waiting = p.waiting[1:]
}

// rest gives back what the server has sent in vain.
func (p *puller) rest() {
	if !p.s.conn.IsConnected() {
		p.messages.Stop() // to drain would wait for an answer
		return
	}
	p.messages.Drain()
	for {
		msg, err := p.messages.Next(jetstream.NextMaxWait(closeTimeout))
		if err != nil {
			return
		}
		p.hand(msg)
	}
}

// restart begins to fetch anew, when that works.
func (p *puller) restart() {
	for {
		_ = store.SystemClock{}.Sleep(p.s.closing, time.Second)
		if p.s.closing.Err() != nil {
			return
		}
		p.messages.Stop()
		p.s.heard(p.s.closing)
		messages, err := p.s.pull()
		if err == nil {
			p.messages = messages
			return
		}
	}
}

// next waits for a token.
func (p *puller) next(ctx context.Context) (*token, error) {
	got := make(chan *token, 1)
	p.mu.Lock()
	p.waiting = append(p.waiting, got)
	p.mu.Unlock()
	select {
	case p.some <- struct{}{}:
	default:
	}
	select {
	case t := <-got:
		return t, nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	p.waiting = slices.DeleteFunc(p.waiting, func(w chan *token) bool { return w == got })
	p.mu.Unlock()
	select {
	case t := <-got:
		p.s.requeue(t.stream, t.seq)
	default:
	}
	return nil, context.Cause(ctx)
}

// tokenOf returns what a message of the consumer says.
func (s *natsStore) tokenOf(msg jetstream.Msg) (*token, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	prefix := s.cfg.tokensPrefix()
	if len(msg.Subject()) <= len(prefix) {
		return nil, errors.New("its subject names no stream")
	}
	stream, ok := unescape(msg.Subject()[len(prefix):])
	if !ok {
		return nil, errors.New("its subject names no stream")
	}
	return &token{msg: msg, stream: stream, seq: meta.Sequence.Stream, delivered: meta.NumDelivered, at: time.Now()}, nil
}

// Claim implements store.Store.
func (s *natsStore) Claim(ctx context.Context) (c store.Claim, err error) {
	err = s.do(ctx, func(ctx context.Context) error {
		for {
			t, err := s.puller.next(ctx)
			if err != nil {
				return err
			}
			taken, err := s.take(ctx, t)
			if err != nil {
				// For another try. A stream whose document cannot be read must not
				// come first each time.
				if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
					_ = t.msg.Nak()
				} else {
					_ = t.msg.NakWithDelay(s.cfg.Lease)
				}
				return err
			}
			if taken != nil {
				c = taken
				return nil
			}
		}
	})
	return c, err
}

// take makes a claim of a token. It returns nil if the token is no reason for one.
func (s *natsStore) take(ctx context.Context, t *token) (*claim, error) {
	c := &claim{
		s: s, stream: t.stream, id: newID(), token: t, slot: make(chan struct{}, 1), returned: map[string]bool{},
		told: t.at, until: t.at.Add(s.cfg.Lease),
	}
	fenced, err := c.fence(ctx)
	if err != nil || !fenced {
		return nil, err
	}
	s.mu.Lock()
	if s.closing.Err() != nil {
		s.mu.Unlock()
		s.requeue(t.stream, t.seq)
		return nil, store.ErrClosed
	}
	s.held[c.stream] = c
	s.mu.Unlock()
	if !c.doc.work() {
		err = c.look(ctx, s, c.stream, c.doc.end(), store.Limits{Events: 1, Bytes: 1})
	}
	if err == nil && (c.doc.work() || c.some()) {
		return c, nil
	}
	c.end()
	s.unhold(c)
	if err == nil {
		err = s.drop(ctx, c.stream, t.seq)
	}
	return nil, err
}

// fence makes the document the claim's own, so that the one before can change
// nothing any more.
func (c *claim) fence(ctx context.Context) (bool, error) {
	for {
		d, rev, err := c.s.load(ctx, c.stream)
		if err != nil {
			return false, err
		}
		if rev == 0 { // of a stream that was deleted there should be no new document
			if unsent, err := c.s.unsent(ctx, c.stream); err != nil || !unsent {
				if err == nil && c.alive() {
					err = c.s.drop(ctx, c.stream, c.token.seq)
				}
				return false, err
			}
		}
		switch {
		case !c.alive():
			return false, nil // it took too long, the token is handed out again
		case d.Token > c.token.seq:
			// There is a later token; unless the servers have lost the last ones,
			// with their power, and count from before them.
			last, err := c.s.last(ctx, c.s.cfg.tokensStream(), c.s.cfg.tokensPrefix()+escape(c.stream))
			if err != nil || last != c.token.seq {
				return false, err
			}
		case d.held(c.token.seq) && c.token.delivered == 1:
			return false, nil
		case d.held(c.token.seq), d.waits(c.token.seq, c.s.cfg.Lease/2):
			// The holder has let its lease end, and may still think that the token
			// is its own, or be about to let it wait. With a new one it can do no harm.
			err := c.s.replace(ctx, c.stream, c.token.seq)
			if errors.Is(err, store.ErrClaimLost) {
				err = nil
			}
			return false, err
		}
		if _, err := c.s.rewind(ctx, c.stream, &d); err != nil {
			return false, err
		}
		d.Claim, d.Token, d.Until = c.id, c.token.seq, time.Time{}
		now, err := c.s.put(ctx, c.stream, d.encode(), rev)
		if errors.Is(err, store.ErrConflict) {
			// Another was faster, or the write was made although it seemed to
			// have failed.
			written, rev, err := c.s.load(ctx, c.stream)
			if err != nil {
				return false, err
			}
			if written.Claim != c.id {
				continue
			}
			now = rev
		} else if err != nil {
			return false, err
		}
		c.doc, c.rev, c.born = d, now, now
		return true, nil
	}
}
