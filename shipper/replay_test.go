package shipper_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// replay starts a job.
func (s *setup) replay(from, to time.Time) {
	s.t.Helper()
	r, err := s.StartReplay(s.t.Context(), hook, from, to)
	require.NoError(s.t, err)
	require.Equal(s.t, webhook.JobAccepted, r.Job.Status)
}

// requireReplay asserts how far the job has come.
func (s *setup) requireReplay(status webhook.JobStatus, sent, refused, total int) {
	s.t.Helper()
	r, err := s.Replay(s.t.Context(), hook)
	require.NoError(s.t, err)
	type job struct {
		Status               webhook.JobStatus
		Sent, Refused, Total int64
	}
	want := job{status, int64(sent), int64(refused), int64(total)}
	if d := cmp.Diff(want, job{r.Job.Status, r.Sent, r.Refused, r.Total}); d != "" {
		s.t.Fatal(r.Reason, d)
	}
}

// record3 records 1, 2 and 3, a minute apart and delivered, and returns when.
func (s *setup) record3() []time.Time {
	s.t.Helper()
	var times []time.Time
	for _, name := range numbered(4)[1:] {
		times = append(times, time.Now())
		s.record(name)
		pass(time.Minute)
	}
	return times
}

func TestReplay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		from, to time.Duration // from the times of the first and the last event
		want     []string
	}{
		{"all", 0, 0, []string{"1", "2", "3"}},
		{"not the first", 1, 0, []string{"2", "3"}},
		{"not the last", 0, -time.Millisecond, []string{"1", "2"}},
		{"one", time.Second, -time.Second, []string{"2"}},
		{"none", 61 * time.Second, -time.Second, nil},
		{"until now", 0, time.Minute, []string{"1", "2", "3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil))
				s.requireReplay(webhook.JobUnconfigured, 0, 0, 0)
				times := s.record3()
				before := s.report()
				live := s.endpoint.received()
				from, to := times[0].Add(test.from), times[2].Add(test.to)
				s.replay(from, to)
				pass(time.Second)
				s.requireReplay(webhook.JobCompleted, len(test.want), 0, len(test.want))
				job, err := s.Replay(t.Context(), hook)
				require.NoError(t, err)
				require.Equal(t, webhook.ReplayJob{
					StartAt: from.UTC(), EndAt: to.UTC(), Status: webhook.JobCompleted, UpdatedAt: time.Now().Add(-time.Second).UTC(),
				}, job.Job)

				all := s.endpoint.received()[len(live):]
				var got []string
				for _, r := range all {
					got = append(got, r.names()...)
					require.False(t, slices.ContainsFunc(live, func(l request) bool { return l.id == r.id }), "an id of its own")
				}
				require.Equal(t, test.want, got)
				require.Equal(t, before, s.report(), "of live events only")
				snapshot, err := s.Snapshot(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, len(test.want), snapshot.Replayed)
				require.EqualValues(t, 3, snapshot.Delivered)
				require.Zero(t, snapshot.Queued)
			})
		})
	}
}

func TestReplayRefused(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, test := range []struct {
		name     string
		from, to time.Duration // from now
		off      bool
		want     string
	}{
		{"long ago", -8 * day, 0, false, "start_at: must be within the last 7 days"},
		{"in the future", -day, 2 * time.Minute, false, "end_at: must not be in the future"},
		{"backwards", -day, -2 * day, false, "end_at: must not be before start_at"},
		{"switched off", -day, 0, true, "enabled: must be true"},
		{"just", -7*day - time.Minute, time.Minute, false, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil))
				s.update(webhook.Patch{Enabled: webhook.Set(!test.off)})
				now := time.Now()
				_, err := s.StartReplay(t.Context(), hook, now.Add(test.from), now.Add(test.to), events("told")...)
				if test.want == "" {
					require.NoError(t, err)
					require.Equal(t, []string{"told"}, s.recorded())
					return
				}
				var invalid *webhook.ValidationError
				require.ErrorAs(t, err, &invalid)
				require.ErrorContains(t, err, test.want)
				require.Empty(t, s.recorded())
				s.requireReplay(webhook.JobUnconfigured, 0, 0, 0)
			})
		})
	}
	t.Run("ids", func(t *testing.T) {
		t.Parallel()
		s := newSetup(t, newEndpoint(t, nil))
		for _, id := range []string{"", "$replay/x"} {
			var wrong *store.NameError
			_, err := s.StartReplay(t.Context(), id, time.Now(), time.Now())
			require.ErrorAs(t, err, &wrong)
			_, err = s.Replay(t.Context(), id)
			require.ErrorAs(t, err, &wrong)
			require.ErrorAs(t, s.Record(t.Context(), id, events("1")...), &wrong)
		}
	})
}

