package shipper

import (
	"context"
	"errors"
	"sync"
	"time"

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
	begun    int             // flights
	again    bool            // the first suspect is to be tried again
	noGaps   bool            // there was no room for the event of a gap

	mu       sync.Mutex
	loaded   bool // progress is there
	progress progress
	unsaved  bool    // progress has something that is not stored
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

// work implements worker. What is known and not stored yet is stored at the end:
// the next session goes on from there.
func (w *session) work(ctx context.Context) (store.Wait, error) {
	wait, err := w.run(ctx)
	if w.dirty() {
		err = errors.Join(err, w.claim.Save(context.WithoutCancel(ctx), w.encoded()))
	}
	return wait, err
}

// run serves the webhook and returns when it is to be served next.
func (w *session) run(ctx context.Context) (store.Wait, error) {
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
	p.until(w.s.cfg.Clock.Now().UTC())
	p.keep(state.Frozen)
	again := p.try()
	w.mu.Lock()
	w.loaded, w.progress, w.using, w.again = true, p, version{st.revision, st.change}, again
	older := w.using.revision < w.latest
	w.mu.Unlock()
	if older { // it was changed just now
		return store.Wait{}, nil
	}
	w.s.setHeld(w.id, p.Hold)
	if !st.config.Enabled && (st.drain <= p.GaveUp || st.drain < state.Next.Seq) {
		return store.Wait{After: store.UntilWoken}, nil
	}
	if err := w.skip(ctx, &st); err != nil {
		return store.Wait{}, err
	}
	if h := w.progress.Hold; h != nil {
		if left := h.Until.Sub(w.s.cfg.Clock.Now()); left > 0 && left <= h.Interval { // more, if the clock was set back
			return store.Wait{After: left}, nil
		}
	}
	d, err := w.s.deliverers.get(ctx, w.id, w.id, &st)
	if err != nil {
		return w.hold(ctx, &st, err.Error())
	}
	d.probing.Store(w.progress.Hold != nil)
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
		w.s.cfg.Logger.InfoContext(ctx, "events recorded before the webhook was switched on again are not sent, as configured",
			"webhook", w.id, "events", skipped.Events)
		w.s.totals.skipped.Add(skipped.Events)
		w.s.admission.freed()
	}
	return nil
}

// ship sends batches, as many at a time as allowed, until there is a reason to
// stop. While one is under way the one before it is acknowledged and the one
// after it is made ready.
func (w *session) ship(ctx context.Context, st *stored, d *deliverer) (store.Wait, error) {
	var (
		outcomes = make(chan outcome)
		landed   []outcome // not settled yet
		ready    *flight   // made ready, not begun
		flying   int
		stop     *store.Wait
		failed   error
	)
	for {
		if done := stop != nil || failed != nil; done {
			ready = nil // it stays frozen
		}
		careful := w.careful(st)
		switch most := w.s.cfg.InFlight; {
		case ready != nil && flying < most && (len(landed) == 0 || !careful && landed[0].err == nil):
			f := ready
			ready = nil
			f.number = w.begun
			w.begun++
			flying++
			go func() { outcomes <- w.deliver(ctx, d, f) }()
		case len(landed) > 0:
			o := landed[0]
			landed = landed[1:]
			wait, err := w.settle(ctx, st, d, &o)
			failed = errors.Join(failed, err)
			if wait == nil && o.err != nil && ready != nil {
				wait = &store.Wait{} // what came of the batch goes before the one made ready
			}
			if wait != nil && (stop == nil || *stop == store.Wait{}) {
				stop = wait
			}
		case stop == nil && failed == nil && ready == nil && (flying == 0 || !careful):
			if w.enough() {
				stop = &store.Wait{}
				continue
			}
			f, wait, err := w.next(ctx, st, flying == 0)
			switch {
			case err != nil:
				failed = err
			case wait != nil:
				stop = wait
			case f == nil: // it depends on those under way
				landed = append(landed, <-outcomes)
				flying--
			default:
				if f.payload, err = w.s.prepare(w.id, st, &f.batch); err != nil {
					landed = append(landed, outcome{f: f, err: err})
				} else {
					ready = f
				}
			}
		case flying > 0:
			landed = append(landed, <-outcomes)
			flying--
		case stop == nil:
			return store.Wait{}, failed
		default:
			return *stop, failed
		}
	}
}

// careful tells that one batch is to be settled before the next one is looked at.
func (w *session) careful(st *stored) bool {
	return w.progress.Hold != nil || len(w.progress.Suspects) > 0 || !st.config.Enabled
}

// enough tells that it is another webhook's turn.
func (w *session) enough() bool {
	return w.begun >= sessionBatches || w.place.isSlow() && w.begun > 0 || w.s.closing.Err() != nil
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
		return w.nextOf(ctx, st, &state, alone)
	}
}

// nextOf is next for a state that nobody changes meanwhile.
func (w *session) nextOf(ctx context.Context, st *stored, state *store.State, alone bool) (*flight, *store.Wait, error) {
	for {
		limits, wait, err := w.allowed(ctx, st, state, alone)
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
		if !w.passOver(b.ID) {
			return &flight{w: w, batch: b}, nil, nil
		}
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
	// An age below zero is that of a clock that was set back: it must not wait.
	if age := w.s.cfg.Clock.Now().Sub(state.Oldest); age >= 0 && age < w.s.cfg.BatchAge {
		return store.Limits{}, &store.Wait{After: w.s.cfg.BatchAge - age, Events: limits.Events, Bytes: limits.Bytes}, nil
	}
	return limits, nil, nil
}

// idle is the wait when there is nothing to send but suspects.
func (w *session) idle(ctx context.Context, st *stored) *store.Wait {
	if len(w.progress.Suspects) == 0 {
		if w.noGaps { // there is a gap to be told
			return &store.Wait{After: retryStore}
		}
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

// encoded returns the progress as it is stored, which the caller does.
func (w *session) encoded() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unsaved = false
	return w.progress.encode()
}

// dirty tells whether there is something to be stored.
func (w *session) dirty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unsaved
}

// failing tells whether the last delivery failed.
func (w *session) failing() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.progress.Status.Failing
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
