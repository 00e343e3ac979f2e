package benchmarks

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
)

const (
	tenants      = 10_000
	tenantsPause = 3 * time.Millisecond // between two events
)

// BenchmarkTenants records one event for each of ten thousand webhooks, one after
// the other, and tells how long it takes the events to be delivered: without and
// with one endpoint in a hundred that hangs. An operation is all of it. Events
// wait up to a second for others, and each webhook has a connection to make.
func BenchmarkTenants(b *testing.B) {
	to := startServer(b, http1)
	for _, row := range []struct {
		name  string
		every int // one of so many hangs; 0 for none
	}{
		{"none-hangs", 0},
		{"one-percent-hangs", 100},
	} {
		b.Run(row.name, func(b *testing.B) {
			ids := make([]string, tenants)
			for i := range ids {
				ids[i] = fmt.Sprintf("tenant-%d", i)
				if row.every > 0 && i%row.every == 0 {
					ids[i] = fmt.Sprintf("%s-%d", hanging, i)
				}
			}
			for b.Loop() {
				serveTenants(b, to, ids)
			}
		})
	}
}

func serveTenants(b *testing.B, to receiver, ids []string) {
	b.StopTimer()
	delays := &delays{}
	s, stop := newEngine(b, to, engine.Config{Hooks: []engine.Hook{delays}})
	for _, id := range ids {
		configure(b, s, to, id)
	}
	idle := runtime.NumGoroutine()
	one := events(1)[0]
	healthy := len(ids) - count(ids, hanging)
	b.StartTimer()
	most := 0
	for _, id := range ids {
		if err := s.Record(b.Context(), id, one); err != nil {
			b.Fatal(err)
		}
		most = max(most, runtime.NumGoroutine())
		time.Sleep(tenantsPause)
	}
	for !delays.complete(healthy) {
		most = max(most, runtime.NumGoroutine())
		time.Sleep(10 * time.Millisecond)
	}
	b.StopTimer()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Close(ended) // those that hang are cut off
	stop()
	all := delays.sorted()
	b.ReportMetric(float64(all[len(all)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Milliseconds()), "p99-ms")
	b.ReportMetric(float64(idle), "idle-goroutines")
	b.ReportMetric(float64(most), "most-goroutines")
	require.Len(b, all, healthy)
	b.StartTimer()
}

func count(ids []string, prefix string) (n int) {
	for _, id := range ids {
		if strings.HasPrefix(id, prefix) {
			n++
		}
	}
	return n
}

// delays is how long events took from being recorded to being delivered.
type delays struct {
	mu  sync.Mutex
	all []time.Duration
}

// DeliveryFinished implements [engine.DeliveryFinishedHook].
func (d *delays) DeliveryFinished(_ context.Context, _ string, _ delivery.Result, recorded time.Time, err error) {
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, time.Since(recorded))
}

func (d *delays) complete(n int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.all) >= n
}

func (d *delays) sorted() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.all)
	return slices.Clone(d.all)
}