// A job is replaced until it is running.
func TestReplayReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(c *shipper.Config) { c.Workers, c.SlowWorkers = 1, 1 })
		times := s.record3()
		// Two endpoints that hang have both places.
		s.endpoint.set(func(r request, _ int) int {
			if r.host == "hangs.example.com" {
				return hang
			}
			return http.StatusOK
		})
		for _, other := range []string{"other 1", "other 2"} {
			_, err := s.Update(t.Context(), other, webhook.Patch{
				Endpoint: webhook.Set("https://hangs.example.com"), Authorization: webhook.Set(webhook.NewSecret(authorization)), Enabled: webhook.Set(true),
			})
			require.NoError(t, err)
			require.NoError(t, s.Record(t.Context(), other, events("x")...))
		}
		pass(3 * time.Second)
		s.replay(times[0], times[0])
		pass(time.Second)
		s.requireReplay(webhook.JobAccepted, 0, 0, 0)
		s.replay(times[1], times[1])
		s.replay(times[2], times[2])
		for _, other := range []string{"other 1", "other 2"} {
			require.NoError(t, s.Delete(t.Context(), other))
		}
		pass(time.Minute)
		s.requireReplay(webhook.JobCompleted, 1, 0, 1)
		require.Equal(t, []string{"1", "2", "3", "3"}, s.endpoint.names())
	})
}

// While a job is running there is no other, and live events go on in order.
func TestReplayBesideLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		times := s.record3()
		s.endpoint.set(func(r request, _ int) int {
			if r.names()[0] == "1" {
				return hang
			}
			return http.StatusOK
		})
		s.replay(times[0], time.Now())
		pass(time.Second)
		s.requireReplay(webhook.JobRunning, 0, 0, 3)
		_, err := s.StartReplay(t.Context(), hook, times[0], time.Now(), events("not recorded")...)
		require.ErrorIs(t, err, shipper.ErrReplayRunning)
		s.record("4")
		pass(time.Second)
		s.record("5")
		pass(5 * time.Second)
		require.Equal(t, []string{"1", "2", "3", "4", "5"}, s.endpoint.names())
		s.endpoint.set(nil)
		pass(time.Minute)
		require.Equal(t, []string{"1", "2", "3", "4", "5", "1", "2", "3"}, s.endpoint.names())
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
		s.replay(times[0], times[0]) // now there can be another one
	})
}

// Many batches, over restarts: each event once, unless an answer was lost, and
// each batch under one id.
func TestReplayOverRestarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		began, all := time.Now(), numbered(1700)
		s.record(all...)
		pass(time.Minute)
		live := len(s.endpoint.received())
		n := 0
		s.endpoint.set(func(r request, _ int) int {
			if n++; n%2 == 0 {
				return http.StatusServiceUnavailable
			}
			return http.StatusOK
		})
		s.replay(began, began)
		for range 3 {
			pass(time.Second / 2) // a batch, then the wait for the next attempt
			s.stop()
			s = start(t, s.endpoint, s.store)
		}
		pass(time.Minute)
		s.requireReplay(webhook.JobCompleted, 1700, 0, 1700)
		require.Equal(t, slices.Concat(all, all), s.endpoint.names())
		ids := map[string]string{}
		for _, r := range s.endpoint.received()[live:] {
			first := r.names()[0]
			if ids[first] == "" {
				ids[first] = r.id
			}
			require.Equal(t, ids[first], r.id)
		}
		require.Len(t, ids, 4)
	})
}

