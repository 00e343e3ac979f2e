package shipper_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// faultyMethods are those that fail, one after the other.
var faultyMethods = []string{
	"Append", "Claim", "Wake", "State", "Total", "Read", "Watch", "Get", "Put", "Claim.State", "Claim.Batch",
	"Claim.Split", "Claim.Ack", "Claim.Save", "Claim.ClearGap", "Claim.Keep", "Claim.Release",
}

// Whatever the store fails to do, for a while or now and then: afterwards every
// event was delivered, in order, and repeated only under the same id, and what
// was refused is a dead letter. With several batches in flight the order is free.
func TestFaultyStore(t *testing.T) {
	t.Parallel()
	for _, failing := range append(faultyMethods, "all") {
		for _, done := range []bool{false, true} {
			for _, every := range []int{1, 3} {
				t.Run(fmt.Sprintf("%s/done=%t/every %d", failing, done, every), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						fault := func(method string, call int) error {
							if (failing == method || failing == "all") && call%every == 0 {
								return errFaulty
							}
							return nil
						}
						if done {
							testFaults(t, every, nil, fault)
						} else {
							testFaults(t, every, fault, nil)
						}
					})
				})
			}
		}
	}
}

func testFaults(t *testing.T, inFlight int, before, after func(string, int) error) {
	f := &faultyStore{Store: forAnHour(t)}
	e := newEndpoint(t, func(r request, n int) int {
		switch {
		case slices.Contains(r.names(), "bad"):
			return 400
		case n%5 == 1:
			return http503
		}
		return http200
	})
	s := start(t, e, f, sealing(keyOf(t, "k")), func(cfg *shipper.Config) { cfg.InFlight, cfg.Batch.Events = inFlight, 7 })
	s.configure()
	s.update(switchOff)
	s.record("old")
	pass(2 * time.Hour) // a gap
	s.update(switchOn)

	f.set(before, after)
	var want []string
	for i := range 30 {
		names := []string{fmt.Sprint(i), fmt.Sprint(i, "b"), fmt.Sprint(i, "c")}
		want = append(want, names...)
		if i == 17 {
			names = append(names, "bad")
		}
		s.must(f, func() error { return s.RecordOnce(t.Context(), hook, "key "+names[0], events(names...)...) })
		if i%10 == 5 {
			format := []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS}[i/10]
			s.must(f, func() error {
				_, err := s.Update(t.Context(), hook, webhook.Patch{LogFormat: webhook.Set(format)})
				return err
			})
		}
		pass(time.Second)
	}
	pass(time.Minute)
	f.set(nil, nil)
	s.record("evidence")
	want = append(want, "evidence")
	pass(10 * time.Minute)

	got := first(without(e.names(), shipper.GapClass))
	if inFlight > 1 {
		slices.Sort(want)
		slices.Sort(got)
	}
	require.Equal(t, want, got)
	require.Contains(t, e.names(), shipper.GapClass)
	e.requireStable(t)
	require.Equal(t, []string{"bad"}, s.letters())
	require.Zero(t, s.report().Unsent)
	require.Empty(t, s.report().Gaps)
	require.Zero(t, s.report().Suspects)
	s.requireStatus(true, status.Active, http200)
	require.Zero(t, s.snapshot().Serving)
}

// must calls until there is no error.
func (s *setup) must(f *faultyStore, call func() error) {
	s.t.Helper()
	for range 300 {
		err := call()
		if err == nil {
			return
		}
		require.ErrorIs(s.t, err, errFaulty)
		require.NotContains(s.t, err.Error(), secretMark)
		f.heals()
		pass(time.Second)
	}
	s.t.Fatal("it goes on failing")
}

