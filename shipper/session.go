package shipper

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// Why the deliveries of a session are broken off.
var (
	errReconfigured  = errors.New("shipper: the webhook was changed")
	errSkipForbidden = errors.New("shipper: skip_ssl_verification is not allowed here")
)

const (
	// sessionBatches is how many batches a session sends before it is another
	// webhook's turn.
	sessionBatches = 16

	// slowAfter is how long a session keeps its worker's place. In the same
	// interval it prolongs its claim.
	slowAfter = time.Second
)

// session serves a webhook for as long as it has the stream's claim.
type session struct {
	s     *Shipper
	claim store.Claim
	id    string
	place *place

	returned map[string]bool // batches that the claim has returned
	trials   int             // events that may be refused before the webhook is held
	noGaps   bool            // there was no room for the event of a gap

	mu       sync.Mutex
	loaded   bool // progress is there
	progress progress
	using    version // of the configuration
	latest   uint64  // revision of it that was seen
	flights  map[*flight]struct{}
	broken   error // why nothing more is sent
}

// version tells configurations apart: each write has a revision, each change, of
// which another seal is none, a name.
type version struct {
	revision uint64
	change   string
}

// flight is a delivery under way.
type flight struct {
	w          *session
	batch      store.Batch
	began      time.Time
	cancel     context.CancelCauseFunc
	attempting bool // guarded by w.mu
}

// serve runs a session and gives the stream back.
func (s *Shipper) serve(claim store.Claim, p *place) {
	defer p.leave()
	w := &session{
		s: s, claim: claim, id: claim.Stream(), place: p,
		returned: map[string]bool{}, flights: map[*flight]struct{}{},
	}
	s.mu.Lock()
	s.active[w.id] = w
	s.mu.Unlock()

	ctx, cancel := context.WithCancelCause(s.working)
	var minding sync.WaitGroup
	minding.Go(func() { w.mind(ctx, cancel) })
	wait, err := w.work(ctx)
	cancel(nil)
	minding.Wait()

	s.mu.Lock()
	if s.active[w.id] == w {
		delete(s.active, w.id)
	}
	s.mu.Unlock()
	if err != nil && !errors.Is(err, store.ErrClaimLost) && !s.ended(err) {
		s.cfg.Logger.Error("a webhook could not be served", "webhook", w.id, "error", err)
		wait = store.Wait{After: retryStore}
	}
	err = claim.Release(context.WithoutCancel(ctx), wait)
	if err != nil && !errors.Is(err, store.ErrClaimLost) && !s.ended(err) {
		s.cfg.Logger.Warn("the claim of a webhook could not be given back, it will expire", "webhook", w.id, "error", err)
	}
}

// mind makes a session that takes long step aside, and keeps its claim.
func (w *session) mind(ctx context.Context, cancel context.CancelCauseFunc) {
	for w.s.cfg.Clock.Sleep(ctx, slowAfter) == nil {
		w.place.stepAside()
		if err := w.claim.Keep(ctx); errors.Is(err, store.ErrClaimLost) {
			w.interrupt(err)
			cancel(err)
			return
		}
	}
}

// work serves the webhook and returns when it is to be served next.
func (w *session) work(ctx context.Context) (store.Wait, error) {
	state, err := w.claim.State(ctx)
	if err != nil {
		return store.Wait{}, err
	}
	p, err := parseProgress(w.id, state.Status)
	if err != nil {
		return store.Wait{}, err
	}
	st, err := w.s.configs.get(ctx, w.id)
	if isKeyError(err) {
		w.s.cfg.Logger.ErrorContext(ctx, "a webhook's configuration cannot be opened; its events wait", "webhook", w.id, "error", err)
		return store.Wait{After: w.s.cfg.ProbeMax}, nil
	}
	if err != nil {
		return store.Wait{}, err
	}
	p.of(&st)
	w.mu.Lock()
	w.loaded, w.progress, w.using = true, p, version{st.revision, st.change}
	older := w.using.revision < w.latest
	w.mu.Unlock()
	if older { // it was changed just now
		return store.Wait{}, nil
	}
	if !st.config.Enabled && (st.drain == 0 || state.Next.Seq > st.drain) {
		w.s.setHeld(w.id, false)
		return store.Wait{After: store.UntilWoken}, nil
	}
	if err := w.skip(ctx, &st); err != nil {
		return store.Wait{}, err
	}
	if h := w.progress.Hold; h != nil {
		w.s.setHeld(w.id, true)
		if left := h.Until.Sub(w.s.cfg.Clock.Now()); left > 0 {
			return store.Wait{After: left}, nil
		}
	}
	d, err := w.s.deliverers.get(ctx, w.id, &st)
	if err != nil {
		return w.hold(ctx, &st, err.Error())
	}
	d.probing.Store(w.progress.Hold != nil)
	const fewest = 2
	w.trials = max(fewest, len(w.progress.Suspects))
	return w.ship(ctx, &st, d)
}

