package benchmarks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	replayBefore = 1_000 // events that are too old for the job
	replayRange  = 100_000
	replayLive   = 1_000                // events recorded while the job is running
	replayPause  = 2 * time.Millisecond // between events that the range divides

	// replayAge is how long a live event waits for others: not the usual
	// second, which would hide what the job costs.
	replayAge = 10 * time.Millisecond
)

// BenchmarkReplay records a thousand events, each as soon as the one before is
// durable, and tells how long they take to be delivered: alone, and while a job
// sends a hundred thousand older ones again from the disk. An operation is all of
// it. The receiver counts which events it gets how often.
func BenchmarkReplay(b *testing.B) {
	to := startServer(b, ledgerServer)
	for _, row := range []struct {
		name   string
		replay bool
	}{
		{"live-alone", false},
		{"live-beside-a-replay", true},
	} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				replayBesideLive(b, to, row.replay)
			}
		})
	}
}

func replayBesideLive(b *testing.B, to receiver, replay bool) {
	b.StopTimer()
	const id = "webhook"
	ledgerOf(b, to) // forgets what was before
	live := &liveDelays{}
	s, stop := newEngine(b, to, engine.Config{BatchAge: replayAge, Hooks: []engine.Hook{live}})
	defer stop()
	configure(b, s, to, id)
	numbered := events(replayBefore + replayRange + replayLive)
	for i := range numbered {
		all := numbered[i].Attributes
		at := slices.IndexFunc(all, func(a auditlog.Attribute) bool { return a.Key == ledgerKey })
		all[at].Value = auditlog.String("", strconv.Itoa(i)).Value
	}
	record := func(events []auditlog.Event) (first, last time.Time) {
		time.Sleep(replayPause) // the store tells times in milliseconds
		first = time.Now()
		for call := range slices.Chunk(events, 1000) {
			require.NoError(b, s.Record(b.Context(), id, call...))
		}
		last = time.Now()
		time.Sleep(replayPause)
		return first, last
	}
	record(numbered[:replayBefore])
	first, last := record(numbered[replayBefore : replayBefore+replayRange])
	require.NoError(b, s.Drain(b.Context(), id))
	live.begin()

	b.StartTimer()
	began := time.Now()
	if replay {
		_, err := s.StartReplay(b.Context(), id, first, last)
		require.NoError(b, err)
	}
	for i := range replayLive {
		live.recording()
		if err := s.Record(b.Context(), id, numbered[replayBefore+replayRange+i]); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, s.Drain(b.Context(), id))
	b.StopTimer()

	all := live.sorted()
	require.Len(b, all, replayLive)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
	want := 1
	if replay {
		want = 2
		job, err := s.Replay(b.Context(), id)
		for ; err == nil && !job.Job.Status.Ended(); job, err = s.Replay(b.Context(), id) {
			time.Sleep(replayPause)
		}
		require.NoError(b, err)
		require.Equal(b, webhook.JobCompleted, job.Job.Status)
		require.EqualValues(b, replayRange, job.Sent)
		b.ReportMetric(replayRange/job.Job.UpdatedAt.Sub(began).Seconds(), "replayed/s")
	}
	got := ledgerOf(b, to)
	for i := range numbered {
		times := 1
		if i >= replayBefore && i < replayBefore+replayRange {
			times = want
		}
		if got[i] != times { // not require, which takes long so often
			b.Fatalf("event %d came %d times, not %d", i, got[i], times)
		}
	}
	b.StartTimer()
}

// liveDelays is how long events took, one after the other, from being recorded
// to being delivered. Those of a replay are not told to hooks of deliveries.
type liveDelays struct {
	mu       sync.Mutex
	recorded []time.Time // of those that are not delivered yet
	counting bool
	all      []time.Duration
}

func (d *liveDelays) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counting = true
}

func (d *liveDelays) recording() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.recorded = append(d.recorded, time.Now())
}

// DeliveryFinished implements [engine.DeliveryFinishedHook].
func (d *liveDelays) DeliveryFinished(_ context.Context, _ string, result delivery.Result, _ time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || !d.counting {
		return
	}
	now := time.Now()
	for _, recorded := range d.recorded[:result.Events] {
		d.all = append(d.all, now.Sub(recorded))
	}
	d.recorded = d.recorded[result.Events:]
}

func (d *liveDelays) sorted() []time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	slices.Sort(d.all)
	return d.all
}

const (
	// ledgerServer makes the receiver count events by their numbers, which are
	// values of the ledgerKey.
	ledgerServer = "ledger"
	ledgerKey    = "trace_id"
)

// ledger is what such a receiver has got.
type ledger struct {
	mu     sync.Mutex
	counts map[int]int
}

// ServeHTTP counts what is posted, and answers anything else with the counts,
// which begin anew then.
func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		l.mu.Lock()
		defer l.mu.Unlock()
		_ = json.NewEncoder(w).Encode(l.counts)
		l.counts = map[int]int{}
		return
	}
	numbers, err := numbersIn(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range numbers {
		l.counts[n]++
	}
}

func numbersIn(body io.Reader) ([]int, error) {
	zipped, err := gzip.NewReader(body)
	if err != nil {
		return nil, err
	}
	var numbers []int
	lines := bufio.NewScanner(zipped)
	for lines.Scan() {
		_, number, _ := bytes.Cut(lines.Bytes(), []byte(" "+ledgerKey+"="))
		number, _, _ = bytes.Cut(number, []byte(" "))
		n, err := strconv.Atoi(string(number))
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, n)
	}
	return numbers, lines.Err()
}

// ledgerOf returns how often the receiver has got each event since the last
// time.
func ledgerOf(b *testing.B, to receiver) map[int]int {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: to.rootCAs, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, to.url, nil)
	require.NoError(b, err)
	resp, err := client.Do(r)
	require.NoError(b, err)
	counts := map[int]int{}
	require.NoError(b, json.NewDecoder(resp.Body).Decode(&counts))
	require.NoError(b, resp.Body.Close())
	return counts
}
