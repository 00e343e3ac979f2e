package benchmarks

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// callEvents is how many events are recorded at a time, five times a batch.
const callEvents = 100

// BenchmarkPipeline takes events all the way: durable on disk, encoded as CEF,
// compressed, sent over TLS in batches of 500, and acknowledged. An operation is
// one batch. Both rows do it in two stages at the same time.
func BenchmarkPipeline(b *testing.B) {
	all := events(8_000)
	to := startServer(b, http1)
	for _, p := range []struct {
		name string
		run  func(b *testing.B, to receiver, events []auditlog.Event, n int)
	}{
		{"hand-written", handWrittenPipeline},
		{"shipper", shipperPipeline},
	} {
		b.Run(p.name, func(b *testing.B) {
			p.run(b, to, all, b.N*delivery.DefaultBatchEvents)
			b.ReportMetric(float64(b.N)*delivery.DefaultBatchEvents/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// handWrittenPipeline is what a careful engineer writes for one receiver: events
// are encoded when they come, appended to a file and synced, and handed to a
// goroutine that ships them and notes how far it is, in memory: after a crash
// it would begin at the start of the file.
func handWrittenPipeline(b *testing.B, to receiver, events []auditlog.Event, n int) {
	sender := newHandWritten(b, to)
	defer sender.close()
	file, err := os.Create(filepath.Join(b.TempDir(), "events"))
	require.NoError(b, err)
	defer func() { require.NoError(b, file.Close()) }()
	queue := make(chan []byte, 16)
	done := make(chan error, 1)
	var last time.Time // the status
	go func() {
		var failed error
		for body := range queue {
			if failed == nil {
				failed = sender.ship(b.Context(), delivery.Batch{ID: delivery.NewID(), Body: body})
				last = time.Now()
			}
		}
		done <- failed
	}()
	b.ResetTimer()
	var body []byte
	for i := 0; i < n; i += callEvents {
		start := len(body)
		for j := range callEvents {
			if len(body) > 0 {
				body = append(body, '\n')
			}
			if body, err = auditlog.CEF.Append(body, &events[(i+j)%len(events)]); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := file.Write(body[start:]); err != nil {
			b.Fatal(err)
		}
		if err := syncData(file); err != nil {
			b.Fatal(err)
		}
		if (i+callEvents)%delivery.DefaultBatchEvents == 0 {
			queue <- body
			body = make([]byte, 0, cap(body))
		}
	}
	close(queue)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	require.False(b, last.IsZero())
}

func shipperPipeline(b *testing.B, to receiver, events []auditlog.Event, n int) {
	s, stop := newEngine(b, to, engine.Config{})
	defer stop()
	configure(b, s, to, "webhook")
	b.ResetTimer()
	for i := 0; i < n; i += callEvents {
		at := i % len(events)
		if err := s.Record(b.Context(), "webhook", events[at:at+callEvents]...); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Drain(b.Context(), "webhook"); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	figures, err := s.Snapshot(b.Context())
	require.NoError(b, err)
	require.EqualValues(b, n, figures.Delivered)
}

// newEngine returns a Shipper over a disk store, and what stops it.
func newEngine(tb testing.TB, to receiver, cfg engine.Config) (*engine.Shipper, func()) {
	events, err := diskstore.Open(diskstore.Config{Dir: tb.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(tb, err)
	s, err := newEngineOver(events, to, cfg)
	require.NoError(tb, err)
	return s, func() {
		require.NoError(tb, s.Close(context.Background()))
		require.NoError(tb, events.Close())
	}
}

// newEngineOver returns a Shipper over a store.
func newEngineOver(events store.Store, to receiver, cfg engine.Config) (*engine.Shipper, error) {
	key, err := engine.NewKey(make([]byte, engine.KeyBytes))
	if err != nil {
		return nil, err
	}
	cfg.Store, cfg.Keys, cfg.Logger = events, []engine.Key{key}, slog.New(slog.DiscardHandler)
	cfg.Delivery.RootCAs = to.rootCAs
	cfg.Delivery.Guard = loopback()
	cfg.Delivery.UserAgent = userAgent
	return engine.New(cfg)
}

func configure(tb testing.TB, s *engine.Shipper, to receiver, id string) {
	_, err := s.Update(tb.Context(), id, webhook.Patch{
		Endpoint:      webhook.Set(to.url + "/" + id),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		Enabled:       webhook.Set(true),
	})
	require.NoError(tb, err)
}

// loopback lets deliveries reach the receiver beside this process.
func loopback() *delivery.Guard {
	return &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}
