package auditlogotel

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// trace makes the spans of a delivery that has ended.
func (h *Hook) trace(ctx context.Context, id string, result delivery.Result, err error) {
	if len(result.Attempts) == 0 {
		return
	}
	server := serverOf(result.Endpoint)
	attributes := append([]attribute.KeyValue{
		batchKey.String(result.BatchID),
		eventsKey.Int(result.Events),
		sizeKey.Int(result.Bytes),
	}, server...)
	if h.webhookID {
		attributes = append(attributes, webhookKey.String(id))
	}
	last := result.Last()
	ctx, span := h.tracer.Start(ctx, "auditlog.deliver",
		trace.WithTimestamp(result.Attempts[0].Time),
		trace.WithAttributes(attributes...))
	defer span.End(trace.WithTimestamp(end(last)))
	if !span.IsRecording() {
		return
	}
	for i, a := range result.Attempts {
		h.traceAttempt(ctx, i, a, result.Sent, server)
	}
	if err == nil {
		return
	}
	reason := semconv.ErrorTypeOther
	if failure, ok := errors.AsType[*delivery.Error](err); ok {
		reason = semconv.ErrorTypeKey.String(string(failure.Reason))
	}
	span.SetAttributes(reason)
	span.SetStatus(codes.Error, last.String())
}

// traceAttempt makes the span of the n-th attempt, counted from 0.
func (h *Hook) traceAttempt(ctx context.Context, n int, a delivery.Attempt, sent int, server []attribute.KeyValue) {
	attributes := append([]attribute.KeyValue{
		semconv.HTTPRequestMethodPost,
		semconv.HTTPRequestBodySize(sent),
	}, server...)
	if n > 0 {
		attributes = append(attributes, semconv.HTTPRequestResendCount(n))
	}
	_, span := h.tracer.Start(ctx, "POST",
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(a.Time),
		trace.WithAttributes(attributes...))
	span.SetAttributes(outcome(a)...)
	if !a.OK() {
		description := "" // the status says it all
		if a.Err != nil {
			description = a.Err.Error()
		}
		span.SetStatus(codes.Error, description)
	}
	span.End(trace.WithTimestamp(end(a)))
}

// serverOf returns host and port of an endpoint, whose path and query are gone
// already.
func serverOf(endpoint string) []attribute.KeyValue {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil { // there is none
		port = 443
	}
	return []attribute.KeyValue{semconv.ServerAddress(u.Hostname()), semconv.ServerPort(port)}
}
