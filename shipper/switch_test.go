package shipper_test

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

var (
	switchOn  = webhook.Patch{Enabled: webhook.Set(true)}
	switchOff = webhook.Patch{Enabled: webhook.Set(false)}
	asJSON    = webhook.Patch{LogFormat: webhook.Set(webhook.JSON)}
)

// updateWith changes the webhook and records events with it.
func (s *setup) updateWith(patch webhook.Patch, names ...string) {
	s.t.Helper()
	_, err := s.Update(s.t.Context(), hook, patch, events(names...)...)
	require.NoError(s.t, err)
}

// Nothing is sent while the webhook is off; then it goes on where it stopped.
func TestSwitchedOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		s.record("1")
		pass(2 * time.Second)
		s.record("2")
		s.update(switchOff)
		s.record("3")
		s.record(numbered(600)...)
		pass(24 * time.Hour)
		require.Equal(t, []string{"1"}, s.endpoint.names())
		require.EqualValues(t, 602, s.report().Unsent.Events)
		s.requireStatus(false, status.Active, 200)
		s.update(switchOn)
		s.record("4")
		pass(2 * time.Second)
		require.Equal(t, append(append([]string{"1", "2", "3"}, numbered(600)...), "4"), s.endpoint.names())
		require.Zero(t, s.report().Unsent)
	})
}

// An attempt under way when the webhook is switched off is broken off, and so is
// a wait for the next one; the batch goes out under its id when it is on again.
func TestSwitchedOffInFlight(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]int{"attempt": hang, "wait": http503} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, always(code)))
				s.record("1")
				pass(1500 * time.Millisecond)
				require.Len(t, s.endpoint.received(), 1)
				s.update(switchOff)
				s.endpoint.set(nil)
				pass(time.Hour)
				require.Len(t, s.endpoint.received(), 1)
				s.requireStatus(false, status.Active, max(code, 0))
				s.update(switchOn)
				pass(0)
				all := s.endpoint.received()
				require.Len(t, all, 2)
				require.Equal(t, all[0].id, all[1].id)
			})
		})
	}
}

// With ResumeFromNow a webhook that is switched on again skips what was not sent
// by then, and counts it.
func TestResumeFromNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http503)), func(cfg *shipper.Config) { cfg.ResumeFromNow = true })
		s.record("before")
		pass(20 * time.Second) // it is frozen
		s.update(switchOff)
		s.endpoint.set(nil)
		s.record("while")
		pass(time.Hour + 1500*time.Microsecond) // not at a whole millisecond
		s.update(switchOn)
		s.record("after")
		pass(2 * time.Second)
		require.Equal(t, []string{"after"}, s.endpoint.names())
		require.Zero(t, s.report().Unsent)
		require.EqualValues(t, 2, s.snapshot().Skipped)
		require.Contains(t, s.logs.String(), "are not sent, as configured")

		s.update(asJSON) // that is no switch
		s.record("1")
		s.update(webhook.Patch{LogFormat: webhook.Set(webhook.CEF)})
		pass(2 * time.Second)
		require.Equal(t, []string{"after", "1"}, s.endpoint.names())
	})
}

// What was skipped stays so over a restart, and is skipped after one.
func TestResumeFromNowAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, nil), memory(t)
		fromNow := func(cfg *shipper.Config) { cfg.ResumeFromNow = true }
		s := start(t, e, st, fromNow)
		s.configure()
		s.update(switchOff)
		s.record("while")
		pass(time.Minute)
		s.update(switchOn)
		s.stop()
		s = start(t, e, st, fromNow)
		s.record("after")
		pass(2 * time.Second)
		s.stop()
		s = start(t, e, st)
		pass(2 * time.Second)
		s.record("later")
		pass(2 * time.Second)
		require.Equal(t, []string{"after", "later"}, e.names())
	})
}

// A webhook that is configured for the first time, or after it was deleted, skips
// nothing.
func TestResumeFromNowIsForSwitches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := bare(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.ResumeFromNow = true })
		s.configure()
		s.record("1")
		require.NoError(t, s.Delete(t.Context(), hook))
		pass(time.Minute)
		s.configure()
		pass(time.Minute)
		require.Equal(t, []string{"1"}, s.endpoint.names())
	})
}

