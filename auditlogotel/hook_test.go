package auditlogotel_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-6bcf82c5/auditlog/auditlogotel"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// Every attempt has a class and, if it failed, a type of error that is one of few.
func TestAttempts(t *testing.T) {
	t.Parallel()
	wrapped := func(err error) error { return fmt.Errorf("outside: %w", err) }
	for name, test := range map[string]struct {
		attempt   delivery.Attempt
		class     string
		errorType string
	}{
		"taken":                {delivery.Attempt{Status: 204}, "ok", ""},
		"redirected":           {delivery.Attempt{Status: 301}, "other", "301"},
		"switching protocols":  {delivery.Attempt{Status: 101}, "other", "101"},
		"bad request":          {delivery.Attempt{Status: 400}, "client_error", "400"},
		"too many":             {delivery.Attempt{Status: 429}, "too_many", "429"},
		"gone":                 {delivery.Attempt{Status: 499}, "client_error", "499"},
		"broken":               {delivery.Attempt{Status: 500}, "server_error", "500"},
		"guarded":              {delivery.Attempt{Err: wrapped(&delivery.GuardError{})}, "no_answer", "guard"},
		"no such name":         {delivery.Attempt{Err: wrapped(&net.DNSError{IsNotFound: true})}, "no_answer", "dns"},
		"slow resolver":        {delivery.Attempt{Err: errors.Join(os.ErrDeadlineExceeded, &net.DNSError{IsTimeout: true})}, "no_answer", "dns"},
		"slow":                 {delivery.Attempt{Err: wrapped(os.ErrDeadlineExceeded)}, "no_answer", "timeout"},
		"out of time":          {delivery.Attempt{Err: wrapped(context.DeadlineExceeded)}, "no_answer", "timeout"},
		"broken off":           {delivery.Attempt{Err: wrapped(context.Canceled)}, "no_answer", "canceled"},
		"unverified":           {delivery.Attempt{Err: wrapped(&tls.CertificateVerificationError{})}, "no_answer", "certificate"},
		"expired certificate":  {delivery.Attempt{Err: wrapped(x509.CertificateInvalidError{})}, "no_answer", "certificate"},
		"certificate's name":   {delivery.Attempt{Err: wrapped(x509.HostnameError{Certificate: &x509.Certificate{}})}, "no_answer", "certificate"},
		"unknown authority":    {delivery.Attempt{Err: wrapped(x509.UnknownAuthorityError{})}, "no_answer", "certificate"},
		"reset":                {delivery.Attempt{Err: errors.New("connection reset by peer")}, "no_answer", "connection"},
		"an answer, not taken": {delivery.Attempt{Status: 403, Err: errors.New("cut off")}, "client_error", "403"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook, reader, _ := telemetry(t, auditlogotel.Config{})
			test.attempt.Duration = time.Second
			hook.AttemptFinished(t.Context(), "", delivery.Result{Attempts: []delivery.Attempt{{Status: 503}, test.attempt}})
			got := collect(t, reader)
			require.EqualValues(t, 1, got["auditlog.attempts{auditlog.attempt.class="+test.class+"}"])
			var labels []string
			if test.errorType != "" {
				labels = append(labels, "error.type="+test.errorType)
			}
			if test.attempt.Status != 0 {
				labels = append(labels, fmt.Sprintf("http.response.status_code=%d", test.attempt.Status))
			}
			require.EqualValues(t, 1, got["auditlog.attempt.duration{"+strings.Join(labels, ",")+"}"], "%v", got)
		})
	}
}

func TestLost(t *testing.T) {
	t.Parallel()
	hook, reader, _ := telemetry(t, auditlogotel.Config{})
	hook.EventsLost(t.Context(), webhookID, store.Gap{Reason: store.Expired, Events: 7})
	hook.EventsLost(t.Context(), webhookID, store.Gap{Reason: store.Damaged, Events: 2})
	hook.EventsLost(t.Context(), webhookID, store.Gap{Reason: store.Expired, Events: 1})
	got := collect(t, reader)
	require.EqualValues(t, 8, got["auditlog.lost.events{auditlog.lost.reason=expired}"])
	require.EqualValues(t, 2, got["auditlog.lost.events{auditlog.lost.reason=damaged}"])
}

func TestDeadLettered(t *testing.T) {
	t.Parallel()
	hook, reader, _ := telemetry(t, auditlogotel.Config{WebhookID: true})
	hook.DeadLettered(t.Context(), webhookID, "letter", "413 Request Entity Too Large")
	require.Empty(t, cmp.Diff(map[string]int64{
		"auditlog.dead_lettered.events{auditlog.webhook.id=tenant-1}": 1,
	}, collect(t, reader)))
}

// A clock that was set back makes no negative delays.
func TestDelayIsNotNegative(t *testing.T) {
	t.Parallel()
	hook, reader, _ := telemetry(t, auditlogotel.Config{})
	recorded := time.Now()
	result := delivery.Result{Attempts: []delivery.Attempt{{Time: recorded.Add(-time.Hour), Status: 200}}}
	hook.DeliveryFinished(t.Context(), webhookID, result, recorded, nil)
	for _, m := range metrics(t, reader) {
		if m.Name == "auditlog.delivery.delay" {
			require.Zero(t, sum(t, m))
		}
	}
}

// Unless told otherwise the hook uses the program's providers.
func TestDefaults(t *testing.T) {
	t.Parallel()
	reader, spans := sdkmetric.NewManualReader(), tracetest.NewSpanRecorder()
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)))
	hook, err := auditlogotel.New(auditlogotel.Config{})
	require.NoError(t, err)
	result := delivery.Result{Endpoint: "https://example.com", Events: 5, Attempts: []delivery.Attempt{{Status: 200}}}
	hook.DeliveryFinished(t.Context(), webhookID, result, time.Now(), nil)
	require.EqualValues(t, 5, collect(t, reader)["auditlog.delivered.events"])
	require.Len(t, spans.Ended(), 2)
	require.Equal(t, map[string]any{
		"auditlog.batch.id": "", "auditlog.batch.events": int64(5), "auditlog.batch.size": int64(0),
		"server.address": "example.com", "server.port": int64(443),
	}, attributes(spans.Ended()[1]))
}

// refusing is a MeterProvider that makes nothing.
type refusing struct{ noop.MeterProvider }

type refusingMeter struct{ noop.Meter }

var errRefused = errors.New("no more instruments")

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

func (refusingMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return noop.Int64Counter{}, errRefused
}

func (refusingMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return noop.Float64Histogram{}, errRefused
}

func (refusingMeter) Int64ObservableUpDownCounter(string, ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	return noop.Int64ObservableUpDownCounter{}, errRefused
}

func (refusingMeter) Float64ObservableGauge(string, ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return noop.Float64ObservableGauge{}, errRefused
}

func (refusingMeter) Int64ObservableCounter(string, ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	return noop.Int64ObservableCounter{}, errRefused
}

func TestNewTellsTheProvidersErrors(t *testing.T) {
	t.Parallel()
	hook, err := auditlogotel.New(auditlogotel.Config{MeterProvider: refusing{}})
	require.Nil(t, hook)
	require.ErrorIs(t, err, errRefused)
	require.Empty(t, cmp.Diff(18, strings.Count(err.Error(), errRefused.Error())))
}
