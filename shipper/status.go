package shipper

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// Status returns the webhook's status document.
func (s *Shipper) Status(ctx context.Context, id string) (status.Status, error) {
	r, err := s.Report(ctx, id)
	return r.Status, err
}

// Report is all that is known of a webhook's deliveries.
type Report struct {
	Status status.Status

	// Unsent is what waits to be delivered.
	Unsent Backlog

	// HeldSince is when the endpoint began to fail, zero if the webhook is not
	// held; NextProbe is when it is tried next, HeldReason why it is held.
	HeldSince  time.Time
	NextProbe  time.Time
	HeldReason string

	// Suspects is how many events were refused alone, and wait until the
	// endpoint takes another one, which makes dead letters of them.
	Suspects int

	// Gaps is what was lost unsent and has not been told in the stream yet.
	Gaps []store.Gap

	// Attempts is the delivery log: the last attempts, at most [MaxAttempts],
	// the oldest first.
	Attempts []Attempt
}

// Backlog is events that wait to be delivered.
type Backlog = store.Backlog

// Report returns what is known of the webhook.
func (s *Shipper) Report(ctx context.Context, id string) (Report, error) {
	if err := s.begin(ctx, id); err != nil {
		return Report{}, err
	}
	st, err := s.configs.load(ctx, id)
	if err != nil && !isKeyError(err) {
		return Report{}, err
	}
	state, err := s.store.State(ctx, id)
	if err != nil {
		return Report{}, err
	}
	p, err := parseProgress(id, state.Status)
	if err != nil {
		return Report{}, err
	}
	s.mu.Lock()
	if w, ok := s.active[id].(*session); ok {
		if now, ok := w.snapshot(); ok {
			p = now
		}
	}
	s.mu.Unlock()
	p.of(&st)
	r := Report{Unsent: state.Backlog, Suspects: len(p.Suspects), Gaps: state.Gaps, Attempts: p.Attempts}
	if p.Hold != nil {
		r.HeldSince, r.NextProbe, r.HeldReason = p.Hold.Since, p.Hold.Until, p.Hold.Reason
	}
	r.Status = p.statusOf(&st).Status()
	return r, nil
}

// statusOf puts together what the customer did and what became of deliveries.
func (p *progress) statusOf(st *stored) status.State {
	switch {
	case !st.config.Configured():
		return status.State{}
	case st.config.Enabled:
		return p.Status.Enable()
	}
	return p.Status
}

// Recorded is an event as it was recorded.
type Recorded struct {
	Position store.Position
	Time     time.Time
	Event    auditlog.Event
}

// Events yields what was recorded for the webhook, delivered or not, as long as
// retention keeps it, in order. An error that wraps [store.ErrDamaged] or is a
// [*KeyError] stands for events that cannot be read; others are the last thing
// it yields.
func (s *Shipper) Events(ctx context.Context, id string, from store.From) iter.Seq2[Recorded, error] {
	return func(yield func(Recorded, error) bool) {
		if err := s.begin(ctx, id); err != nil {
			yield(Recorded{}, err)
			return
		}
		for e, err := range s.store.Read(ctx, id, from) {
			r := Recorded{Position: e.Position, Time: e.Time}
			if err == nil {
				err = s.readEvent(&r.Event, id, e.Data)
			} else if !errors.Is(err, store.ErrDamaged) {
				yield(Recorded{}, err)
				return
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Drain waits until nothing waits to be delivered for the webhooks: everything
// recorded before was delivered, or set aside as a dead letter. It returns the cause of ctx if that ends
// first, and ErrClosed if the Shipper is closed.
func (s *Shipper) Drain(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		for {
			room := s.admission.waiting()
			if err := s.begin(ctx, id); err != nil {
				return err
			}
			state, err := s.store.State(ctx, id)
			if err != nil {
				return err
			}
			if state.Events == 0 && len(state.Gaps) == 0 {
				break
			}
			if err := s.waitForRoom(ctx, room); err != nil {
				return err
			}
		}
	}
	return nil
}
