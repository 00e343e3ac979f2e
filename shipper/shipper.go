package shipper

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Shipper ships audit events to webhooks. It is safe for concurrent use.
type Shipper struct {
	cfg        Config
	store      store.Store
	durable    bool
	configs    *configs
	hooks      hooks
	admission  *admission
	places     *places
	deliverers *deliverers
	totals     totals
	chores     *chores
	asking     chan struct{} // who has put something in asks a store that fails for work

	closing context.Context //nolint:containedctx // it ends when Close begins
	close   context.CancelFunc
	working context.Context //nolint:containedctx // it ends when what is under way must end
	stop    context.CancelCauseFunc
	running sync.WaitGroup

	mu     sync.Mutex
	active map[string]worker    // by stream
	held   map[string]time.Time // until when, of webhooks that this process has held

	awaiting map[string]awaiting // by webhook
}

// New returns a Shipper over the store and begins to ship what it holds. An
// error names the field of cfg that is wrong. Close it.
func New(cfg Config) (*Shipper, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	s := &Shipper{
		cfg: cfg, store: cfg.Store, durable: true,
		hooks:     probeHooks(cfg.Hooks),
		admission: newAdmission(),
		places:    newPlaces(cfg.Workers, cfg.SlowWorkers),
		chores:    newChores(),
		asking:    make(chan struct{}, 1),
		active:    map[string]worker{}, held: map[string]time.Time{}, awaiting: map[string]awaiting{},
	}
	if v, ok := cfg.Store.(store.Volatile); ok && v.Volatile() {
		s.durable = false
	}
	keys := cfg.Keys
	if len(keys) == 0 && !s.durable {
		keys = []Key{processKey()}
	}
	var seals *sealer
	if len(keys) > 0 {
		seals = newSealer(keys)
	}
	s.configs = newConfigs(cfg.Store, seals)
	s.deliverers = newDeliverers(s)
	s.closing, s.close = context.WithCancel(context.Background())
	s.working, s.stop = context.WithCancelCause(context.Background())
	s.running.Go(s.watch)
	s.running.Go(s.doChores)
	for range claimers {
		s.running.Go(s.dispatch)
	}
	s.chores.add("replays", s.resuming())
	return s, nil
}

// Close stops the Shipper: calls of Record end with ErrClosed, attempts under way have
// until ctx ends to finish, waits between attempts end at once. What is not
// delivered then stays in the store for the next start; nothing is lost. It
// returns when everything has stopped, and the cause of ctx if attempts were cut
// off. A second call does nothing more. The store is left open.
func (s *Shipper) Close(ctx context.Context) error {
	s.close()
	s.mu.Lock()
	for _, w := range s.active {
		w.finish()
	}
	s.mu.Unlock()
	cut := context.AfterFunc(ctx, func() { s.stop(ErrClosed) })
	s.running.Wait()
	var err error
	if !cut() {
		err = context.Cause(ctx)
	}
	s.stop(ErrClosed)
	s.deliverers.closeAll()
	return err
}

const (
	// retryStore is how long something waits after the store has failed.
	retryStore = time.Second

	// claimers is how many claims are asked for at a time: on a store that others
	// share each is several requests over the network.
	claimers = 8

	// recently is longer than it usually takes for a write to be done, and for a
	// watch that begins to show everything.
	recently = time.Minute
)