// skip passes over what was recorded while the webhook was off, if it is to.
func (w *session) skip(ctx context.Context, st *stored) error {
	if !st.skipBefore.After(w.progress.Skipped) {
		return nil
	}
	w.mu.Lock()
	w.progress.Skipped = st.skipBefore
	w.mu.Unlock()
	skipped, err := w.claim.Skip(ctx, st.skipBefore, w.encoded())
	if err != nil {
		return err
	}
	if skipped.Events > 0 {
		w.s.cfg.Logger.InfoContext(ctx, "events recorded while the webhook was off are not sent, as configured",
			"webhook", w.id, "events", skipped.Events)
		w.s.totals.skipped.Add(skipped.Events)
		w.s.admission.freed()
	}
	return nil
}

// ship sends batches, as many at a time as allowed, until there is a reason to
// stop.
func (w *session) ship(ctx context.Context, st *stored, d *deliverer) (store.Wait, error) {
	inFlight := w.s.cfg.InFlight
	if w.progress.Hold != nil || len(w.progress.Suspects) > 0 || !st.config.Enabled {
		inFlight = 1
	}
	outcomes := make(chan outcome)
	flying := 0
	var stop *store.Wait
	var failed error
	for begun := 0; ; {
		for stop == nil && failed == nil && flying < inFlight {
			if begun >= sessionBatches || w.place.isSlow() && begun > 0 || w.s.closing.Err() != nil {
				stop = &store.Wait{}
				break
			}
			f, wait, err := w.next(ctx, st, flying == 0)
			if err != nil {
				failed = err
				break
			}
			if f == nil && wait == nil { // when those under way have ended
				break
			}
			if wait != nil {
				stop = wait
				break
			}
			begun++
			flying++
			go func() { outcomes <- w.deliver(ctx, st, d, f) }()
		}
		if flying == 0 {
			if failed == nil && stop == nil {
				stop = &store.Wait{}
			}
			break
		}
		o := <-outcomes
		flying--
		wait, err := w.settle(ctx, st, d, &o)
		if wait != nil && (stop == nil || *stop == store.Wait{}) {
			stop = wait
		}
		failed = errors.Join(failed, err)
	}
	if failed != nil {
		return store.Wait{}, failed
	}
	return *stop, nil
}

// next returns the next batch to send, or how long to wait for one, or neither
// if it depends on what is under way.
func (w *session) next(ctx context.Context, st *stored, alone bool) (*flight, *store.Wait, error) {
	for {
		state, err := w.claim.State(ctx)
		if err != nil {
			return nil, nil, err
		}
		if told, err := w.tellGaps(ctx, &state); err != nil || told {
			if err != nil {
				return nil, nil, err
			}
			continue
		}
		limits, wait, err := w.allowed(ctx, st, &state, alone)
		if err != nil || limits.Events == 0 {
			return nil, wait, err
		}
		b, err := w.claim.Batch(ctx, limits)
		if errors.Is(err, store.ErrNoEvents) {
			if !alone {
				return nil, nil, nil
			}
			return nil, w.idle(ctx, st), nil
		}
		if err != nil {
			return nil, nil, err
		}
		w.returned[b.ID] = true
		if w.passOver(b.ID) {
			continue
		}
		return &flight{w: w, batch: b}, nil, nil
	}
}

// allowed returns the limits of the next batch. There is none yet if they are
// zero: then it returns how long to wait, if that does not depend on what is
// under way.
func (w *session) allowed(ctx context.Context, st *stored, state *store.State, alone bool) (store.Limits, *store.Wait, error) {
	limits := w.limits()
	again, events, bytes := w.unsent(state)
	switch {
	case again:
		return limits, nil, nil
	case !st.config.Enabled:
		n, err := w.drainable(ctx, st, state)
		limits.Events = n
		return limits, &store.Wait{After: store.UntilWoken}, err
	case events >= int64(limits.Events) || bytes >= int64(limits.Bytes):
		return limits, nil, nil
	case !alone:
		return store.Limits{}, nil, nil
	case events <= 0:
		return store.Limits{}, w.idle(ctx, st), nil
	}
	if age := w.s.cfg.Clock.Now().Sub(state.Oldest); age < w.s.cfg.BatchAge {
		return store.Limits{}, &store.Wait{After: w.s.cfg.BatchAge - age, Events: limits.Events, Bytes: limits.Bytes}, nil
	}
	return limits, nil, nil
}

