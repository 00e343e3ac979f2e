package console

import (
	"context"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// historyMinutes is how long a History remembers.
const historyMinutes = 60

// History counts what happened in the last hour, minute by minute, in this
// process. It is a hook: give the same one to [shipper.Config] and to [Config].
// A webhook with nothing in the last hour costs no memory, any other 2 kB.
type History struct {
	clock store.Clock

	mu    sync.Mutex
	hours map[string]*hour
	swept int64 // the minute of the last sweep
}

var (
	_ shipper.RecordedHook         = (*History)(nil)
	_ shipper.AttemptFinishedHook  = (*History)(nil)
	_ shipper.DeliveryFinishedHook = (*History)(nil)
)

// NewHistory returns a History that takes all times from the clock, the
// system's if it is nil.
func NewHistory(clock store.Clock) *History {
	if clock == nil {
		clock = store.SystemClock{}
	}
	return &History{clock: clock, hours: map[string]*hour{}}
}

// minute is what happened in a minute: events that were accepted and delivered,
// and attempts that failed.
type minute struct {
	at                          int64 // minutes since 1970
	accepted, delivered, failed int64
}

// hour is the minutes, each at its number modulo their count.
type hour struct {
	minutes [historyMinutes]minute
	last    int64
}

// Recorded implements [shipper.RecordedHook].
func (h *History) Recorded(_ context.Context, id string, events, _ int, _ time.Duration) {
	h.count(id, func(m *minute) { m.accepted += int64(events) })
}

// DeliveryFinished implements [shipper.DeliveryFinishedHook].
func (h *History) DeliveryFinished(_ context.Context, id string, result delivery.Result, _ time.Time, err error) {
	if err == nil {
		h.count(id, func(m *minute) { m.delivered += int64(result.Events) })
	}
}

// AttemptFinished implements [shipper.AttemptFinishedHook].
func (h *History) AttemptFinished(_ context.Context, id string, result delivery.Result) {
	if !result.Last().OK() {
		h.count(id, func(m *minute) { m.failed++ })
	}
}

func (h *History) count(id string, add func(*minute)) {
	now := h.clock.Now().Unix() / 60
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep(now)
	of := h.hours[id]
	if of == nil {
		of = &hour{}
		h.hours[id] = of
	}
	of.last = now
	m := &of.minutes[now%historyMinutes]
	if m.at != now {
		*m = minute{at: now}
	}
	add(m)
}

// sweep forgets the webhooks that had nothing for an hour, now and then.
func (h *History) sweep(now int64) {
	if now-h.swept < historyMinutes {
		return
	}
	h.swept = now
	for id, of := range h.hours {
		if now-of.last >= historyMinutes {
			delete(h.hours, id)
		}
	}
}

// hour returns the last minutes of the webhook, the oldest first and the present
// one last.
func (h *History) hour(id string) []minute {
	now := h.clock.Now().Unix() / 60
	all := make([]minute, historyMinutes)
	h.mu.Lock()
	defer h.mu.Unlock()
	of := h.hours[id]
	for i := range all {
		at := now - historyMinutes + 1 + int64(i)
		all[i].at = at
		if of != nil && of.minutes[at%historyMinutes].at == at {
			all[i] = of.minutes[at%historyMinutes]
		}
	}
	return all
}
