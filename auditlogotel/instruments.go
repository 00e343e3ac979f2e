package auditlogotel

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// counts are the instruments that hooks write to.
type counts struct {
	recordedEvents  metric.Int64Counter
	recordedSize    metric.Int64Counter
	recordDuration  metric.Float64Histogram
	attempts        metric.Int64Counter
	attemptDuration metric.Float64Histogram
	deliveredEvents metric.Int64Counter
	deliveredSize   metric.Int64Counter
	deliveryDelay   metric.Float64Histogram
	deadLettered    metric.Int64Counter
	lost            metric.Int64Counter
}

// gauges are the instruments that are observed.
type gauges struct {
	queueEvents metric.Int64ObservableUpDownCounter
	queueSize   metric.Int64ObservableUpDownCounter
	queueAge    metric.Float64ObservableGauge
	serving     metric.Int64ObservableUpDownCounter
	held        metric.Int64ObservableUpDownCounter
	blocked     metric.Int64ObservableUpDownCounter
	skipped     metric.Int64ObservableCounter
	replayed    metric.Int64ObservableCounter
}

// The units, by the Unified Code for Units of Measure.
const (
	seconds  = "s"
	bytes    = "By"
	events   = "{event}"
	webhooks = "{webhook}"
)

// The bounds of the histograms' buckets, in seconds.
var (
	// A call waits for a disk, or for room.
	recordBounds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 30}

	// Those of OpenTelemetry for HTTP clients, and as far as the timeout of an attempt.
	attemptBounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 60}

	// From the wait for a batch to be filled to the retention of a week.
	delayBounds = []float64{.1, .5, 1, 1.5, 2, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}
)

func (h *Hook) newInstruments() error {
	var errs []error
	counter := func(name, unit, description string) metric.Int64Counter {
		i, err := h.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return i
	}
	histogram := func(name, description string, bounds []float64) metric.Float64Histogram {
		i, err := h.meter.Float64Histogram(name, metric.WithUnit(seconds), metric.WithDescription(description),
			metric.WithExplicitBucketBoundaries(bounds...))
		errs = append(errs, err)
		return i
	}
	gauge := func(name, unit, description string) metric.Int64ObservableUpDownCounter {
		i, err := h.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		errs = append(errs, err)
		return i
	}

	h.counts = counts{
		recordedEvents:  counter("auditlog.recorded.events", events, "Events accepted"),
		recordedSize:    counter("auditlog.recorded.size", bytes, "Bytes of the events accepted, as the store counts them"),
		recordDuration:  histogram("auditlog.record.duration", "Time to accept the events of a call", recordBounds),
		attempts:        counter("auditlog.attempts", "{attempt}", "HTTP requests to endpoints"),
		attemptDuration: histogram("auditlog.attempt.duration", "Duration of HTTP requests to endpoints", attemptBounds),
		deliveredEvents: counter("auditlog.delivered.events", events, "Events that an endpoint took"),
		deliveredSize:   counter("auditlog.delivered.size", bytes, "Bytes of the events that an endpoint took, before compression"),
		deliveryDelay:   histogram("auditlog.delivery.delay", "Time from a batch's oldest event being accepted to its delivery", delayBounds),
		deadLettered:    counter("auditlog.dead_lettered.events", events, "Events set aside as dead letters"),
		lost:            counter("auditlog.lost.events", events, "Events lost unsent"),
	}
	h.gauges = gauges{
		queueEvents: gauge("auditlog.queue.events", events, "Events that wait to be delivered"),
		queueSize:   gauge("auditlog.queue.size", bytes, "Bytes of the events that wait to be delivered, as the store counts them"),
		serving:     gauge("auditlog.webhooks.serving", webhooks, "Webhooks that are being served"),
		held:        gauge("auditlog.webhooks.held", webhooks, "Webhooks whose endpoints take nothing"),
		blocked:     gauge("auditlog.record.blocked", "{call}", "Calls of Record that wait for room"),
	}
	var err error
	h.gauges.queueAge, err = h.meter.Float64ObservableGauge("auditlog.queue.age", metric.WithUnit(seconds),
		metric.WithDescription("Age of the oldest event that waits to be delivered"))
	errs = append(errs, err)
	h.gauges.skipped, err = h.meter.Int64ObservableCounter("auditlog.skipped.events", metric.WithUnit(events),
		metric.WithDescription("Events passed over when a webhook was switched on again"))
	errs = append(errs, err)
	h.gauges.replayed, err = h.meter.Int64ObservableCounter("auditlog.replayed.events", metric.WithUnit(events),
		metric.WithDescription("Events that an endpoint took of replay jobs"))
	return errors.Join(append(errs, err)...)
}