// More batches than a turn has.
func TestReplayInTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(c *shipper.Config) { c.Batch.Events = 1 })
		began, all := time.Now(), numbered(200)
		s.record(all...)
		pass(time.Minute)
		s.replay(began, began)
		pass(time.Second)
		s.requireReplay(webhook.JobCompleted, 200, 0, 200)
		require.Equal(t, slices.Concat(all, all), s.endpoint.names())
	})
}

// Batches are bounded by bytes too, as they are stored and as they are sent.
func TestReplayBatchBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(c *shipper.Config) { c.Batch.Bytes = 100 })
		began, all := time.Now(), numbered(7)
		s.record(all...)
		pass(time.Minute)
		live := len(s.endpoint.received())
		s.replay(began, began)
		pass(time.Second)
		s.requireReplay(webhook.JobCompleted, 7, 0, 7)
		require.Equal(t, slices.Concat(all, all), s.endpoint.names())
		for _, r := range s.endpoint.received()[live:] {
			require.LessOrEqual(t, len(strings.Join(r.lines, "\n")), 100)
		}
	})
}

// An endpoint that takes nothing is probed, ever less often, until the job fails.
func TestReplayFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		times := s.record3()
		s.endpoint.set(always(http.StatusServiceUnavailable))
		live := len(s.endpoint.received())
		began := time.Now()
		s.replay(times[0], times[2])
		pass(20 * time.Second)
		s.requireReplay(webhook.JobRunning, 0, 0, 3)
		s.requireStatus(true, status.Active, http.StatusOK)
		pass(time.Hour)
		s.requireReplay(webhook.JobFailed, 0, 0, 3)
		job, err := s.Replay(t.Context(), hook)
		require.NoError(t, err)
		require.Equal(t, "503 Service Unavailable", job.Reason)
		require.Equal(t, began.Add(15*time.Second+shipper.DefaultReplayPatience).UTC(), job.Job.UpdatedAt)
		var at []int
		for _, r := range s.endpoint.received()[live:] {
			at = append(at, int(r.time.Sub(began)/time.Second))
		}
		require.Equal(t, []int{0, 1, 3, 7, 15, 30, 60, 120, 240, 480, 780, 915}, at)
		s.replay(times[0], times[2]) // there can be another one
	})
}

// The endpoint answers again, or the configuration changes: the job goes on.
func TestReplayReleased(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		patch webhook.Patch
		after time.Duration
	}{
		{"by itself", webhook.Patch{}, time.Minute},
		{"by a change", webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Bearer new"))}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil))
				times := s.record3()
				s.endpoint.set(always(http.StatusUnauthorized))
				s.replay(times[0], times[2])
				pass(50 * time.Second)
				s.requireReplay(webhook.JobRunning, 0, 0, 3)
				s.endpoint.set(nil)
				s.update(test.patch)
				pass(test.after)
				s.requireReplay(webhook.JobCompleted, 3, 0, 3)
				job, err := s.Replay(t.Context(), hook)
				require.NoError(t, err)
				require.Empty(t, job.Reason)
			})
		})
	}
}

// A change breaks an attempt off, and counts the patience anew.
func TestReplayReconfigured(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		times := s.record3()
		s.endpoint.set(always(hang))
		s.replay(times[0], times[2])
		pass(14 * time.Minute)
		s.endpoint.set(always(http.StatusNotFound))
		s.update(webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
		pass(14 * time.Minute)
		s.requireReplay(webhook.JobRunning, 0, 0, 3)
		s.endpoint.set(nil)
		pass(5 * time.Minute)
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
		all := s.endpoint.received()
		require.Equal(t, byte('{'), all[len(all)-1].lines[0][0])
	})
}

// A webhook that is switched off, or deleted, takes no more of the job.
func TestReplaySwitchedOff(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]func(*setup){
		"off":     func(s *setup) { s.update(webhook.Patch{Enabled: webhook.Set(false)}) },
		"deleted": func(s *setup) { require.NoError(s.t, s.Delete(s.t.Context(), hook)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil))
				times := s.record3()
				s.endpoint.set(always(hang))
				s.replay(times[0], times[2])
				pass(time.Second)
				off(s)
				s.endpoint.set(nil)
				pass(time.Second)
				s.requireReplay(webhook.JobFailed, 0, 0, 3)
				require.Equal(t, []string{"1", "2", "3"}, s.endpoint.names())
			})
		})
	}
}