// Events that tell of a change are sent although it switches the webhook off, and
// with them what was recorded before; then nothing more.
func TestUpdateEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		s.record("1")
		s.updateWith(switchOff, "off")
		s.record("2")
		pass(time.Hour)
		require.Equal(t, []string{"1", "off"}, s.endpoint.names())
		s.requireStatus(false, status.Active, 200)
		require.EqualValues(t, 1, s.report().Unsent.Events)
		s.updateWith(asJSON, "json")
		pass(time.Hour)
		require.Equal(t, []string{"1", "off"}, s.endpoint.names(), "it was off already")
		s.updateWith(switchOn, "on")
		pass(time.Second)
		require.Equal(t, []string{"1", "off", "2", "json", "on"}, s.endpoint.names())
	})
}

// A change while the last events are still to be sent sends them all the same.
func TestUpdateEventsTwice(t *testing.T) {
	t.Parallel()
	for name, second := range map[string][]string{"without events": nil, "with events": {"json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, nil))
				s.updateWith(switchOff, "off")
				s.updateWith(asJSON, second...)
				pass(time.Hour)
				require.Equal(t, []string{"off"}, s.endpoint.names())
				require.Equal(t, byte('{'), s.endpoint.received()[0].lines[0][0])
			})
		})
	}
}

// More is drained than a batch holds, in as many batches as it takes; what comes
// later stays.
func TestDrainsMuch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http503)), func(cfg *shipper.Config) { cfg.BatchAge = time.Minute })
		s.record(numbered(1300)...)
		pass(500 * time.Millisecond) // so that what is broken off is no attempt that was taken
		s.endpoint.set(nil)
		s.updateWith(switchOff, "off")
		s.record("later")
		pass(time.Hour)
		require.Equal(t, append(numbered(1300), "off"), s.endpoint.names())
		require.EqualValues(t, 1, s.report().Unsent.Events)
	})
}

// The rest is sent after a restart, too, once.
func TestDrainsAfterRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, always(hang)), memory(t)
		s := start(t, e, st)
		s.configure()
		s.record("1")
		pass(1500 * time.Millisecond)
		s.updateWith(switchOff, "off")
		_ = s.Close(ended())
		e.set(nil)
		s = start(t, e, st)
		s.record("2")
		pass(time.Minute)
		require.Equal(t, []string{"1", "off"}, e.names())
		s.stop()
		start(t, e, st)
		pass(time.Minute)
		require.Equal(t, []string{"1", "off"}, e.names())
	})
}

// If the endpoint does not take them, the webhook is off for good, over a restart
// too: the status tells that the last attempt has failed.
func TestDrainFails(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		code  int
		after time.Duration
		n     int
	}{
		{"refuses the sender", 401, 2 * time.Second, 1},
		{"refuses the events", 400, 2 * time.Second, 3},
		{"is down", http503, 20 * time.Second, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e, st := newEndpoint(t, always(tt.code)), memory(t)
				s := start(t, e, st)
				s.configure()
				s.record("1")
				s.updateWith(switchOff, "off")
				pass(tt.after)
				s.requireStatus(false, status.Inactive, tt.code)
				require.Len(t, e.received(), tt.n)
				pass(time.Hour)
				require.Len(t, e.received(), tt.n)
				s.requireStatus(false, status.Inactive, tt.code)
				require.Len(t, s.report().Attempts, tt.n)
				s.stop()

				s = start(t, e, st)
				require.NoError(t, st.Wake(t.Context(), hook)) // as a store does that is opened again
				s.record("2")
				pass(time.Hour)
				require.Len(t, e.received(), tt.n)
				s.requireStatus(false, status.Inactive, tt.code)
				e.set(nil)
				s.updateWith(asJSON, "json")
				pass(time.Hour)
				require.Len(t, e.received(), tt.n, "what has failed stays")
				s.update(switchOn)
				pass(time.Minute)
				require.Equal(t, []string{"1", "off", "2", "json"}, e.names())
				require.Empty(t, s.letters())
				s.requireStatus(true, status.Active, 200)
			})
		})
	}
}