// first returns the names without those that came before.
func first(names []string) []string {
	var all []string
	for _, name := range names {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// requireStable asserts that no event was taken under two ids.
func (e *endpoint) requireStable(t testing.TB) {
	t.Helper()
	ids := map[string]string{}
	for _, r := range e.received() {
		if r.code < 200 || r.code > 299 {
			continue
		}
		for _, name := range r.names() {
			if id, ok := ids[name]; ok && id != r.id {
				t.Errorf("%q was taken as %q and as %q", name, id, r.id)
			}
			ids[name] = r.id
		}
	}
}

// A store that does nothing any more is asked about once a second, and lets the
// Shipper go.
func TestDeadStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultyStore{Store: memory(t)}
		s := start(t, newEndpoint(t, always(http503)), f, sealing(keyOf(t, "k")))
		s.configure()
		s.record("1", "2")
		pass(90 * time.Second)
		f.set(func(string, int) error { return errFaulty }, nil)
		pass(time.Hour)
		for _, method := range append(faultyMethods, "List", "Delete", "Claim.Skip") {
			require.LessOrEqual(t, f.called(method), 2*3600, method)
		}
		for name, err := range s.everyCall(t.Context(), hook) {
			require.ErrorIs(t, err, errFaulty, name)
		}
		_, err := s.Snapshot(t.Context())
		require.ErrorIs(t, err, errFaulty)
		require.ErrorIs(t, s.Reseal(t.Context()), errFaulty)
		for _, err := range s.Webhooks(t.Context()) {
			require.ErrorIs(t, err, errFaulty)
		}
		s.stop()
	})
}

// While the status cannot be stored an endpoint that fails is not asked more
// often than others.
func TestHoldThatCannotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultyStore{Store: memory(t)}
		e := newEndpoint(t, always(401))
		s := start(t, e, f, sealing(keyOf(t, "k")))
		s.configure()
		f.set(faultyIn("Claim.Save"), nil)
		s.record("1")
		pass(10 * time.Minute)
		require.LessOrEqual(t, len(e.received()), 41)
		e.set(nil)
		pass(time.Minute)
		require.Equal(t, []string{"1"}, e.names())
	})
}

// What is to be skipped is skipped once the store can.
func TestSkipFails(t *testing.T) {
	t.Parallel()
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprintf("done=%t", done), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultyStore{Store: memory(t)}
				s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")), func(cfg *shipper.Config) { cfg.ResumeFromNow = true })
				s.configure()
				s.update(switchOff)
				s.record("while")
				pass(time.Minute)
				fault := func(method string, call int) error {
					if method == "Claim.Skip" && call < 5 {
						return errFaulty
					}
					return nil
				}
				if done {
					f.set(nil, fault)
				} else {
					f.set(fault, nil)
				}
				s.update(switchOn)
				s.record("after")
				pass(time.Minute)
				require.Equal(t, []string{"after"}, s.endpoint.names())
				require.Positive(t, f.called("Claim.Skip"))
			})
		})
	}
}

// Whatever fails is logged with the webhook's id, without secrets.
func TestFaultsAreLogged(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{
		"Claim":         "the store gives out no work",
		"Watch":         "the watch of the webhooks failed",
		"Claim.State":   "a webhook could not be served",
		"Claim.Save":    "the status of a webhook could not be stored",
		"Claim.Release": "the claim of a webhook could not be given back",
		"Wake":          "a webhook that was changed could not be woken",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &faultyStore{Store: memory(t)}
				s := start(t, newEndpoint(t, always(http503)), f, sealing(keyOf(t, "k")))
				s.configure()
				pass(time.Second)
				f.set(func(got string, _ int) error {
					if got == method {
						return errFaulty
					}
					return nil
				}, nil)
				s.record("1")
				s.update(asJSON)
				pass(time.Minute)
				lines := strings.Split(s.logs.String(), "\n")
				require.True(t, slices.ContainsFunc(lines, func(line string) bool {
					return strings.Contains(line, want) && strings.Contains(line, errFaulty.Error())
				}), s.logs.String())
				f.set(nil, nil)
			})
		})
	}
}