// Refusals that may be about events.
func TestReplayRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		answer        func(request, int) int
		n             int
		status        webhook.JobStatus
		sent, refused int
	}{
		{"one", refusing(400, "2"), 5, webhook.JobCompleted, 4, 1},
		{"the first", refusing(422, "0"), 5, webhook.JobCompleted, 4, 1},
		{"too large together", func(r request, _ int) int {
			if len(r.lines) > 1 {
				return 413
			}
			return 200
		}, 5, webhook.JobCompleted, 5, 0},
		{"many, but not in a row", func(r request, _ int) int {
			if slices.ContainsFunc(r.names(), func(n string) bool { return strings.HasSuffix(n, "7") }) {
				return 400
			}
			return 200
		}, 200, webhook.JobCompleted, 180, 20},
		{"all of a few", always(400), 3, webhook.JobFailed, 0, 3},
		{"all of many", always(400), 50, webhook.JobFailed, 0, 16},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil))
				began := time.Now()
				s.record(numbered(test.n)...)
				pass(time.Minute)
				s.endpoint.set(test.answer)
				s.replay(began, began)
				pass(time.Minute)
				s.requireReplay(test.status, test.sent, test.refused, test.n)
				require.Empty(t, s.letters())
			})
		})
	}
}

// A batch is split in halves.
func TestReplayBisects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		began := time.Now()
		s.record(numbered(64)...)
		pass(time.Minute)
		s.endpoint.set(refusing(400, "33"))
		s.replay(began, began)
		pass(time.Minute)
		s.requireReplay(webhook.JobCompleted, 63, 1, 64)
		require.Len(t, s.endpoint.received(), 1+1+2*6)
		require.Equal(t, slices.DeleteFunc(numbered(64), func(n string) bool { return n == "33" }), s.endpoint.names()[64:])
	})
}

// Patience is counted from the last batch that was taken.
func TestReplayOfFlappingEndpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(c *shipper.Config) { c.Batch.Events = 1 })
		times := s.record3()
		for i := range 3 {
			began := time.Now()
			s.endpoint.set(func(r request, _ int) int {
				if time.Since(began) < 10*time.Minute || r.names()[0] != numbered(4)[i+1] {
					return http.StatusServiceUnavailable
				}
				return http.StatusOK
			})
			if i == 0 {
				s.replay(times[0], times[2])
			}
			pass(14 * time.Minute)
		}
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
	})
}

// faulty is a memory store that does to some calls what a test says.
type faulty struct {
	store.Store
	mu     sync.Mutex
	read   func(stream string, seq iter.Seq2[store.Event, error]) iter.Seq2[store.Event, error]
	append func(stream string) error
	put    func(key string) error
}

func newFaulty(t testing.TB) *faulty { return &faulty{Store: memory(t)} }

func (f *faulty) Volatile() bool { return true }

func (f *faulty) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *faulty) Read(ctx context.Context, stream string, from store.From) iter.Seq2[store.Event, error] {
	f.mu.Lock()
	defer f.mu.Unlock()
	seq := f.Store.Read(ctx, stream, from)
	if f.read != nil {
		return f.read(stream, seq)
	}
	return seq
}

func (f *faulty) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	f.mu.Lock()
	fail := f.put
	f.mu.Unlock()
	if fail != nil {
		if err := fail(key); err != nil {
			return 0, err
		}
	}
	return f.Store.Put(ctx, key, value, revision)
}

func (f *faulty) Append(ctx context.Context, stream, dedupID string, block store.Block) (uint64, error) {
	f.mu.Lock()
	fail := f.append
	f.mu.Unlock()
	if fail != nil {
		if err := fail(stream); err != nil {
			return 0, err
		}
	}
	return f.Store.Append(ctx, stream, dedupID, block)
}

