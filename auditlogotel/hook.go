package auditlogotel

import (
	"context"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// scope names the instruments' and spans' origin.
const scope = "github.com/seed-6bcf82c5/auditlog/auditlogotel"

// The attributes that are not of OpenTelemetry's semantic conventions.
const (
	webhookKey = attribute.Key("auditlog.webhook.id")
	classKey   = attribute.Key("auditlog.attempt.class")
	reasonKey  = attribute.Key("auditlog.lost.reason")
	batchKey   = attribute.Key("auditlog.batch.id")
	eventsKey  = attribute.Key("auditlog.batch.events")
	sizeKey    = attribute.Key("auditlog.batch.size")
)

// Config is that of a [Hook]. The zero Config uses the global providers.
type Config struct {
	// MeterProvider takes the metrics. Default: [otel.GetMeterProvider]. That of
	// package go.opentelemetry.io/otel/metric/noop takes none.
	MeterProvider metric.MeterProvider

	// TracerProvider takes the traces. Default: [otel.GetTracerProvider]. That
	// of package go.opentelemetry.io/otel/trace/noop takes none.
	TracerProvider trace.TracerProvider

	// WebhookID adds the webhook's id, as auditlog.webhook.id, to each span and
	// to each metric of what happens. Every webhook then has series of its own,
	// about 60, and 20 more for each kind of failure that it meets. An SDK may
	// bound them: Go's own keeps 2000 sets of attributes for a metric. Leave it
	// off for many webhooks, or where ids must not leave the service.
	WebhookID bool
}

// Hook is a [shipper.Hook] that exports what it is told. Use one for each Shipper.
type Hook struct {
	webhookID bool
	meter     metric.Meter
	tracer    trace.Tracer
	counts    counts
	gauges    gauges
}

var (
	_ shipper.RecordedHook         = (*Hook)(nil)
	_ shipper.AttemptFinishedHook  = (*Hook)(nil)
	_ shipper.DeliveryFinishedHook = (*Hook)(nil)
	_ shipper.DeadLetteredHook     = (*Hook)(nil)
	_ shipper.EventsLostHook       = (*Hook)(nil)
)

// New returns a hook for the Hooks of a [shipper.Config]. An error is the
// MeterProvider's.
func New(cfg Config) (*Hook, error) {
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	h := &Hook{
		webhookID: cfg.WebhookID,
		meter:     cfg.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL)),
		tracer:    cfg.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
	}
	if err := h.newInstruments(); err != nil {
		return nil, err
	}
	if !h.webhookID {
		h.begin()
	}
	return h, nil
}

// begin makes all counters begin at zero: many a monitoring system does not
// notice the first increase of one that was not there before. Where there is a series for
// each webhook they are not known yet.
func (h *Hook) begin() {
	ctx := context.Background()
	for _, counter := range []metric.Int64Counter{
		h.counts.recordedEvents, h.counts.recordedSize, h.counts.deliveredEvents, h.counts.deliveredSize, h.counts.deadLettered,
	} {
		counter.Add(ctx, 0)
	}
	for _, class := range []string{classOK, classTooMany, classClientError, classServerError, classOther, classNoAnswer} {
		h.counts.attempts.Add(ctx, 0, h.with("", classKey.String(class)))
	}
	for _, reason := range []store.Reason{store.Expired, store.Damaged} {
		h.counts.lost.Add(ctx, 0, h.with("", reasonKey.String(string(reason))))
	}
}

// without is the attributes of a measurement that has none.
var without = metric.WithAttributeSet(*attribute.EmptySet())

// with returns the attributes of a measurement.
func (h *Hook) with(id string, attributes ...attribute.KeyValue) metric.MeasurementOption {
	if h.webhookID {
		attributes = append(attributes, webhookKey.String(id))
	}
	if len(attributes) == 0 {
		return without
	}
	return metric.WithAttributeSet(attribute.NewSet(attributes...))
}

// Recorded implements [shipper.RecordedHook].
func (h *Hook) Recorded(ctx context.Context, id string, events, bytes int, took time.Duration) {
	with := h.with(id)
	h.counts.recordedEvents.Add(ctx, int64(events), with)
	h.counts.recordedSize.Add(ctx, int64(bytes), with)
	h.counts.recordDuration.Record(ctx, took.Seconds(), with)
}

// AttemptFinished implements [shipper.AttemptFinishedHook].
func (h *Hook) AttemptFinished(ctx context.Context, id string, result delivery.Result) {
	last := result.Last()
	h.counts.attempts.Add(ctx, 1, h.with(id, classKey.String(class(last))))
	h.counts.attemptDuration.Record(ctx, last.Duration.Seconds(), h.with(id, outcome(last)...))
}

// DeliveryFinished implements [shipper.DeliveryFinishedHook].
func (h *Hook) DeliveryFinished(ctx context.Context, id string, result delivery.Result, recorded time.Time, err error) {
	if err == nil {
		with := h.with(id)
		h.counts.deliveredEvents.Add(ctx, int64(result.Events), with)
		h.counts.deliveredSize.Add(ctx, int64(result.Bytes), with)
		// A clock may have been set back in the meantime.
		h.counts.deliveryDelay.Record(ctx, max(0, end(result.Last()).Sub(recorded).Seconds()), with)
	}
	h.trace(ctx, id, result, err)
}

// DeadLettered implements [shipper.DeadLetteredHook].
func (h *Hook) DeadLettered(ctx context.Context, id, _, _ string) {
	h.counts.deadLettered.Add(ctx, 1, h.with(id))
}

// EventsLost implements [shipper.EventsLostHook].
func (h *Hook) EventsLost(ctx context.Context, id string, gap store.Gap) {
	h.counts.lost.Add(ctx, gap.Events, h.with(id, reasonKey.String(string(gap.Reason))))
}

// end is when the attempt ended.
func end(a delivery.Attempt) time.Time { return a.Time.Add(a.Duration) }

// outcome returns the attributes that tell what became of an attempt.
func outcome(a delivery.Attempt) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	if a.Status != 0 {
		attributes = append(attributes, semconv.HTTPResponseStatusCode(a.Status))
	}
	if !a.OK() {
		attributes = append(attributes, semconv.ErrorTypeKey.String(errorType(a)))
	}
	return attributes
}

// The classes of attempts, by [shipper.Attempts].
const (
	classOK          = "ok"
	classTooMany     = "too_many"
	classClientError = "client_error"
	classServerError = "server_error"
	classOther       = "other"
	classNoAnswer    = "no_answer"
)

// class returns the attempt's class.
func class(a delivery.Attempt) string {
	switch {
	case a.Status == 0:
		return classNoAnswer
	case a.OK():
		return classOK
	case a.Status == 429:
		return classTooMany
	case a.Status >= 500:
		return classServerError
	case a.Status >= 400:
		return classClientError
	}
	return classOther
}

// errorType tells why an attempt failed, in few enough words for a metric.
func errorType(a delivery.Attempt) string {
	if a.Status != 0 {
		return strconv.Itoa(a.Status)
	}
	return noAnswer(a.Err)
}
