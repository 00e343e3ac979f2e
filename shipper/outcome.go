package shipper

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"unsafe"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// outcome is what became of a batch.
type outcome struct {
	f      *flight
	result delivery.Result
	err    error
}

// Why a batch was not sent at all.
var errTooLarge = errors.New("the batch is larger in this format than batches may be")

// unsendableError is an event that no endpoint will ever take: it cannot be
// read, or not be written in the format.
type unsendableError struct{ err error }

func (e *unsendableError) Error() string { return e.err.Error() }
func (e *unsendableError) Unwrap() error { return e.err }

// payload is buffers that deliveries use again.
type payload struct {
	body  []byte
	line  []byte // not signed yet
	event auditlog.Event
}

var payloads = sync.Pool{New: func() any { return new(payload) }}

// free gives the buffers back, unless they have grown large.
func (p *payload) free() {
	if max(cap(p.body), cap(p.line)) <= 2*delivery.DefaultBatchBytes {
		clear(p.event.Attributes[:cap(p.event.Attributes)]) // they refer to the batch
		p.event = auditlog.Event{Attributes: p.event.Attributes[:0]}
		payloads.Put(p)
	}
}

// prepare makes the body of a batch, in the format that the webhook is
// configured for. The caller frees it.
func (s *Shipper) prepare(id string, st *stored, batch *store.Batch) (*payload, error) {
	p, _ := payloads.Get().(*payload)
	err := s.encode(p, id, auditlog.Format(st.config.LogFormat), batch.Events)
	if err == nil && len(p.body) > s.cfg.Batch.Bytes && len(batch.Events) > 1 {
		err = errTooLarge
	}
	if err != nil {
		p.free()
		return nil, err
	}
	return p, nil
}

// send delivers a batch.
func (s *Shipper) send(ctx context.Context, id string, st *stored, d *deliverer, batch store.Batch) (delivery.Result, error) {
	p, err := s.prepare(id, st, &batch)
	if err != nil {
		return delivery.Result{}, err
	}
	defer p.free()
	return d.Deliver(ctx, delivery.Batch{ID: batch.ID, Body: p.body})
}

// encode makes the body of a batch.
func (s *Shipper) encode(p *payload, id string, format auditlog.Format, events []store.Event) error {
	p.body = p.body[:0]
	for i, e := range events {
		if err := s.viewEvent(&p.event, id, e.Data); err != nil {
			if isKeyError(err) {
				return err
			}
			return &unsendableError{err}
		}
		if i > 0 {
			p.body = append(p.body, '\n')
		}
		var err error
		if p.body, err = s.appendLine(p.body, p, format); err != nil {
			return err
		}
	}
	return nil
}

// appendLine appends the line of the payload's event.
func (s *Shipper) appendLine(dst []byte, p *payload, format auditlog.Format) ([]byte, error) {
	_, signed := p.event.Get(auditlog.SignatureKey)
	if s.cfg.Signer == nil || signed {
		dst, err := format.Append(dst, &p.event)
		if err != nil {
			return nil, &unsendableError{err}
		}
		return dst, nil
	}
	var err error
	if p.line, err = format.Append(p.line[:0], &p.event); err != nil {
		return nil, &unsendableError{err}
	}
	dst, err = s.cfg.Signer.Append(dst, p.line)
	if refused, ok := errors.AsType[*signature.SyntaxError](err); ok {
		return nil, &unsendableError{refused}
	}
	if err != nil {
		return nil, fmt.Errorf("shipper: a line cannot be signed: %w", err)
	}
	return dst, nil
}

// deliver sends the batch.
func (w *session) deliver(ctx context.Context, d *deliverer, f *flight) outcome {
	defer f.payload.free()
	ctx, err := w.take(ctx, f)
	if err != nil {
		return outcome{f: f, err: err}
	}
	defer w.land(f)
	result, err := d.Deliver(ctx, delivery.Batch{ID: f.batch.ID, Body: f.payload.body})
	return outcome{f: f, result: result, err: err}
}

// readEvent reads a stored event, which owns its memory.
func (s *Shipper) readEvent(e *auditlog.Event, id string, data []byte) error {
	data, err := s.unsealed(id, data)
	if err != nil {
		return err
	}
	return parseEvent(e, data, string(data))
}

