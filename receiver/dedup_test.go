package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// line returns the n-th of as many different lines as are needed.
func line(n int) string { return fmt.Sprintf("%s msg=%d", cefOther, n) }

func body(lines ...int) string {
	all := make([]string, len(lines))
	for i, n := range lines {
		all[i] = line(n)
	}
	return strings.Join(all, "\n")
}

func TestDuplicateBatches(t *testing.T) {
	t.Parallel()
	type sent struct {
		id, body, authorization string
		zipped                  bool
		taken, conflict         bool
	}
	const other = "Bearer " + secretMark + "other"
	const later = "Bearer " + secretMark + "later"
	for _, test := range []struct {
		name string
		sent []sent
	}{
		{"the same id and body", []sent{{id: "a", body: body(1), taken: true}, {id: "a", body: body(1)}, {id: "a", body: body(1)}}},
		{"another id", []sent{{id: "a", body: body(1), taken: true}, {id: "b", body: body(1), taken: true}}},
		{"the same id with another body, then each again", []sent{{id: "a", body: body(1), taken: true}, {id: "a", body: body(2), taken: true, conflict: true}, {id: "a", body: body(2)}}},
		{"the same id with a body of the same length", []sent{{id: "a", body: "CEF:0|a|b|c|d|e|1|", taken: true}, {id: "a", body: "CEF:0|a|b|c|d|e|2|", taken: true, conflict: true}}},
		{"no id, the same body", []sent{{body: body(1, 2), taken: true}, {body: body(1, 2)}}},
		{"no id, the same body compressed", []sent{{body: body(1, 2), taken: true}, {body: body(1, 2), zipped: true}}},
		{"no id, another order", []sent{{body: body(1, 2), taken: true}, {body: body(2, 1), taken: true}}},
		{"an id, then none", []sent{{id: "a", body: body(1), taken: true}, {body: body(1), taken: true}}},
		{"the same id from another sender", []sent{{id: "a", body: body(1), taken: true}, {id: "a", body: body(2), authorization: other, taken: true}}},
		{"the same body from another sender", []sent{{body: body(1), taken: true}, {body: body(1), authorization: other, taken: true}}},
		{"the same id by another authorization of the sender", []sent{{id: "a", body: body(1), taken: true}, {id: "a", body: body(1), authorization: later}}},
		{"equal lines in one batch", []sent{{id: "a", body: body(1, 1, 1), taken: true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, taken, told := setup(t, receiver.Config{Senders: []receiver.Sender{
				{Name: "one", Authorizations: []webhook.Secret{webhook.NewSecret(authorization), webhook.NewSecret(later)}},
				{Name: "two", Authorizations: []webhook.Secret{webhook.NewSecret(other)}},
			}})
			want, duplicates, conflicts := 0, 0, 0
			for n, s := range test.sent {
				body := s.body
				if s.zipped {
					body = zip(t, body)
				}
				r := request(body)
				if s.id != "" {
					r.Header.Set("Webhook-Id", s.id)
				}
				if s.authorization != "" {
					r.Header.Set("Authorization", s.authorization)
				}
				require.Equal(t, 200, serve(h, r).StatusCode)
				if s.taken {
					want++
				} else {
					duplicates++
				}
				if s.conflict {
					conflicts++
				}
				result := told.last(t)
				require.Len(t, taken.taken(), want, n)
				require.Equal(t, s.taken, result.HandedOver, n)
				require.Equal(t, !s.taken, result.Duplicate, n)
				require.Equal(t, s.conflict, result.Conflict, n)
			}
			stats := h.Stats()
			require.Equal(t, []int64{int64(want), int64(duplicates), int64(conflicts)}, []int64{stats.Batches, stats.Duplicates, stats.Conflicts})
		})
	}
}

func TestDuplicateLines(t *testing.T) {
	t.Parallel()
	type sent struct {
		body   []int
		taken  []int
		before int // dropped
	}
	for _, test := range []struct {
		name string
		sent []sent
	}{
		{"halves of a batch", []sent{{[]int{1, 2, 3, 4}, []int{1, 2, 3, 4}, 0}, {[]int{1, 2}, nil, 2}, {[]int{3, 4}, nil, 2}}},
		{"some of a batch", []sent{{[]int{1, 2}, []int{1, 2}, 0}, {[]int{3, 2, 4}, []int{3, 4}, 1}}},
		{"equal lines are several events", []sent{{[]int{1, 1, 1}, []int{1, 1, 1}, 0}, {[]int{1, 1}, nil, 2}}},
		{"more equal lines than before", []sent{{[]int{1}, []int{1}, 0}, {[]int{1, 1, 1}, []int{1, 1}, 1}, {[]int{1, 1, 1, 1}, []int{1}, 3}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, taken, told := setup(t, receiver.Config{Dedup: receiver.DedupLines})
			var want []string
			for n, s := range test.sent {
				require.Equal(t, 200, post(h, body(s.body...), "Webhook-Id", fmt.Sprint(n)).StatusCode)
				for _, l := range s.taken {
					want = append(want, line(l))
				}
				require.Equal(t, want, taken.lines())
				require.Equal(t, s.before, told.last(t).DuplicateLines)
				require.Equal(t, len(s.taken), told.last(t).Lines)
				require.True(t, told.last(t).HandedOver)
			}
		})
	}
}

// Lines are those of one sender, and numbered as they were sent.
func TestDuplicateLinesOfSenders(t *testing.T) {
	t.Parallel()
	other := webhook.NewSecret("Bearer other")
	h, taken, _ := setup(t, receiver.Config{Dedup: receiver.DedupLines, Senders: []receiver.Sender{sender(), {Name: "two", Authorizations: []webhook.Secret{other}}}})
	post(h, body(1, 2))
	post(h, body(1, 3, 2, 4))
	r := request(body(1))
	r.Header.Set("Authorization", other.Reveal())
	serve(h, r)
	batches := taken.taken()
	require.Len(t, batches, 3)
	require.Equal(t, []int{2, 4}, []int{batches[1].Lines[0].Number, batches[1].Lines[1].Number})
	require.Len(t, batches[2].Lines, 1)
}

func TestDedupOff(t *testing.T) {
	t.Parallel()
	h, taken, _ := setup(t, receiver.Config{Dedup: receiver.DedupOff, Window: brokenWindow{}})
	for range 3 {
		require.Equal(t, 200, post(h, cefLine, "Webhook-Id", "a").StatusCode)
	}
	require.Len(t, taken.taken(), 3)
	require.Zero(t, h.Stats().WindowErrors)
}

// A batch that was answered 422 is not remembered, but its lines are, so that
// its sender can repeat them in smaller batches.
func TestReportedBatchIsNotRemembered(t *testing.T) {
	t.Parallel()
	h, taken, _ := setup(t, receiver.Config{ReportRejected: true, Dedup: receiver.DedupLines})
	batch := line(1) + "\nrubbish\n" + line(2)
	require.Equal(t, 422, post(h, batch, "Webhook-Id", "a").StatusCode)
	require.Equal(t, 422, post(h, batch, "Webhook-Id", "a").StatusCode)
	require.Equal(t, 422, post(h, line(1)+"\nrubbish", "Webhook-Id", "b").StatusCode)
	require.Equal(t, 200, post(h, line(2), "Webhook-Id", "c").StatusCode)
	require.Equal(t, []string{line(1), line(2)}, taken.lines())
}

// slow returns a HandOver that holds batches of the id until proceed is closed,
// and counts its calls.
func slow(taken *sink, id string, proceed <-chan struct{}, calls *atomic.Int64) func(context.Context, receiver.Batch) error {
	return func(ctx context.Context, batch receiver.Batch) error {
		calls.Add(1)
		if batch.ID == id {
			select {
			case <-proceed:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return taken.handOver(ctx, batch)
	}
}

// A duplicate that arrives while the first is handed over waits for what becomes
// of it.
func TestDuplicateMeanwhile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		err    error // of the first HandOver
		status int   // of the first request
		calls  int64
	}{
		{"the first succeeds", nil, 200, 1},
		{"the first fails, so another one is handed over", errTest, 503, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				taken, proceed, calls := &sink{}, make(chan struct{}), new(atomic.Int64)
				h, _, _ := setup(t, receiver.Config{HandOver: slow(taken, "a", proceed, calls)})
				require.Equal(t, 200, post(h, cefOther, "Webhook-Id", "b").StatusCode)
				taken.errs = []error{test.err}
				first := make(chan int, 1)
				go func() { first <- post(h, cefLine, "Webhook-Id", "a").StatusCode }()
				synctest.Wait()
				const waiting = 4
				others := make(chan int, waiting)
				for range waiting {
					go func() { others <- post(h, cefLine, "Webhook-Id", "a").StatusCode }()
				}
				synctest.Wait()
				require.Equal(t, int64(1+1), calls.Load(), "the others wait")
				close(proceed)
				require.Equal(t, test.status, <-first)
				for range waiting {
					require.Equal(t, 200, <-others)
				}
				require.Equal(t, 1+test.calls, calls.Load())
				require.Len(t, taken.taken(), 2)
			})
		})
	}
}

