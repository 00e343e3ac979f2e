package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// tally counts events and prints the counts as they grow.
type tally struct {
	out    io.Writer
	screen *screen

	mu                        sync.Mutex
	accepted, delivered       int
	badLines, refused, missed int
}

var (
	_ shipper.DeliveryFinishedHook = (*tally)(nil)
	_ shipper.DeadLetteredHook     = (*tally)(nil)
	_ shipper.EventsLostHook       = (*tally)(nil)
)

func (t *tally) accept(events int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.accepted += events
	fmt.Fprintf(t.out, "accepted %d\n", t.accepted)
}

func (t *tally) badLine(line int, reason error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.badLines++
	fmt.Fprintf(t.screen, "line %d: %v\n", line, reason)
}

// DeliveryFinished implements [shipper.DeliveryFinishedHook].
func (t *tally) DeliveryFinished(_ context.Context, _ string, result delivery.Result, _ time.Time, err error) {
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.delivered += result.Events
	fmt.Fprintf(t.out, "delivered %d\n", t.delivered)
}

// DeadLettered implements [shipper.DeadLetteredHook].
func (t *tally) DeadLettered(context.Context, string, string, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused++
}

// EventsLost implements [shipper.EventsLostHook].
func (t *tally) EventsLost(_ context.Context, _ string, gap store.Gap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.missed += int(gap.Events)
}

// failure tells what was not delivered for good.
func (t *tally) failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, f := range []struct {
		n    int
		what string
	}{
		{t.badLines, "lines are no events"},
		{t.refused, "events were refused by the endpoint; the next run tries them again"},
		{t.missed, "events were lost in the store, undelivered"},
	} {
		if f.n > 0 {
			errs = append(errs, fmt.Errorf("%d %s", f.n, f.what))
		}
	}
	return errors.Join(errs...)
}
