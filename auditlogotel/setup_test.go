package auditlogotel_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-6bcf82c5/auditlog/auditlogotel"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	secret        = "t0k-secret"
	authorization = "Bearer " + secret
	webhookID     = "tenant-1"
)

// fastClock runs twenty times as fast as the system's.
type fastClock struct{ start time.Time }

const speed = 20

func (c fastClock) Now() time.Time { return c.start.Add(time.Since(c.start) * speed) }

func (c fastClock) Sleep(ctx context.Context, d time.Duration) error {
	return store.SystemClock{}.Sleep(ctx, d/speed)
}

// finished passes on the results of deliveries, after the hook under test was
// told of them.
type finished chan delivery.Result

func (f finished) DeliveryFinished(_ context.Context, _ string, result delivery.Result, _ time.Time, _ error) {
	f <- result
}

// setup is a Shipper whose figures and spans are kept.
type setup struct {
	*shipper.Shipper
	t        *testing.T
	siem     *konnecttest.SIEM
	hook     *auditlogotel.Hook
	reader   *sdkmetric.ManualReader
	spans    *tracetest.SpanRecorder
	finished finished
	store    store.Store
	clock    fastClock
}

// telemetry returns a hook, and what it exports to.
func telemetry(t *testing.T, cfg auditlogotel.Config) (*auditlogotel.Hook, *sdkmetric.ManualReader, *tracetest.SpanRecorder) {
	t.Helper()
	reader, spans := sdkmetric.NewManualReader(), tracetest.NewSpanRecorder()
	cfg.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	cfg.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	hook, err := auditlogotel.New(cfg)
	require.NoError(t, err)
	return hook, reader, spans
}

func newSetup(t *testing.T, cfg auditlogotel.Config, change ...func(*shipper.Config)) *setup {
	t.Helper()
	s := &setup{
		t: t, finished: make(finished, 100), clock: fastClock{start: time.Now()},
		siem: konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: authorization, DisableHTTP2: true}),
	}
	s.hook, s.reader, s.spans = telemetry(t, cfg)
	var err error
	s.store, err = memstore.Open(memstore.Config{Clock: s.clock, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.store.Close()) })
	config := shipper.Config{
		Store: s.store, Clock: s.clock, Logger: slog.New(slog.DiscardHandler),
		Delivery: delivery.Config{
			RootCAs: s.siem.RootCAs(),
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
		Hooks: []shipper.Hook{s.hook, s.finished},
	}
	for _, f := range change {
		f(&config)
	}
	s.Shipper, err = shipper.New(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	registration, err := s.hook.Register(s.Shipper)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, registration.Unregister()) })
	s.update(webhookID, webhook.Patch{
		Endpoint:      webhook.Set(s.siem.URL() + "?key=" + secret),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		Enabled:       webhook.Set(true),
	})
	return s
}

func (s *setup) update(id string, patch webhook.Patch) {
	s.t.Helper()
	_, err := s.Update(s.t.Context(), id, patch)
	require.NoError(s.t, err)
}

// record records n events.
func (s *setup) record(id string, n int) {
	s.t.Helper()
	require.NoError(s.t, s.Record(s.t.Context(), id, konnecttest.Events(1, n, time.Now())...))
}

// deliveries waits until n more deliveries have ended.
func (s *setup) deliveries(n int) []delivery.Result {
	s.t.Helper()
	var all []delivery.Result
	for len(all) < n {
		select {
		case result := <-s.finished:
			all = append(all, result)
		case <-s.t.Context().Done():
			s.t.Fatalf("%d of %d deliveries", len(all), n)
		}
	}
	return all
}

// collect returns all figures by name and attributes: values, rounded down, and of
// histograms how many were recorded.
func collect(t *testing.T, reader *sdkmetric.ManualReader) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	for _, m := range metrics(t, reader) {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				got[m.Name+labels(p.Attributes)] = p.Value
			}
		case metricdata.Gauge[float64]:
			for _, p := range data.DataPoints {
				got[m.Name+labels(p.Attributes)] = int64(p.Value)
			}
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				got[m.Name+labels(p.Attributes)] = int64(p.Count)
			}
		default:
			t.Fatalf("%s is a %T", m.Name, data)
		}
	}
	return got
}

// metrics returns what is exported, of one scope.
func metrics(t *testing.T, reader *sdkmetric.ManualReader) []metricdata.Metrics {
	t.Helper()
	var data metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &data))
	if len(data.ScopeMetrics) == 0 {
		return nil
	}
	require.Len(t, data.ScopeMetrics, 1)
	require.Equal(t, "github.com/seed-6bcf82c5/auditlog/auditlogotel", data.ScopeMetrics[0].Scope.Name)
	require.NotEmpty(t, data.ScopeMetrics[0].Scope.SchemaURL)
	return data.ScopeMetrics[0].Metrics
}

// labels prints attributes as {a=1,b=2}, by key.
func labels(set attribute.Set) string {
	var all []string
	for _, a := range set.ToSlice() {
		all = append(all, fmt.Sprintf("%s=%v", a.Key, a.Value.AsInterface()))
	}
	if len(all) == 0 {
		return ""
	}
	return "{" + strings.Join(all, ",") + "}"
}

// sum returns that of a histogram's values.
func sum(t *testing.T, m metricdata.Metrics) float64 {
	t.Helper()
	data, ok := m.Data.(metricdata.Histogram[float64])
	require.True(t, ok)
	require.Len(t, data.DataPoints, 1)
	return data.DataPoints[0].Sum
}
