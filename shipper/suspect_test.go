package shipper_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// A slow endpoint that refuses everything is held like a quick one.
func TestRefusesAllSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, always(400))
		e.delay = 3 * time.Second
		s := newSetup(t, e)
		s.record(numbered(20)...)
		pass(time.Hour)
		require.Less(t, len(e.received()), 120)
		require.NotZero(t, s.report().HeldSince)
		require.Empty(t, s.letters())
		e.set(refusing(400, "0", "3"))
		pass(10 * time.Minute)
		require.ElementsMatch(t, without(numbered(20), "0", "3"), e.names())
		require.Equal(t, []string{"0", "3"}, s.letters())
	})
}

// An endpoint that refuses everything is asked less and less, however much it
// has refused.
func TestRefusesManyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(400)))
		s.record(numbered(150)...)
		last, most := 0, 0
		for range 60 {
			pass(time.Minute)
			n := len(s.endpoint.received())
			most = max(most, n-last)
			last = n
		}
		require.Less(t, most, 160)
		require.Less(t, last, 400)
		require.EqualValues(t, 150, s.report().Unsent.Events)
		require.Empty(t, s.letters())
		s.endpoint.set(nil)
		pass(10 * time.Minute)
		require.ElementsMatch(t, numbered(150), s.endpoint.names())
		require.Empty(t, s.letters())
	})
}

// What is known of suspects outlives the Shipper: they are not dead letters
// without evidence, and are with it.
func TestSuspectsSurviveRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, refusing(400, "bad")), memory(t)
		s := start(t, e, st)
		s.configure()
		s.record("bad")
		pass(time.Second)
		s.requireStatus(true, status.Inactive, 400)
		s.stop()
		s = start(t, e, st)
		require.Equal(t, 1, s.report().Suspects)
		s.requireStatus(true, status.Inactive, 400)
		require.Len(t, s.report().Attempts, 1)
		s.record("good")
		pass(10 * time.Minute)
		require.Equal(t, []string{"bad"}, s.letters())
		require.Equal(t, []string{"good"}, e.names())
	})
}

// The status of a split that is under way is stored when the Shipper ends.
func TestStatusSurvivesClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, always(400)), memory(t)
		e.delay = 500 * time.Millisecond
		s := start(t, e, st)
		s.configure()
		s.record(numbered(8)...)
		pass(1600 * time.Millisecond)
		require.Len(t, e.received(), 2)
		s.stop()
		s = start(t, e, st)
		s.requireStatus(true, status.Inactive, 400)
		require.Len(t, s.report().Attempts, 2)
	})
}

// A change of the configuration clears the suspicion: what was said of it holds
// for the old one only.
func TestChangeClearsSuspects(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, refusing(422, "bad")))
		s.record("bad")
		pass(2 * time.Second)
		require.Equal(t, 1, s.report().Suspects)
		s.endpoint.set(always(http503))
		s.update(webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
		require.Zero(t, s.report().Suspects)
		s.record("good")
		pass(time.Minute)
		s.endpoint.set(nil)
		pass(10 * time.Minute)
		require.Equal(t, []string{"bad", "good"}, s.endpoint.names())
		require.Empty(t, s.letters())
	})
}

// When the endpoint changes its mind about one, the others get a chance too.
func TestSuspectsForgiven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(413)))
		s.record("1", "2", "3")
		pass(10 * time.Minute)
		require.Equal(t, 3, s.report().Suspects)
		s.endpoint.set(refusing(413, "2"))
		pass(10 * time.Minute)
		require.Equal(t, []string{"2"}, s.letters())
		require.ElementsMatch(t, []string{"1", "3"}, s.endpoint.names())
	})
}

// With several batches in flight, one that was taken before another one was
// refused is no evidence against that.
func TestEvidenceComesAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, func(r request, _ int) int {
			if slices.Contains(r.names(), "good") {
				return http200
			}
			return 400
		})
		e.delayOf = func(r request) time.Duration {
			if slices.Contains(r.names(), "good") { // begun before, and answered after the other
				return 800 * time.Millisecond
			}
			return 100 * time.Millisecond
		}
		s := newSetup(t, e, func(cfg *shipper.Config) {
			cfg.InFlight = 2
			cfg.Batch.Events = 1
		})
		s.record("good", "bad")
		pass(time.Hour)
		require.Equal(t, []string{"good"}, e.names())
		require.Empty(t, s.letters(), "nothing was taken after it")
		require.Equal(t, 1, s.report().Suspects)
		s.record("good")
		pass(5 * time.Minute)
		require.Equal(t, []string{"bad"}, s.letters())
	})
}

// Suspects that retention has removed are in the gap; they keep nothing back.
func TestSuspectsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memory(t, func(cfg *memstore.Config) { cfg.Retention = 10 * time.Minute })
		s := start(t, newEndpoint(t, refusing(400, "bad")), st)
		s.configure()
		s.record("bad", "bad", "bad")
		pass(5 * time.Minute)
		require.NotZero(t, s.report().Suspects)
		pass(20 * time.Minute)
		require.Zero(t, s.report().Suspects)
		s.record("good")
		pass(10 * time.Minute)
		require.Empty(t, s.letters())
		require.Equal(t, []string{shipper.GapClass, "good"}, s.endpoint.names())
		require.Zero(t, s.report().Unsent)
		s.requireStatus(true, status.Active, 200)
	})
}

// without returns the names but some.
func without(names []string, some ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(some, name) })
}
