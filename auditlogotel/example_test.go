package auditlogotel_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/auditlogotel"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func Example() {
	ctx := context.Background()
	siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{})
	if err != nil {
		panic(err)
	}
	defer siem.Close()
	events, err := memstore.Open(memstore.Config{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = events.Close() }()

	// Readers and exporters are the program's; these keep everything in memory.
	reader, spans := metric.NewManualReader(), tracetest.NewInMemoryExporter()
	hook, err := auditlogotel.New(auditlogotel.Config{
		MeterProvider:  metric.NewMeterProvider(metric.WithReader(reader)),
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
	})
	if err != nil {
		panic(err)
	}
	s, err := shipper.New(shipper.Config{
		Store:  events,
		Hooks:  []shipper.Hook{hook},
		Logger: slog.New(slog.DiscardHandler),
		Delivery: delivery.Config{
			RootCAs: siem.RootCAs(),
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
	})
	if err != nil {
		panic(err)
	}
	registration, err := hook.Register(s)
	if err != nil {
		panic(err)
	}
	defer func() { _ = registration.Unregister() }()

	_, err = s.Update(ctx, "tenant-1", webhook.Patch{
		Endpoint:      webhook.Set(siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret("Bearer example-token")),
		Enabled:       webhook.Set(true),
	})
	if err != nil {
		panic(err)
	}
	event := auditlog.Authorization{Time: time.Now(), Service: "billing", Resource: "invoices", Action: "delete", Granted: true}
	if err := s.Record(ctx, "tenant-1", event.Event()); err != nil {
		panic(err)
	}
	if err := s.Drain(ctx, "tenant-1"); err != nil {
		panic(err)
	}
	if err := s.Close(ctx); err != nil { // hooks are told last
		panic(err)
	}

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &collected); err != nil {
		panic(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "auditlog.delivered.events" {
			fmt.Println(m.Name, sum.DataPoints[0].Value)
		}
	}
	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name, span.SpanKind)
	}
	// Output:
	// auditlog.delivered.events 1
	// POST client
	// auditlog.deliver internal
}