// watch follows the changes that other processes make, and those of this one
// that were stored although their writes returned an error. A watch that begins is
// shown all webhooks, of which only few can have been changed since the one before
// it saw everything.
func (s *Shipper) watch() {
	since := s.cfg.Clock.Now().Add(-recently)
	for s.closing.Err() == nil {
		var first, last time.Time // of what it was told
		err := s.configs.watch(s.closing, func(id string, revision uint64, d *document) {
			s.interruptOlder(id, revision, d.Change)
			last = s.cfg.Clock.Now()
			if first.IsZero() {
				first = last
			}
			// Whoever switched it on may not have woken it: its write can have returned
			// an error and be done all the same, or its process have ended in between. A
			// stream that was parked while the webhook was off would wait for ever, since
			// the same change again changes nothing. Without need it does no harm: what
			// has to wait for something else waits on.
			if d.Enabled && (d.UpdatedAt.After(since) || last.Sub(d.UpdatedAt) <= recently) {
				s.wakeLater(id)
			}
		})
		if s.ended(err) {
			return
		}
		s.cfg.Logger.Warn("the watch of the webhooks failed", "error", err)
		switch now := s.cfg.Clock.Now(); {
		case now.Before(first) || now.Before(since): // the clock was set back
			since = time.Time{}
		case !first.IsZero() && now.Sub(first) > recently: // so it was shown all
			since = last.Add(-recently)
		}
		_ = s.cfg.Clock.Sleep(s.closing, retryStore)
	}
}

// ended tells that err comes from the end of the Shipper or its store.
func (s *Shipper) ended(err error) bool {
	return s.closing.Err() != nil || errors.Is(err, store.ErrClosed)
}

// dispatch gives each stream that has work a session, as long as there are
// places.
func (s *Shipper) dispatch() {
	for {
		p, err := s.places.take(s.closing)
		if err != nil {
			return
		}
		claim, err := s.claim()
		if err != nil {
			p.leave()
			return
		}
		s.running.Go(func() { s.serve(claim, p) })
	}
}

// claim waits for a claim until the end. While the store fails, one alone asks.
func (s *Shipper) claim() (store.Claim, error) {
	claim, err := s.store.Claim(s.closing)
	if err == nil || s.ended(err) {
		return claim, err
	}
	s.cfg.Logger.Warn("the store gives out no work", "error", err)
	s.asking <- struct{}{}
	defer func() { <-s.asking }()
	for {
		_ = s.cfg.Clock.Sleep(s.closing, retryStore)
		claim, err := s.store.Claim(s.closing)
		if err == nil || s.ended(err) {
			return claim, err
		}
		s.cfg.Logger.Warn("the store gives out no work", "error", err)
	}
}

// interrupt breaks off the deliveries of a webhook that was changed.
func (s *Shipper) interrupt(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, id)
	for _, stream := range [...]string{id, replayStreams + id} {
		if w := s.active[stream]; w != nil {
			w.interrupt(errReconfigured)
		}
	}
}

// interruptOlder does so if the session has an older configuration.
func (s *Shipper) interruptOlder(id string, revision uint64, change string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, stream := range [...]string{id, replayStreams + id} {
		if w := s.active[stream]; w != nil && w.older(revision, change) {
			w.interrupt(errReconfigured)
		}
	}
}

// wake makes the webhook's streams be looked at now.
func (s *Shipper) wake(ctx context.Context, id string) error {
	return errors.Join(s.store.Wake(ctx, id), s.store.Wake(ctx, replayStreams+id))
}

// wakeLater does so without waiting for it, however long the store fails.
func (s *Shipper) wakeLater(id string) {
	s.chores.add("wake/"+id, func(ctx context.Context) bool {
		err := s.wake(ctx, id)
		if err == nil || s.ended(err) {
			return true
		}
		s.cfg.Logger.WarnContext(ctx, "a webhook that was changed could not be woken", "webhook", id, "error", err)
		return false
	})
}

// setHeld notes that the webhook is held, or not if h is nil.
func (s *Shipper) setHeld(id string, h *hold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h != nil {
		s.held[id] = h.Until
	} else {
		delete(s.held, id)
	}
}

// countHeld forgets the webhooks whose probes are due for so long that another
// process must have made them, and returns how many are left.
func (s *Shipper) countHeld() int {
	const probing = 5 * time.Minute // longer than all attempts of a probe take
	now := s.cfg.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, until := range s.held {
		if now.Sub(until) > probing && s.active[id] == nil {
			delete(s.held, id)
		}
	}
	return len(s.held)
}