// idle is the wait when there is nothing to send but suspects.
func (w *session) idle(ctx context.Context, st *stored) *store.Wait {
	if len(w.progress.Suspects) == 0 {
		return &store.Wait{}
	}
	wait, err := w.hold(ctx, st, w.progress.Suspects[0].Reason)
	if err != nil {
		w.s.cfg.Logger.WarnContext(ctx, "the hold of a webhook could not be stored", "webhook", w.id, "error", err)
	}
	return &wait
}

// limits is those of the next batch, as the store counts.
func (w *session) limits() store.Limits {
	return store.Limits{Events: w.s.cfg.Batch.Events, Bytes: w.s.cfg.Batch.Bytes}
}

// unsent tells whether there is a frozen batch to be sent, and what is not
// frozen yet.
func (w *session) unsent(state *store.State) (frozen bool, events, bytes int64) {
	events, bytes = state.Events, state.Bytes
	for _, f := range state.Frozen {
		if f.Acked {
			continue
		}
		events -= int64(f.Events)
		bytes -= int64(f.Bytes)
		if !w.returned[f.ID] {
			frozen = true
		}
	}
	return frozen, events, bytes
}

// drainable is how many events are still to be sent of a webhook that was
// switched off, in the next batch.
func (w *session) drainable(ctx context.Context, st *stored, state *store.State) (int, error) {
	n, next := 0, state.Next
	for _, f := range state.Frozen {
		if f.End.Compare(next) > 0 {
			next = f.End
		}
	}
	for e, err := range w.s.store.Read(ctx, w.id, store.From{Position: next}) {
		if err != nil && !errors.Is(err, store.ErrDamaged) {
			return 0, err
		}
		if e.Position.Seq > st.drain || n >= w.s.cfg.Batch.Events {
			break
		}
		n++
	}
	return n, nil
}

// encoded returns the progress as it is stored.
func (w *session) encoded() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress.encode()
}

// snapshot returns a copy of the progress, if it is there yet.
func (w *session) snapshot() (progress, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress.clone(), w.loaded
}

// older tells whether the session's configuration is another and older one.
func (w *session) older(revision uint64, change string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latest = max(w.latest, revision)
	return w.using.revision != 0 && w.using.revision < revision && w.using.change != change
}

// interrupt breaks the deliveries off.
func (w *session) interrupt(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = cause
	for f := range w.flights {
		f.cancel(cause)
	}
}

// finish lets attempts under way end and begins nothing more.
func (w *session) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = ErrClosed
	for f := range w.flights {
		if !f.attempting {
			f.cancel(ErrClosed)
		}
	}
}

// take begins a flight, unless the session was broken off.
func (w *session) take(ctx context.Context, f *flight) (context.Context, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return nil, w.broken
	}
	ctx, f.cancel = context.WithCancelCause(context.WithValue(ctx, flightKey{}, f))
	w.flights[f] = struct{}{}
	return ctx, nil
}

func (w *session) land(f *flight) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.flights, f)
	f.cancel(nil)
}

func (f *flight) attemptStarted() {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	f.attempting = true
}

// attemptFinished notes an attempt. If another one will follow, what is known is
// stored, so that the status shows it.
func (f *flight) attemptFinished(ctx context.Context, result delivery.Result) {
	w := f.w
	last := result.Last()
	w.s.totals.attempt(last)
	w.mu.Lock()
	f.attempting = false
	w.progress.attempt(result)
	if w.broken != nil {
		f.cancel(w.broken)
	}
	w.mu.Unlock()
	for _, h := range w.s.hooks.attempt {
		h.AttemptFinished(ctx, w.id, result)
	}
	if last.Wait > 0 {
		if err := w.claim.Save(context.WithoutCancel(ctx), w.encoded()); err != nil && !w.s.ended(err) {
			w.s.cfg.Logger.WarnContext(ctx, "the status of a webhook could not be stored", "webhook", w.id, "error", err)
		}
	}
}