// Delete records its events; they wait for the next configuration.
func TestDeleteEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		s.record("1")
		require.NoError(t, s.Delete(t.Context(), hook, events("removed")...))
		pass(time.Hour)
		require.Empty(t, s.endpoint.names())
		require.EqualValues(t, 2, s.snapshot().Queued.Events)
		require.EqualValues(t, 2, s.snapshot().Recorded)
	})
}

// A webhook is on if that was stored, although whoever switched it on was told
// that it failed, and although nothing changes when it is tried again.
func TestSwitchedOnAllTheSame(t *testing.T) {
	t.Parallel()
	failing := func(method string, calls int) func(string, int) error {
		return func(m string, n int) error {
			if m == method && n < calls {
				return errFaulty
			}
			return nil
		}
	}
	tests := []struct {
		name          string
		before, after func(string, int) error
		err           error
	}{
		{"the write is done and fails", nil, failing("Put", 1), errFaulty},
		{"it cannot be woken once", failing("Wake", 2), nil, nil},
		{"it cannot be woken by anybody for a while", failing("Wake", 20), nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultyStore{Store: memory(t)}
				s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")))
				s.configure()
				s.update(switchOff)
				s.record("while")
				pass(time.Minute)
				f.set(tt.before, tt.after)
				_, err := s.Update(t.Context(), hook, switchOn)
				require.ErrorIs(t, err, tt.err)
				pass(time.Minute)
				f.set(nil, nil)
				s.update(switchOn)
				s.record("after")
				pass(time.Minute)
				require.Equal(t, []string{"while", "after"}, s.endpoint.names())
			})
		})
	}
}

// slowStore does a write after whoever asked for it has gone.
type slowStore struct {
	store.Store

	leave func() // ends the context of the next Put
}

func (p *slowStore) Put(ctx context.Context, key string, value []byte, old uint64) (uint64, error) {
	leave := p.leave
	if leave == nil {
		return p.Store.Put(ctx, key, value, old)
	}
	p.leave = nil
	leave()
	go func() {
		_ = store.SystemClock{}.Sleep(context.WithoutCancel(ctx), time.Second)
		_, _ = p.Store.Put(context.WithoutCancel(ctx), key, value, old)
	}()
	return 0, context.Cause(ctx)
}

// So it is if the write is done only after its caller has gone.
func TestSwitchedOnAfterCallerHasGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &slowStore{Store: memory(t)}
		s := start(t, newEndpoint(t, nil), slow, sealing(keyOf(t, "k")))
		s.configure()
		s.update(switchOff)
		s.record("while")
		pass(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		slow.leave = cancel
		_, err := s.Update(ctx, hook, switchOn)
		require.ErrorIs(t, err, context.Canceled)
		pass(time.Minute)
		require.Equal(t, []string{"while"}, s.endpoint.names())
	})
}

// So it is if nobody saw the write for long.
func TestSwitchedOnDuringLongOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultyStore{Store: memory(t)}
		s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")))
		s.configure()
		s.update(switchOff)
		s.record("while")
		pass(time.Minute)
		f.set(faultyIn("Watch"), faultyIn("Put"))
		_, err := s.Update(t.Context(), hook, switchOn)
		require.ErrorIs(t, err, errFaulty)
		pass(61 * time.Second)
		f.set(nil, nil)
		s.update(switchOn)
		pass(24 * time.Hour)
		require.Equal(t, []string{"while"}, s.endpoint.names())
	})
}

// So it is if nobody could wake it for more than a minute.
func TestNotWokenForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultyStore{Store: memory(t)}
		s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")))
		s.configure()
		s.update(switchOff)
		s.record("while")
		pass(time.Minute)
		f.set(faultyIn("Wake"), nil)
		s.update(switchOn) // no error
		pass(61 * time.Second)
		f.set(nil, nil)
		s.record("after")
		pass(24 * time.Hour)
		require.Equal(t, []string{"while", "after"}, s.endpoint.names())
	})
}