// A job that cannot be handed out is not accepted.
func TestReplayNotHandedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newFaulty(t)
		s := start(t, newEndpoint(t, nil), st)
		s.configure()
		times := s.record3()
		st.set(func() {
			st.append = func(stream string) error {
				if stream != hook {
					return errors.New("the disk is gone")
				}
				return nil
			}
		})
		_, err := s.StartReplay(t.Context(), hook, times[0], times[2])
		require.ErrorContains(t, err, "the disk is gone")
		pass(time.Hour)
		s.requireReplay(webhook.JobUnconfigured, 0, 0, 0)
	})
}

// A process that dies before the job is stored leaves nothing behind that later jobs
// have to wait for.
func TestReplayOfDeadProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, f, sealed := newEndpoint(t, nil), &faultyStore{Store: memory(t)}, sealing(keyOf(t, "k"))
		dead, s := start(t, e, f, sealed), start(t, e, f.Store, sealed)
		s.configure()
		times := s.record3()
		f.set(faultyIn("Put"), nil)
		_, err := dead.StartReplay(t.Context(), hook, times[0], times[2])
		require.ErrorIs(t, err, errFaulty)
		dead.stop()
		s.replay(times[2], times[2])
		pass(time.Second)
		s.requireReplay(webhook.JobCompleted, 1, 0, 1)
		pass(time.Hour)
		s.requireReplay(webhook.JobCompleted, 1, 0, 1)
	})
}

// A job whose name was lost is handed out again at the next start, also where the
// store cannot be reached then.
func TestReplayResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, f, sealed := newEndpoint(t, always(http503)), &faultyStore{Store: memory(t)}, sealing(keyOf(t, "k"))
		s := start(t, e, f, sealed)
		s.configure()
		times := s.record3()
		s.replay(times[0], times[2])
		pass(time.Minute)
		s.stop()
		require.NoError(t, f.DeleteStream(t.Context(), "$replay/"+hook))
		e.set(nil)
		f.set(func(method string, call int) error {
			if method == "List" && call == 0 {
				return errFaulty
			}
			return nil
		}, nil)
		s = start(t, e, f, sealed)
		pass(time.Hour)
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
		require.Contains(t, s.logs.String(), "replay jobs cannot be resumed")
	})
}

// sluggish is a store that takes long to write jobs.
type sluggish struct {
	store.Store

	takes atomic.Int64 // nanoseconds
}

func (p *sluggish) Put(ctx context.Context, key string, value []byte, old uint64) (uint64, error) {
	if strings.HasPrefix(key, "replay/") {
		_ = store.SystemClock{}.Sleep(ctx, time.Duration(p.takes.Load()))
	}
	return p.Store.Put(ctx, key, value, old)
}

// A job that is accepted is worked on, however long its write takes and whatever the
// store's clock says.
func TestReplayStoredSlowly(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{time.Second, 59 * time.Second, 62 * time.Second, 5 * time.Minute} {
		for _, ahead := range []time.Duration{0, -2 * time.Minute, 2 * time.Minute} {
			t.Run(fmt.Sprint(takes, ahead), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					slow := &sluggish{Store: memory(t, func(c *memstore.Config) { c.Clock = otherClock{ahead: ahead} })}
					s := start(t, newEndpoint(t, nil), slow, sealing(keyOf(t, "k")))
					s.configure()
					s.record3()
					pass(time.Hour)
					slow.takes.Store(int64(takes))
					s.replay(time.Now().Add(-4*time.Hour), time.Now())
					slow.takes.Store(0)
					pass(time.Hour)
					s.requireReplay(webhook.JobCompleted, 3, 0, 3)
				})
			})
		}
	}
}

// So is one whose write returned an error after it was done, late.
func TestReplayStoredSlowlyAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &sluggish{Store: memory(t)}
		f := &faultyStore{Store: slow}
		s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")))
		s.configure()
		times := s.record3()
		slow.takes.Store(int64(62 * time.Second))
		f.set(nil, faultyIn("Put"))
		_, err := s.StartReplay(t.Context(), hook, times[0], times[2])
		require.ErrorIs(t, err, errFaulty)
		slow.takes.Store(0)
		f.set(nil, nil)
		pass(time.Hour)
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
	})
}

// badState is a store that cannot read the state of one stream.
type badState struct{ store.Store }

