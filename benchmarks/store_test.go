package benchmarks

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
)

// ahead is how far the second raw log fills its file with zeros, in bytes. The
// store does the same.
const ahead = 256 << 10

// lines returns n different events in CEF.
func lines(tb testing.TB, n int) store.Block {
	tb.Helper()
	all := events(n)
	lines := make(store.Block, n)
	for i := range all {
		line, err := auditlog.CEF.Append(nil, &all[i])
		require.NoError(tb, err)
		lines[i] = line
	}
	return lines
}

func openStore(tb testing.TB, dir string) store.Store {
	tb.Helper()
	s, err := diskstore.Open(diskstore.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(tb, err)
	return s
}

// appender appends blocks, durably. It does not keep them.
type appender func(store.Block)

// appenders are those that are compared.
var appenders = []struct {
	name  string
	alone func(*testing.B) appender // for one caller
	many  func(*testing.B) appender // for callers at the same time
}{
	{
		"raw",
		func(b *testing.B) appender { return newRawLog(b, 0).append },
		func(b *testing.B) appender { return newRawGroup(newRawLog(b, 0)).append },
	},
	{"store", newStore, newStore},
	{
		"raw-ahead",
		func(b *testing.B) appender { return newRawLog(b, ahead).append },
		func(b *testing.B) appender { return newRawGroup(newRawLog(b, ahead)).append },
	},
}

func newStore(b *testing.B) appender {
	b.Helper()
	s := openStore(b, b.TempDir())
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	return func(block store.Block) {
		if _, err := s.Append(b.Context(), "webhook", "", block); err != nil {
			b.Error(err)
		}
	}
}

// BenchmarkStoreBatches is of one caller, who appends batches of 100 events one
// after the other.
func BenchmarkStoreBatches(b *testing.B) {
	const size = 100
	all := lines(b, eventCount)
	for _, row := range appenders {
		b.Run(row.name, func(b *testing.B) {
			add := row.alone(b)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				add(all[i%(len(all)/size)*size:][:size])
			}
			b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkStoreCallers is of 64 callers, who append one event at a time. An
// operation is one event.
func BenchmarkStoreCallers(b *testing.B) {
	const callers = 64
	all := lines(b, eventCount)
	for _, row := range appenders {
		b.Run(row.name, func(b *testing.B) {
			add := row.many(b)
			b.ReportAllocs()
			b.ResetTimer()
			var wait sync.WaitGroup
			for i := range callers {
				wait.Go(func() {
					for n := i; n < b.N; n += callers {
						add(all[n%len(all):][:1])
					}
				})
			}
			wait.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkStoreWaiting is of 1 000 000 unsent events, each a block of its own,
// as they are when an endpoint is down. An operation opens the store. It fails
// when they take more heap than they may.
func BenchmarkStoreWaiting(b *testing.B) {
	const (
		events  = 1_000_000
		maxHeap = 64 << 20
	)
	for _, streams := range []int{1, 10_000} {
		b.Run(fmt.Sprint("streams=", streams), func(b *testing.B) {
			dir := b.TempDir()
			before := heap()
			s := openStore(b, dir)
			fill(b, s, events, streams)
			accepted := heap() - before
			require.NoError(b, s.Close())
			var opened int64
			for b.Loop() {
				b.StopTimer()
				before := heap()
				b.StartTimer()
				s := openStore(b, dir)
				b.StopTimer()
				opened = heap() - before
				total, err := s.Total(b.Context())
				require.NoError(b, err)
				require.EqualValues(b, events, total.Events)
				require.NoError(b, s.Close())
				b.StartTimer()
			}
			require.Less(b, max(accepted, opened), int64(maxHeap))
			b.ReportMetric(float64(accepted)/(1<<20), "heap-accepted-MiB")
			b.ReportMetric(float64(opened)/(1<<20), "heap-opened-MiB")
		})
	}
}

// heap returns the bytes of all objects that are in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// fill appends so many events to so many streams in turn.
func fill(b *testing.B, s store.Store, events, streams int) {
	b.Helper()
	const callers = 1000
	all := lines(b, eventCount)
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			for n := i; n < events; n += callers {
				name := fmt.Sprint("webhook-", n%streams)
				if _, err := s.Append(b.Context(), name, "", all[n%len(all):][:1]); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wait.Wait()
}

// The comparison is fair only if the anchor keeps what it was given, too.
func TestRawLogHoldsTheEvents(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 25
	for _, ahead := range []int64{0, ahead} {
		log := newRawLog(t, ahead)
		group := newRawGroup(log)
		all := lines(t, callers*each)
		var wait sync.WaitGroup
		for i := range callers {
			wait.Go(func() {
				for n := range each {
					group.append(all[i*each+n:][:1])
				}
			})
		}
		wait.Wait()
		data, err := os.ReadFile(log.file.Name())
		require.NoError(t, err)
		for _, line := range all {
			require.Equal(t, 1, bytes.Count(data, line))
		}
	}
}