// A watch that begins is shown all webhooks, and wakes only those that were
// changed a short time ago and are on.
func TestWatchWakesFew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, f, sealed := newEndpoint(t, nil), &faultyStore{Store: memory(t)}, sealing(keyOf(t, "k"))
		woken := func(s *setup) int {
			s.stop()
			f.set(nil, nil)
			s = start(t, e, f, sealed)
			pass(time.Minute)
			n := f.called("Wake")
			s.stop()
			return n
		}
		s := start(t, e, f, sealed)
		s.configure()
		require.Equal(t, 2, woken(s), "the stream and that of its replays")
		pass(2 * time.Hour)
		s = start(t, e, f, sealed)
		require.Zero(t, woken(s))
		s = start(t, e, f, sealed)
		s.update(switchOff)
		require.Zero(t, woken(s))
	})
}

// stuckWatch is a store whose watches end, and hang before they fail again.
type stuckWatch struct {
	*faultyStore

	gone atomic.Bool
	cut  chan struct{}
}

func (s *stuckWatch) Watch(ctx context.Context, prefix string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if s.gone.Load() {
			_ = store.SystemClock{}.Sleep(ctx, 61*time.Second)
			yield(store.Change{}, errFaulty)
			return
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		go func() {
			select {
			case <-s.cut:
				cancel(errFaulty)
			case <-ctx.Done():
			}
		}()
		s.faultyStore.Watch(ctx, prefix)(yield)
	}
}

// So it is if watches were begun meanwhile that saw nothing for long.
func TestSwitchedOnWhileWatchesHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &stuckWatch{faultyStore: &faultyStore{Store: memory(t)}, cut: make(chan struct{})}
		s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")))
		s.configure()
		s.update(switchOff)
		s.record("while")
		pass(time.Minute)
		f.set(nil, faultyIn("Put"))
		f.gone.Store(true)
		close(f.cut)
		pass(time.Second)
		_, err := s.Update(t.Context(), hook, switchOn)
		require.ErrorIs(t, err, errFaulty)
		pass(5 * time.Minute)
		f.set(nil, nil)
		f.cut = make(chan struct{})
		f.gone.Store(false)
		pass(2 * time.Minute)
		require.Equal(t, []string{"while"}, s.endpoint.names())
	})
}

// So it is if the clock was far ahead at the start.
func TestSwitchedOnAfterClockIsSetRight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, clock := &faultyStore{Store: memory(t)}, &jumpy{}
		clock.jump(years)
		s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")), func(cfg *shipper.Config) { cfg.Clock = clock })
		pass(time.Minute)
		clock.jump(-years)
		s.configure()
		s.update(switchOff)
		s.record("while")
		pass(time.Minute)
		f.set(nil, func(method string, n int) error {
			if method == "Put" && n == 0 {
				return errFaulty
			}
			return nil
		})
		_, err := s.Update(t.Context(), hook, switchOn)
		require.ErrorIs(t, err, errFaulty)
		f.set(nil, nil)
		pass(time.Hour)
		require.Equal(t, []string{"while"}, s.endpoint.names())
	})
}

// Changes are seen while a store that cannot be reached holds up waking.
func TestWatchDoesNotWaitForWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, f, sealed := newEndpoint(t, nil), &faultyStore{Store: memory(t)}, sealing(keyOf(t, "k"))
		reached := make(chan struct{})
		f.set(func(method string, _ int) error {
			if method == "Wake" {
				<-reached
			}
			return nil
		}, nil)
		s, other := start(t, e, f, sealed), start(t, e, f.Store, sealed)
		other.configure()
		pass(time.Second)
		require.Equal(t, 1, f.called("Wake"))
		s.record("1")
		require.NoError(t, other.Delete(t.Context(), hook))
		pass(time.Second)
		var unconfigured *shipper.UnconfiguredError
		require.ErrorAs(t, s.Record(t.Context(), hook, events("2")...), &unconfigured)
		close(reached)
		pass(time.Minute)
		require.Equal(t, 2, f.called("Wake"))
	})
}

// otherClock is that of a server, which differs from this machine's.
type otherClock struct {
	store.SystemClock

	ahead time.Duration
}

func (c otherClock) Now() time.Time { return c.SystemClock.Now().Add(c.ahead) }

