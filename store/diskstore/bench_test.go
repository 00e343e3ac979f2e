//go:build linux

package diskstore_test

import (
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
)

// benchEvents returns n different events of about 300 bytes.
func benchEvents(n int) store.Block {
	random := rand.New(rand.NewPCG(1, 2))
	events := make(store.Block, n)
	for i := range events {
		events[i] = fmt.Appendf(nil, "2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.control-planes|1|"+
			"rt=%d src=127.0.0.6 action=list granted=true org_id=%016x-%016x principal_id=%016x-%016x trace_id=%d user_agent=grpc-node-js/1.12.4",
			random.Uint64N(1<<41), random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64(), random.Uint64())
	}
	return events
}

func benchStore(b testing.TB, dir string) store.Store {
	s, err := diskstore.Open(diskstore.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(b, err)
	return s
}

// raw is what one would write without a store: append, checksum, fdatasync.
type raw struct {
	file *os.File
	buf  []byte
}

func newRaw(b *testing.B) *raw {
	file, err := os.OpenFile(filepath.Join(b.TempDir(), "raw"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(b, err)
	b.Cleanup(func() { _ = file.Close() })
	return &raw{file: file}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (r *raw) add(block store.Block) {
	for _, event := range block {
		r.buf = append(r.buf, event...)
	}
}

func (r *raw) flush(b *testing.B) {
	sum := crc32.Checksum(r.buf, castagnoli)
	r.buf = append(r.buf, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
	if _, err := r.file.Write(r.buf); err != nil {
		b.Fatal(err)
	}
	if err := syscall.Fdatasync(int(r.file.Fd())); err != nil {
		b.Fatal(err)
	}
	r.buf = r.buf[:0]
}

// BenchmarkAppend is of batches of 100 from one caller. The two take turns, so
// that the disk's moods hit both; raw/store is the goal's ratio.
func BenchmarkAppend(b *testing.B) {
	events := benchEvents(4096)
	s := benchStore(b, b.TempDir())
	defer func() { _ = s.Close() }()
	r := newRaw(b)
	var ours, theirs time.Duration
	n := 0
	for b.Loop() {
		block := events[n%40*100:][:100]
		turns := []func(){
			func() {
				start := time.Now()
				if _, err := s.Append(b.Context(), "webhook", "", block); err != nil {
					b.Fatal(err)
				}
				ours += time.Since(start)
			},
			func() {
				start := time.Now()
				r.add(block)
				r.flush(b)
				theirs += time.Since(start)
			},
		}
		turns[n%2]()
		turns[1-n%2]()
		n++
	}
	report(b, ours, theirs, n)
}

func report(b *testing.B, ours, theirs time.Duration, n int) {
	b.ReportMetric(float64(ours.Microseconds())/float64(n), "store-µs/op")
	b.ReportMetric(float64(theirs.Microseconds())/float64(n), "raw-µs/op")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "raw/store")
}

// BenchmarkGroupCommit is of 64 callers of one event each, in rounds of 32
// events per caller; beside it a hand-written group commit.
func BenchmarkGroupCommit(b *testing.B) {
	const callers, each = 64, 32
	events := benchEvents(4096)
	s := benchStore(b, b.TempDir())
	defer func() { _ = s.Close() }()
	g := newGroup(b)
	round := func(add func(store.Block)) time.Duration {
		start := time.Now()
		var wait sync.WaitGroup
		for i := range callers {
			wait.Go(func() {
				for n := range each {
					add(events[i*each+n:][:1])
				}
			})
		}
		wait.Wait()
		return time.Since(start)
	}
	var ours, theirs time.Duration
	n := 0
	for b.Loop() {
		n += callers * each
		ours += round(func(block store.Block) {
			if _, err := s.Append(b.Context(), "webhook", "", block); err != nil {
				b.Error(err)
			}
		})
		theirs += round(g.append)
	}
	report(b, ours, theirs, n)
}

// group is a hand-written group commit: whoever comes while nobody writes,
// writes for all who wait.
type group struct {
	b       *testing.B
	raw     *raw
	mu      sync.Mutex
	writing bool
	next    *ticket
	buf     []byte
}

type ticket struct{ done chan struct{} }

func newGroup(b *testing.B) *group {
	return &group{b: b, raw: newRaw(b), next: &ticket{make(chan struct{})}}
}

func (g *group) append(block store.Block) {
	g.mu.Lock()
	for _, event := range block {
		g.buf = append(g.buf, event...)
	}
	mine := g.next
	for g.writing {
		g.mu.Unlock()
		<-mine.done
		return
	}
	g.writing = true
	for len(g.buf) > 0 {
		current := g.next
		g.next = &ticket{make(chan struct{})}
		g.raw.buf, g.buf = g.buf, g.raw.buf[:0]
		g.mu.Unlock()
		g.raw.flush(g.b)
		close(current.done)
		g.mu.Lock()
	}
	g.writing = false
	g.mu.Unlock()
}

// BenchmarkMillionWaiting is of 1 000 000 unsent events, each its own block, in
// one stream and in ten thousand: the heap that they take, and the time to open
// the store again.
func BenchmarkMillionWaiting(b *testing.B) {
	for _, streams := range []int{1, 10_000} {
		b.Run(fmt.Sprint(streams, " streams"), func(b *testing.B) {
			dir := b.TempDir()
			fillMillion(b, dir, streams)
			for b.Loop() {
				before := heap()
				start := time.Now()
				s := benchStore(b, dir)
				b.ReportMetric(time.Since(start).Seconds(), "open-s")
				total, err := s.Total(b.Context())
				require.NoError(b, err)
				require.EqualValues(b, 1_000_000, total.Events)
				b.ReportMetric(float64(heap()-before)/(1<<20), "heap-MiB")
				require.NoError(b, s.Close())
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func fillMillion(b *testing.B, dir string, streams int) {
	s := benchStore(b, dir)
	defer func() { _ = s.Close() }()
	events := benchEvents(4096)
	const callers = 1000
	var wait sync.WaitGroup
	for i := range callers {
		wait.Go(func() {
			for n := range 1_000_000 / callers {
				at := i*1000 + n
				if _, err := s.Append(b.Context(), fmt.Sprint("webhook-", at%streams), "", events[at%4096:][:1]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	b.Logf("heap while open: %d MiB", heap()>>20)
}