func (b badState) State(ctx context.Context, stream string) (store.State, error) {
	if stream == "$replay/a" {
		return store.State{}, errFaulty
	}
	return b.Store.State(ctx, stream)
}

// What cannot be read of one webhook keeps no jobs of others from being resumed, and
// does not fill the log.
func TestReplaysOfOthersResumed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st, sealed := newEndpoint(t, always(http503)), memory(t), sealing(keyOf(t, "k"))
		s := start(t, e, st, sealed)
		s.configure()
		_, err := s.Update(t.Context(), "a", webhook.Patch{
			Endpoint: webhook.Set("https://example.com" + path), Authorization: webhook.Set(webhook.NewSecret(authorization)), Enabled: webhook.Set(true),
		})
		require.NoError(t, err)
		times := s.record3()
		require.NoError(t, s.Record(t.Context(), "a", events("x")...))
		s.replay(times[0], times[2])
		_, err = s.StartReplay(t.Context(), "a", times[0], time.Now())
		require.NoError(t, err)
		pass(time.Minute)
		s.stop()
		require.NoError(t, st.DeleteStream(t.Context(), "$replay/"+hook))
		e.set(refusing(http503, "x")) // the job of a is held
		s = start(t, e, badState{st}, sealed)
		pass(10 * time.Minute)
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
		require.Less(t, strings.Count(s.logs.String(), "replay jobs cannot be resumed"), 12)
	})
}

// hangingStore does nothing but wait while it cannot be reached.
type hangingStore struct {
	store.Store

	gone atomic.Bool
}

func (h *hangingStore) hang(ctx context.Context) error {
	if !h.gone.Load() {
		return nil
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (h *hangingStore) Put(ctx context.Context, key string, value []byte, old uint64) (uint64, error) {
	if err := h.hang(ctx); err != nil {
		return 0, err
	}
	return h.Store.Put(ctx, key, value, old)
}

func (h *hangingStore) Append(ctx context.Context, stream, id string, block store.Block) (uint64, error) {
	if err := h.hang(ctx); err != nil {
		return 0, err
	}
	return h.Store.Append(ctx, stream, id, block)
}

// StartReplay ends with its context, whatever the store does.
func TestStartReplayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hangingStore{Store: memory(t)}
		s := start(t, newEndpoint(t, nil), h, sealing(keyOf(t, "k")))
		s.configure()
		times := s.record3()
		h.gone.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		began := time.Now()
		_, err := s.StartReplay(ctx, hook, times[0], times[2])
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 10*time.Second, time.Since(began))
		h.gone.Store(false)
		pass(time.Hour)
		s.requireReplay(webhook.JobUnconfigured, 0, 0, 0)
	})
}

// So it is if the write of a job is done only after its caller has gone.
func TestReplayAfterCallerHasGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: memory(t)}
		s := start(t, newEndpoint(t, nil), slow, sealing(keyOf(t, "k")))
		s.configure()
		times := s.record3()
		ctx, cancel := context.WithCancel(t.Context())
		slow.leave = cancel
		_, err := s.StartReplay(ctx, hook, times[0], times[2])
		require.ErrorIs(t, err, context.Canceled)
		pass(time.Hour)
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
	})
}

// A job that is held waits for its probe, although others wake it.
func TestReplayHeldIsNotWoken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory(t)
		e := newEndpoint(t, nil)
		key := sealing(keyOf(t, "k"))
		s := start(t, e, st, key)
		s.configure()
		at := time.Now()
		s.record("1")
		pass(time.Second)
		e.set(always(http503))
		s.replay(at, at)
		pass(20 * time.Second) // the five attempts, then it is held for 15 s
		n := len(e.received())
		for range 5 {
			start(t, e, st, key) // another process
		}
		pass(time.Second)
		require.Len(t, e.received(), n, "probed before its time")
	})
}