func TestDuplicateWaitsNoLongerThanHandOverMayTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		taken := &sink{}
		h, _, told := setup(t, receiver.Config{HandOver: func(ctx context.Context, batch receiver.Batch) error {
			<-proceed // whatever ctx says
			return taken.handOver(ctx, batch)
		}})
		first := make(chan int, 1)
		go func() { first <- post(h, cefLine, "Webhook-Id", "a").StatusCode }()
		synctest.Wait()
		start := time.Now()
		answer := post(h, cefLine, "Webhook-Id", "a")
		require.Equal(t, 503, answer.StatusCode)
		require.Equal(t, "another request has the same batch", text(t, answer))
		require.Equal(t, 15*time.Second, time.Since(start))
		require.ErrorIs(t, told.last(t).Err, context.DeadlineExceeded)
		close(proceed)
		require.Equal(t, 200, <-first)
		require.Len(t, taken.taken(), 1)
	})
}

// Many senders repeat many batches at once: each is handed over once.
func TestDuplicatesConcurrently(t *testing.T) {
	t.Parallel()
	h, taken, _ := setup(t, receiver.Config{})
	const batches, repeats = 50, 4
	var all sync.WaitGroup
	for n := range batches {
		for range repeats {
			all.Go(func() {
				if status := post(h, line(n), "Webhook-Id", fmt.Sprint(n)).StatusCode; status != 200 {
					t.Error(status)
				}
			})
		}
	}
	all.Wait()
	require.Len(t, taken.taken(), batches)
	require.Equal(t, int64(batches*(repeats-1)), h.Stats().Duplicates)
}