// viewEvent is readEvent for an event that is used only while data is there.
func (s *Shipper) viewEvent(e *auditlog.Event, id string, data []byte) error {
	data, err := s.unsealed(id, data)
	if err != nil {
		return err
	}
	return parseEvent(e, data, unsafe.String(unsafe.SliceData(data), len(data))) //nolint:gosec // nobody changes data
}

// unsealed returns the stored form of an event that may be sealed.
func (s *Shipper) unsealed(id string, data []byte) ([]byte, error) {
	if len(data) > 0 && data[0] == sealVersion {
		return s.configs.open(data, sealed{webhook: id, field: "event"})
	}
	return data, nil
}

// settle does what the outcome asks for. It returns a wait if the session is to
// stop.
func (w *session) settle(ctx context.Context, st *stored, d *deliverer, o *outcome) (stop *store.Wait, err error) {
	ctx = context.WithoutCancel(ctx) // what is known is stored, also while everything stops
	var unsendable *unsendableError
	failure, _ := errors.AsType[*delivery.Error](o.err)
	alone := len(o.f.batch.Events) == 1
	defer w.tell(ctx, o)
	switch {
	case o.err == nil:
		d.probing.Store(false)
		return w.accepted(ctx, st, o)
	case brokenOff(o.err, failure):
		return &store.Wait{}, nil
	case errors.Is(o.err, errTooLarge), errors.As(o.err, &unsendable) && !alone:
		return nil, w.claim.Split(ctx, o.f.batch.ID)
	case unsendable != nil:
		return nil, w.bury(ctx, &suspect{
			Batch: o.f.batch.ID, Position: o.f.batch.Events[0].Position, Refused: w.s.cfg.Clock.Now().UTC(),
			Reason: "it cannot be encoded: " + unsendable.Error(),
		})
	case failure == nil: // a key is missing
		return w.held(ctx, st, o.err.Error())
	}
	w.deliveryFailed(ctx, o)
	if failure.Reason != delivery.ReasonRefused || !blamesEvents(o.result.LastStatus()) {
		return w.held(ctx, st, reasonOf(failure))
	}
	if !alone {
		return nil, w.claim.Split(ctx, o.f.batch.ID)
	}
	if w.suspect(st, o) {
		stop, err = w.held(ctx, st, reasonOf(failure))
	}
	return stop, err
}

