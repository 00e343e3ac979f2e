package shipper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// The event class ids of the events that the Shipper makes itself.
const (
	// GapClass is that of gap events: events were lost unsent. Their attributes
	// are rt, reason ("expired" or "damaged"), cnt (how many), start and end
	// (when the first and the last of them were recorded), and msg.
	GapClass = "AUDIT_LOG_GAP"

	// TestClass is that of test events.
	TestClass = "AUDIT_LOG_TEST"
)

// gapSeverity is a number, as those of other events: receivers of JSON tell the
// type of a field by the first event that they see.
const gapSeverity cef.Severity = 10

// own returns an event of the Shipper itself. Every format carries it if
// checkSource finds nothing.
func (c *Config) own(class, name string, severity cef.Severity, attributes ...auditlog.Attribute) auditlog.Event {
	now := c.Clock.Now().UTC().Truncate(time.Second)
	source := &c.Source
	e := auditlog.Event{Attributes: append([]auditlog.Attribute{auditlog.Time("rt", now)}, attributes...)}
	e.Time, e.Host = now, source.Host
	e.Vendor, e.Product, e.Version = source.Vendor, source.Product, source.Version
	e.ClassID, e.Name, e.Severity = class, name, severity
	return e
}

// checkSource tells what cannot be the source of events.
func (c *Config) checkSource() error {
	e := c.own(TestClass, "", 0)
	if err := new(scratch).check(&e); err != nil {
		return fmt.Errorf("shipper: Source: %w", err)
	}
	return nil
}

// tellGaps makes events of the stream's gaps, as long as they can be sent: while
// the endpoint fails they wait where they are, since the event of a gap could
// outlive the retention too. It reports whether it changed anything.
func (w *session) tellGaps(ctx context.Context, state *store.State) (bool, error) {
	if len(state.Gaps) == 0 || w.noGaps || w.failing() && state.Events > 0 {
		return false, nil
	}
	for _, gap := range state.Gaps {
		e := w.s.cfg.own(GapClass, "Audit log events were lost", gapSeverity,
			auditlog.String("reason", string(gap.Reason)),
			auditlog.Int("cnt", gap.Events),
			auditlog.Time("start", gap.First),
			auditlog.Time("end", gap.Last),
			auditlog.String("msg", gapMessage(gap.Reason)),
		)
		block, err := w.s.block(w.id, []auditlog.Event{e})
		if err != nil {
			return false, err
		}
		_, err = w.s.store.Append(ctx, w.id, gap.ID, block)
		if errors.Is(err, store.ErrFull) {
			w.noGaps = true
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if err := w.claim.ClearGap(ctx, gap.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		w.s.totals.lost.Add(gap.Events)
		w.s.cfg.Logger.ErrorContext(ctx, "audit log events were lost unsent", "webhook", w.id, "reason", gap.Reason,
			"events", gap.Events, "first", gap.First, "last", gap.Last)
		for _, h := range w.s.hooks.gap {
			h.EventsLost(ctx, w.id, gap)
		}
	}
	return true, nil
}

func gapMessage(reason store.Reason) string {
	if reason == store.Expired {
		return "events were not delivered within the retention time and have been removed"
	}
	return "events could not be read any more from the store"
}

// Test sends one event that is marked as a test to the webhook's endpoint, as it
// is configured now, also if it is switched off, with one attempt, and returns
// what became of it. The error is a [*delivery.Error] where the endpoint did not
// take it. Nothing is recorded and the status does not move.
func (s *Shipper) Test(ctx context.Context, id string) (delivery.Result, error) {
	if err := s.begin(ctx, id); err != nil {
		return delivery.Result{}, err
	}
	st, err := s.configs.load(ctx, id)
	if err != nil {
		return delivery.Result{}, err
	}
	if !st.config.Configured() {
		return delivery.Result{}, &UnconfiguredError{ID: id}
	}
	e := s.cfg.own(TestClass, "Audit log test event", 0,
		auditlog.String("msg", "This event was sent to test the webhook; nothing has happened."))
	line, err := s.appendLine(nil, &payload{event: e}, auditlog.Format(st.config.LogFormat))
	if err != nil {
		return delivery.Result{}, err
	}
	d, err := s.newDeliverer(ctx, id, &st)
	if err != nil {
		return delivery.Result{}, err
	}
	defer d.Close()
	d.probing.Store(true)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := context.AfterFunc(s.working, func() { cancel(ErrClosed) })
	defer stopped()
	return d.Deliver(ctx, delivery.Batch{Body: line})
}
