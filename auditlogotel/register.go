package auditlogotel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/metric"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// Register makes the figures of how things stand at the Shipper known to the
// MeterProvider, which asks for them whenever it collects metrics, until the
// registration is undone by its Unregister or the Shipper's store is closed. An error is the
// MeterProvider's.
func (h *Hook) Register(s *shipper.Shipper) (metric.Registration, error) {
	g := &h.gauges
	return h.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		snapshot, err := s.Snapshot(ctx)
		if errors.Is(err, store.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		o.ObserveInt64(g.queueEvents, snapshot.Queued.Events)
		o.ObserveInt64(g.queueSize, snapshot.Queued.Bytes)
		o.ObserveFloat64(g.queueAge, age(&snapshot))
		o.ObserveInt64(g.serving, int64(snapshot.Serving))
		o.ObserveInt64(g.held, int64(snapshot.Held))
		o.ObserveInt64(g.blocked, snapshot.Blocked)
		o.ObserveInt64(g.skipped, snapshot.Skipped)
		o.ObserveInt64(g.replayed, snapshot.Replayed)
		return nil
	}, g.queueEvents, g.queueSize, g.queueAge, g.serving, g.held, g.blocked, g.skipped, g.replayed)
}

// age is that of the oldest event that waits, in seconds; 0 if none does.
func age(s *shipper.Snapshot) float64 {
	if s.Queued.Oldest.IsZero() {
		return 0
	}
	return max(0, s.Time.Sub(s.Queued.Oldest).Seconds())
}