// blamesEvents tells whether an answer may be about the events, not the sender.
func blamesEvents(code int) bool {
	switch code {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// brokenOff tells whether the delivery was broken off.
func brokenOff(err error, failure *delivery.Error) bool {
	return errors.Is(err, errReconfigured) || errors.Is(err, ErrClosed) || errors.Is(err, store.ErrClaimLost) ||
		failure != nil && failure.Reason == delivery.ReasonCanceled
}

// reasonOf says why a delivery failed.
func reasonOf(failure *delivery.Error) string {
	if last := failure.Result.Last(); len(failure.Result.Attempts) > 0 {
		return reason(last)
	}
	return failure.Error()
}

// accepted acknowledges a batch.
func (w *session) accepted(ctx context.Context, st *stored, o *outcome) (*store.Wait, error) {
	w.mu.Lock()
	before := w.progress.Status
	w.progress.Status = before.DeliverySucceeded(o.result.Last().Time)
	after := w.progress.Status
	w.progress.Hold, w.progress.Trials = nil, 0
	suspects := w.progress.Suspects
	w.mu.Unlock()
	w.s.setHeld(w.id, nil)
	w.statusChanged(ctx, before, after)

	var stop *store.Wait
	if again := slices.ContainsFunc(suspects, func(x suspect) bool { return x.Batch == o.f.batch.ID }); again {
		// The endpoint takes what it refused before, so the others get another
		// chance too.
		stop, suspects = &store.Wait{}, nil
	}
	var left []suspect
	for i := range suspects {
		if x := &suspects[i]; x.since > o.f.number { // refused after this one had begun: no evidence
			left = append(left, *x)
		} else if err := w.bury(ctx, x); err != nil {
			return nil, err
		}
	}
	w.setSuspects(left)
	var next store.Limits
	if st.config.Enabled && stop == nil {
		next = w.limits()
	}
	if err := w.claim.Ack(ctx, o.f.batch.ID, w.encoded(), next); err != nil {
		return nil, err
	}
	w.s.totals.delivered.Add(int64(o.result.Events))
	w.s.totals.deliveredBytes.Add(int64(o.result.Bytes))
	w.s.admission.freed()
	return stop, nil
}

func (w *session) setSuspects(all []suspect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.Suspects = all
}

// passOver tells whether the batch is a suspect that has to wait: the first one
// is tried again, at each probe another one, to see whether the endpoint has
// changed its mind.
func (w *session) passOver(batch string) bool {
	i := slices.IndexFunc(w.progress.Suspects, func(x suspect) bool { return x.Batch == batch })
	return i > 0 || i == 0 && !w.again
}

// suspect notes an event that was refused alone, and tells whether that was the
// last trial.
func (w *session) suspect(st *stored, o *outcome) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &w.progress
	p.Trials--
	id := o.f.batch.ID
	i := slices.IndexFunc(p.Suspects, func(x suspect) bool { return x.Batch == id })
	switch {
	case i >= 0: // next time it is another's turn
		w.again = false
		x := p.Suspects[i]
		p.Suspects = append(slices.Delete(p.Suspects, i, i+1), x)
	case len(p.Suspects) < maxSuspects:
		last := o.result.Last()
		p.Suspects = append(p.Suspects, suspect{
			Batch: id, Position: o.f.batch.Events[0].Position, Refused: last.Time.UTC(), Change: st.change,
			Code: last.Status, Reason: clip(reason(last), maxSuspect), since: w.begun,
		})
	}
	return p.Trials <= 0
}

// deliveryFailed moves the status.
func (w *session) deliveryFailed(ctx context.Context, o *outcome) {
	w.mu.Lock()
	before := w.progress.Status
	if at := o.result.Last().Time; !at.IsZero() {
		w.progress.Status = before.DeliveryFailed(at)
	}
	after := w.progress.Status
	w.mu.Unlock()
	w.statusChanged(ctx, before, after)
}

// held holds the webhook until its next probe.
func (w *session) held(ctx context.Context, st *stored, reason string) (*store.Wait, error) {
	wait, err := w.hold(ctx, st, reason)
	return &wait, err
}

func (w *session) hold(ctx context.Context, st *stored, reason string) (store.Wait, error) {
	if !st.config.Enabled { // what was left to send before it was off does not go out
		w.mu.Lock()
		defer w.mu.Unlock()
		w.progress.GaveUp, w.progress.Trials, w.unsaved = st.drain, 0, true
		return store.Wait{After: store.UntilWoken}, nil
	}
	now := w.s.cfg.Clock.Now().UTC()
	w.mu.Lock()
	h := hold{Since: now, Interval: w.s.cfg.ProbeFirst, Change: st.change, Reason: clip(reason, maxReason)}
	if old := w.progress.Hold; old != nil {
		h.Since, h.Interval = old.Since, min(2*old.Interval, w.s.cfg.ProbeMax)
	}
	h.Until = now.Add(h.Interval)
	w.progress.Hold, w.progress.Trials = &h, 0
	w.mu.Unlock()
	w.s.setHeld(w.id, &h)
	w.s.cfg.Logger.WarnContext(ctx, "a webhook is held: its endpoint takes no events", "webhook", w.id,
		"reason", reason, "since", h.Since, "next_probe", h.Until)
	return store.Wait{After: h.Interval}, w.claim.Save(ctx, w.encoded())
}

// statusChanged tells the hooks if the webhook turned active or inactive.
func (w *session) statusChanged(ctx context.Context, before, after status.State) {
	if before.Failing == after.Failing {
		return
	}
	w.s.cfg.Logger.InfoContext(ctx, "the status of a webhook changed", "webhook", w.id, "from", before.Status().WebhookStatus, "to", after.Status().WebhookStatus)
	for _, h := range w.s.hooks.status {
		h.StatusChanged(ctx, w.id, before.Status().WebhookStatus, after.Status().WebhookStatus)
	}
}

// tell tells the hooks what became of a batch.
func (w *session) tell(ctx context.Context, o *outcome) {
	if len(o.result.Attempts) == 0 {
		return
	}
	for _, h := range w.s.hooks.delivery {
		h.DeliveryFinished(ctx, w.id, o.result, o.f.batch.Events[0].Time, o.err)
	}
}
