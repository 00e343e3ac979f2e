package shipper

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// worker serves a stream for as long as it has the claim: a session, or a replay.
type worker interface {
	// work returns when the stream is to be served next.
	work(ctx context.Context) (store.Wait, error)

	// interrupt breaks deliveries off, finish lets attempts under way end;
	// nothing more is begun.
	interrupt(cause error)
	finish()

	// older tells whether the configuration in use is another and older one.
	older(revision uint64, change string) bool
}

// serve lets a worker work and gives the stream back.
func (s *Shipper) serve(claim store.Claim, p *place) {
	defer p.leave()
	stream := claim.Stream()
	var w worker
	if id, ok := strings.CutPrefix(stream, replayStreams); ok {
		w = &replay{s: s, claim: claim, id: id}
	} else {
		w = &session{
			s: s, claim: claim, id: stream, place: p,
			returned: map[string]bool{}, flights: map[*flight]struct{}{},
		}
	}
	s.mu.Lock()
	s.active[stream] = w
	s.mu.Unlock()

	ctx, cancel := context.WithCancelCause(s.working)
	var minding sync.WaitGroup
	minding.Go(func() { s.mind(ctx, cancel, claim, p, w) })
	wait, err := w.work(ctx)
	cancel(nil)
	minding.Wait()

	s.mu.Lock()
	if s.active[stream] == w {
		delete(s.active, stream)
	}
	s.mu.Unlock()
	if err != nil && !errors.Is(err, store.ErrClaimLost) && !s.ended(err) {
		s.cfg.Logger.Error("a webhook could not be served", "webhook", stream, "error", err)
		wait = store.Wait{After: retryStore}
	}
	err = claim.Release(context.WithoutCancel(ctx), wait)
	if err != nil && !errors.Is(err, store.ErrClaimLost) && !s.ended(err) {
		s.cfg.Logger.Warn("the claim of a webhook could not be given back, it will expire", "webhook", stream, "error", err)
	}
}

// mind makes a worker that takes long step aside, and keeps its claim.
func (s *Shipper) mind(ctx context.Context, cancel context.CancelCauseFunc, claim store.Claim, p *place, w worker) {
	for s.cfg.Clock.Sleep(ctx, slowAfter) == nil {
		p.stepAside()
		if err := claim.Keep(ctx); errors.Is(err, store.ErrClaimLost) {
			w.interrupt(err)
			cancel(err)
			return
		}
	}
}