// A job is worked on if it was stored, although whoever asked for it was told that
// it failed; what was not stored harms none that is.
func TestReplayStoredAllTheSame(t *testing.T) {
	t.Parallel()
	fails := faultyIn("Put")
	tests := []struct {
		name          string
		before, after func(string, int) error
		status        webhook.JobStatus
		sent          int
	}{
		{"it is stored", nil, fails, webhook.JobCompleted, 3},
		{"it is not", fails, nil, webhook.JobUnconfigured, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultyStore{Store: memory(t)}
				s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")))
				s.configure()
				times := s.record3()
				f.set(tt.before, tt.after)
				_, err := s.StartReplay(t.Context(), hook, times[0], times[2])
				require.ErrorIs(t, err, errFaulty)
				f.set(nil, nil)
				pass(time.Minute)
				s.requireReplay(tt.status, tt.sent, 0, tt.sent)
				s.replay(times[2], times[2])
				pass(time.Minute)
				s.requireReplay(webhook.JobCompleted, 1, 0, 1)
			})
		})
	}
}

// A job that is replaced while its events are counted.
func TestReplayReplacedWhileCounting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newFaulty(t)
		s := start(t, newEndpoint(t, nil), st)
		s.configure()
		times := s.record3()
		first := true
		st.set(func() {
			st.read = func(_ string, seq iter.Seq2[store.Event, error]) iter.Seq2[store.Event, error] {
				if !first {
					return seq
				}
				first = false
				return func(yield func(store.Event, error) bool) {
					s.requireReplay(webhook.JobPending, 0, 0, 0)
					s.replay(times[2], times[2])
					seq(yield)
				}
			}
		})
		s.replay(times[0], times[2])
		pass(time.Minute)
		s.requireReplay(webhook.JobCompleted, 1, 0, 1)
		require.Equal(t, []string{"1", "2", "3", "3"}, s.endpoint.names())
	})
}

// What cannot be read any more is passed over.
func TestReplayLosses(t *testing.T) {
	t.Parallel()
	damaged := func(store.Event) (store.Event, error) { return store.Event{}, store.ErrDamaged }
	garbled := func(e store.Event) (store.Event, error) {
		e.Data = []byte("garbled")
		return e, nil
	}
	for _, test := range []struct {
		name                 string
		lose                 func(store.Event) (store.Event, error)
		from                 int // the run of Read from which on it is lost: the first one counts
		names                string
		sent, refused, total int
	}{
		{"damaged", damaged, 1, "1", 2, 0, 2},
		{"damaged after it was counted", damaged, 2, "1", 2, 0, 3},
		{"all damaged after it was counted", damaged, 2, "012", 0, 0, 3},
		{"garbled", garbled, 1, "1", 2, 1, 3},
		{"all garbled", garbled, 1, "012", 0, 3, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := newFaulty(t)
				s := start(t, newEndpoint(t, nil), st)
				s.configure()
				times := s.record3()
				runs := 0
				st.set(func() {
					st.read = func(_ string, seq iter.Seq2[store.Event, error]) iter.Seq2[store.Event, error] {
						runs++
						lossy := runs >= test.from
						return func(yield func(store.Event, error) bool) {
							n := 0
							for e, err := range seq {
								if lossy && strings.Contains(test.names, numbered(4)[n]) {
									e, err = test.lose(e)
								}
								n++
								if !yield(e, err) {
									return
								}
							}
						}
					}
				})
				s.replay(times[0], times[2])
				pass(time.Minute)
				s.requireReplay(webhook.JobCompleted, test.sent, test.refused, test.total)
			})
		})
	}
}

// A frozen batch of which retention takes all is passed over.
func TestReplayOfWhatExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newFaulty(t)
		s := start(t, newEndpoint(t, nil), st)
		s.configure()
		times := s.record3()
		s.endpoint.set(always(http.StatusServiceUnavailable))
		s.replay(times[0], times[2])
		pass(20 * time.Second)
		s.endpoint.set(nil)
		st.set(func() {
			st.read = func(string, iter.Seq2[store.Event, error]) iter.Seq2[store.Event, error] {
				return func(func(store.Event, error) bool) {}
			}
		})
		pass(time.Minute)
		s.requireReplay(webhook.JobCompleted, 0, 0, 3)
	})
}

