package shipper

import (
	"context"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// flight is a delivery under way.
type flight struct {
	w          *session
	batch      store.Batch
	payload    *payload
	cancel     context.CancelCauseFunc
	attempting bool // guarded by w.mu
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
	w.unsaved = true
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