// brokenWindow fails.
type brokenWindow struct{}

var errWindow = errors.New("the window is broken")

func (brokenWindow) Recall(context.Context, []receiver.Key) ([]uint64, error) { return nil, errWindow }

func (brokenWindow) Remember(context.Context, []receiver.Mark) error { return errWindow }

// A window that fails costs nobody an event.
func TestBrokenWindow(t *testing.T) {
	t.Parallel()
	for _, dedup := range []receiver.Dedup{receiver.DedupBatches, receiver.DedupLines} {
		h, taken, told := setup(t, receiver.Config{Window: brokenWindow{}, Dedup: dedup})
		for n := range 2 {
			require.Equal(t, 200, post(h, cefLine, "Webhook-Id", "a").StatusCode)
			require.Len(t, taken.taken(), n+1)
			require.ErrorIs(t, told.last(t).WindowErr, errWindow)
			require.NoError(t, told.last(t).Err)
		}
		require.Equal(t, int64(2), h.Stats().WindowErrors)
	}
}

// A window that hangs holds nobody for long.
func TestHangingWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, taken, told := setup(t, receiver.Config{Window: hangingWindow{}})
		start := time.Now()
		require.Equal(t, 200, post(h, cefLine).StatusCode)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Len(t, taken.taken(), 1)
		require.ErrorIs(t, told.last(t).WindowErr, context.DeadlineExceeded)
	})
}

type hangingWindow struct{}

func (hangingWindow) Recall(ctx context.Context, _ []receiver.Key) ([]uint64, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (hangingWindow) Remember(ctx context.Context, _ []receiver.Mark) error {
	<-ctx.Done()
	return ctx.Err()
}

// crash is a panic as a crash of the process would be, at a moment of choice.
type crash struct{ receiver.Window }

func (crash) Remember(context.Context, []receiver.Mark) error { panic("crash") }

// A crash between handing over and remembering loses nothing: the sender has no
// answer, so it repeats the batch, which is handed over again. A crash between
// remembering and answering does not even repeat it.
func TestCrash(t *testing.T) {
	t.Parallel()
	documents := newDocuments(t)
	open := func() receiver.Window {
		w, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{})
		require.NoError(t, err)
		return w
	}
	taken := new(sink)
	h, _, _ := setup(t, receiver.Config{HandOver: taken.handOver, Window: crash{open()}})
	require.Panics(t, func() { post(h, cefLine, "Webhook-Id", "a") })
	require.Len(t, taken.taken(), 1, "it was handed over before the crash")

	h, _, _ = setup(t, receiver.Config{HandOver: taken.handOver, Window: open()})
	require.Equal(t, 200, post(h, cefLine, "Webhook-Id", "a").StatusCode)
	require.Len(t, taken.taken(), 2)

	h, _, _ = setup(t, receiver.Config{HandOver: taken.handOver, Window: open(), Hooks: []receiver.Hook{crashBeforeAnswer{}}})
	require.Panics(t, func() { post(h, cefOther, "Webhook-Id", "b") })
	require.Len(t, taken.taken(), 3)

	h, _, told := setup(t, receiver.Config{HandOver: taken.handOver, Window: open()})
	require.Equal(t, 200, post(h, cefOther, "Webhook-Id", "b").StatusCode)
	require.True(t, told.last(t).Duplicate)
	require.Len(t, taken.taken(), 3)
}

type crashBeforeAnswer struct{}

func (crashBeforeAnswer) RequestFinished(context.Context, receiver.Result) { panic("crash") }

// A HandOver that panics leaves nothing locked behind.
func TestHandOverPanics(t *testing.T) {
	t.Parallel()
	calls := 0
	h, _, _ := setup(t, receiver.Config{Limits: oneBatch, HandOver: func(context.Context, receiver.Batch) error {
		if calls++; calls <= 3 {
			panic("no")
		}
		return nil
	}})
	for range 3 {
		require.Panics(t, func() { post(h, cefLine, "Webhook-Id", "a") })
	}
	require.Equal(t, 200, post(h, cefLine, "Webhook-Id", "a").StatusCode)
}