// With ResumeFromNow no event is lost because clocks differ: by as much as they may
// where the switch has events of its own, which tell when it was, and else by a
// little.
func TestResumeFromNowByAnotherClock(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		ahead  time.Duration
		events []string
	}{
		{"a little behind", -900 * time.Millisecond, nil},
		{"behind", -time.Hour, []string{"on"}},
		{"ahead", time.Hour, []string{"on"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st := memory(t, func(c *memstore.Config) { c.Clock = otherClock{ahead: test.ahead} })
				s := start(t, newEndpoint(t, nil), st, sealing(keyOf(t, "k")), func(cfg *shipper.Config) { cfg.ResumeFromNow = true })
				s.configure()
				s.update(switchOff)
				s.record("while")
				pass(time.Minute)
				s.updateWith(switchOn, test.events...)
				s.record("after")
				pass(2 * time.Hour)
				require.Equal(t, append(test.events, "after"), s.endpoint.names())
			})
		})
	}
}

// lateStore begins to watch late, as one does that is asked over the network.
type lateStore struct {
	store.Store

	gate chan struct{}
}

func (l *lateStore) Watch(ctx context.Context, prefix string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		select {
		case <-l.gate:
		case <-ctx.Done():
			yield(store.Change{}, context.Cause(ctx))
			return
		}
		l.Store.Watch(ctx, prefix)(yield)
	}
}

// Nothing is remembered before the watch has begun, or what is deleted until then
// would be remembered for ever.
func TestDeletedBeforeTheWatchBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, late, sealed := newEndpoint(t, nil), &lateStore{memory(t), make(chan struct{})}, sealing(keyOf(t, "k"))
		s, other := start(t, e, late, sealed), start(t, e, late.Store, sealed)
		other.configure()
		s.record("1")
		pass(time.Minute)
		require.NoError(t, other.Delete(t.Context(), hook))
		close(late.gate)
		pass(time.Minute)
		var unconfigured *shipper.UnconfiguredError
		require.ErrorAs(t, s.Record(t.Context(), hook, events("2")...), &unconfigured)
		require.Equal(t, []string{"1"}, e.names())
	})
}

// rivalStore lets another change come first, once.
type rivalStore struct {
	store.Store

	rival func()
}

func (r *rivalStore) Put(ctx context.Context, key string, value []byte, old uint64) (uint64, error) {
	if rival := r.rival; rival != nil {
		r.rival = nil
		rival()
	}
	return r.Store.Put(ctx, key, value, old)
}

// The events that tell who has switched a webhook on are sent with ResumeFromNow
// too, although another change came between them and the switch.
func TestResumeFromNowSendsItsEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &rivalStore{Store: memory(t)}
		s := start(t, newEndpoint(t, nil), st, sealing(keyOf(t, "k")), func(cfg *shipper.Config) { cfg.ResumeFromNow = true })
		s.configure()
		s.update(switchOff)
		s.record("while")
		pass(time.Minute)
		st.rival = func() {
			pass(5 * time.Millisecond)
			s.update(asJSON)
		}
		s.updateWith(switchOn, "on")
		s.record("after")
		pass(time.Minute)
		require.Equal(t, []string{"on", "after"}, s.endpoint.names())
	})
}

// Each of several processes counts the webhooks that it has held, and forgets those
// that another one has tried since.
func TestHeldBySeveral(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st, sealed := newEndpoint(t, always(http503)), memory(t), sealing(keyOf(t, "k"))
		a, b := start(t, e, st, sealed), start(t, e, st, sealed)
		const n = 20
		for i := range n {
			id := fmt.Sprint(hook, i)
			_, err := a.Update(t.Context(), id, webhook.Patch{
				Endpoint: webhook.Set("https://example.com" + path), Authorization: webhook.Set(webhook.NewSecret(authorization)), Enabled: webhook.Set(true),
			})
			require.NoError(t, err)
			require.NoError(t, a.Record(t.Context(), id, events(id)...))
		}
		pass(10 * time.Minute)
		require.GreaterOrEqual(t, a.snapshot().Held+b.snapshot().Held, n)
		e.set(nil)
		pass(time.Hour)
		require.Len(t, e.names(), n)
		require.Zero(t, a.snapshot().Held+b.snapshot().Held)
	})
}