// A job that outlives the retention has nothing left to send.
func TestReplayOutlivesRetention(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory(t, func(c *memstore.Config) { c.Retention = time.Hour })
		s := start(t, newEndpoint(t, nil), st, func(c *shipper.Config) { c.ReplayPatience = 24 * time.Hour })
		s.configure()
		times := s.record3()
		s.endpoint.set(always(http.StatusServiceUnavailable))
		s.replay(times[0], times[2])
		pass(50 * time.Minute)
		s.requireReplay(webhook.JobRunning, 0, 0, 3)
		pass(2 * time.Hour)
		s.requireReplay(webhook.JobFailed, 0, 0, 3)
		job, err := s.Replay(t.Context(), hook)
		require.NoError(t, err)
		require.Contains(t, job.Reason, "outlived the retention")
		s.endpoint.set(nil)
		s.replay(time.Now(), time.Now())
		pass(time.Second)
		s.requireReplay(webhook.JobCompleted, 0, 0, 0)
	})
}

// Documents that cannot be written: the job waits until they can.
func TestReplayDocumentErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newFaulty(t)
		s := start(t, newEndpoint(t, nil), st)
		s.configure()
		times := s.record3()
		for n := range 6 { // so many writes succeed, then some fail
			writes := 0
			st.set(func() {
				st.put = func(key string) error {
					if writes++; strings.HasPrefix(key, "replay/") && writes > n && writes < n+3 {
						return errors.New("the disk is gone")
					}
					return nil
				}
			})
			_, err := s.StartReplay(t.Context(), hook, times[0], times[2])
			require.Equal(t, n == 0, err != nil)
			pass(time.Minute)
			if n > 0 {
				s.requireReplay(webhook.JobCompleted, 3, 0, 3)
			}
		}
	})
}

// The store's errors end nothing: the job goes on when it can.
func TestReplayStoreErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newFaulty(t)
		s := start(t, newEndpoint(t, nil), st)
		s.configure()
		times := s.record3()
		runs := 0
		st.set(func() {
			st.read = func(_ string, seq iter.Seq2[store.Event, error]) iter.Seq2[store.Event, error] {
				if runs++; runs > 2 {
					return seq
				}
				return func(yield func(store.Event, error) bool) { yield(store.Event{}, errors.New("the disk is gone")) }
			}
		})
		s.replay(times[0], times[2])
		pass(time.Minute)
		require.Contains(t, s.logs.String(), "the disk is gone")
		s.requireReplay(webhook.JobCompleted, 3, 0, 3)
	})
}

// Without the key nothing can be sent, and the job fails like any other.
func TestReplayWithoutTheKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := func(b byte) shipper.Key {
			k, err := shipper.NewKey(slices.Repeat([]byte{b}, shipper.KeyBytes))
			require.NoError(t, err)
			return k
		}
		with := func(k shipper.Key) func(*shipper.Config) {
			return func(c *shipper.Config) { c.Keys = []shipper.Key{k} }
		}
		s := newSetup(t, newEndpoint(t, nil), with(key(1)))
		times := s.record3()
		s.endpoint.set(always(http.StatusServiceUnavailable))
		s.replay(times[0], times[2])
		pass(time.Second)
		s.stop()
		s = start(t, s.endpoint, s.store, with(key(2)))
		pass(time.Hour)
		s.requireReplay(webhook.JobFailed, 0, 0, 3)
		job, err := s.Replay(t.Context(), hook)
		require.NoError(t, err)
		require.Contains(t, job.Reason, "that key is not among those given")
	})
}

// Documents that are none, or of another version.
func TestMalformedReplay(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"no JSON": "x", "version": `{"version":2}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil))
				_, err := s.store.Put(t.Context(), "replay/"+hook, []byte(value), 0)
				require.NoError(t, err)
				_, err = s.Replay(t.Context(), hook)
				require.ErrorContains(t, err, "the stored replay job")
				_, err = s.StartReplay(t.Context(), hook, time.Now(), time.Now())
				require.ErrorContains(t, err, "the stored replay job")
				s.stop()
				s = start(t, s.endpoint, s.store)
				synctest.Wait()
				require.Contains(t, s.logs.String(), "a replay job cannot be resumed")
			})
		})
	}
}
