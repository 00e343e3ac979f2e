package shipper_test

import (
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The wait for others, then one batch in order, under one id.
func TestDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		began := time.Now()
		s.requireStatus(true, status.Active, 0)
		s.record("1", "2")
		pass(time.Second / 2)
		s.record("3")
		require.Empty(t, s.endpoint.received())
		pass(time.Second / 2)
		all := s.endpoint.received()
		require.Len(t, all, 1)
		require.Equal(t, []string{"1", "2", "3"}, all[0].names())
		require.Equal(t, authorization, all[0].auth)
		require.Equal(t, time.Second, all[0].time.Sub(began))
		require.NotEmpty(t, all[0].id)
		s.requireStatus(true, status.Active, http.StatusOK)
		require.Zero(t, s.report().Unsent)
	})
}

// A full batch does not wait.
func TestFullBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		began := time.Now()
		s.record(numbered(1200)...)
		pass(time.Second - 1)
		require.Equal(t, numbered(1000), s.endpoint.names())
		require.Equal(t, began, s.endpoint.received()[1].time)
		pass(1)
		require.Equal(t, numbered(1200), s.endpoint.names())
	})
}

// Five attempts, then the webhook is held and probed, ever less often, until the
// endpoint answers; then the backlog drains. All of it under one id.
func TestHoldAndProbe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http.StatusServiceUnavailable)))
		began := time.Now()
		s.record("1", "2")
		pass(17 * time.Second)
		s.requireStatus(true, status.Inactive, http.StatusServiceUnavailable)
		require.Len(t, s.report().Attempts, 5)
		require.Equal(t, "503 Service Unavailable", s.report().HeldReason)
		s.record("3")
		pass(time.Hour)
		s.endpoint.set(nil)
		pass(5 * time.Minute)
		s.requireStatus(true, status.Active, http.StatusOK)
		require.Equal(t, []string{"1", "2", "3"}, s.endpoint.names())
		all := s.endpoint.received()
		var at []int
		for _, r := range all[:11] {
			at = append(at, int(r.time.Sub(began)/time.Second))
			require.Equal(t, all[0].id, r.id)
		}
		require.Equal(t, []int{1, 2, 4, 8, 16, 31, 61, 121, 241, 481, 781}, at)
		require.NotEqual(t, all[0].id, all[len(all)-1].id)
		require.Zero(t, s.report().HeldSince)
	})
}

// A change of the configuration releases a webhook at once, and goes for what
// waits.
func TestChangeReleases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http.StatusUnauthorized)))
		s.record("1", "2")
		pass(2 * time.Second)
		require.Len(t, s.endpoint.received(), 1)
		s.requireStatus(true, status.Inactive, http.StatusUnauthorized)
		s.endpoint.set(nil)
		s.update(webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Bearer t0k-other")), LogFormat: webhook.Set(webhook.JSON)})
		s.requireStatus(true, status.Inactive, http.StatusUnauthorized)
		pass(0)
		all := s.endpoint.received()
		require.Len(t, all, 2)
		require.Equal(t, all[0].id, all[1].id)
		require.Equal(t, "Bearer t0k-other", all[1].auth)
		require.Equal(t, byte('{'), all[1].lines[0][0])
		s.requireStatus(true, status.Active, http.StatusOK)
	})
}

// One event is refused, whatever it comes with: it becomes a dead letter, the
// others are delivered.
func TestBisect(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSetup(t, newEndpoint(t, refusing(code, "77")))
				s.record(numbered(200)...)
				pass(2 * time.Second)
				want := append(numbered(77), numbered(200)[78:]...)
				require.Equal(t, want, s.endpoint.names())
				require.Equal(t, []string{"77"}, s.letters())
				s.requireStatus(true, status.Active, http.StatusOK)
				require.Zero(t, s.report().Unsent)
			})
		})
	}
}

// If the endpoint refuses everything, nothing becomes a dead letter.
func TestRefusesAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http.StatusBadRequest)))
		s.record(numbered(20)...)
		pass(24 * time.Hour)
		require.Empty(t, s.letters())
		require.EqualValues(t, 20, s.report().Unsent.Events)
		s.requireStatus(true, status.Inactive, http.StatusBadRequest)
		s.endpoint.set(nil)
		pass(5 * time.Minute)
		require.ElementsMatch(t, numbered(20), s.endpoint.names())
		require.Empty(t, s.letters())
	})
}

// The events refused stand before all others: the others are reached.
func TestRefusedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, refusing(http.StatusBadRequest, numbered(30)...)))
		s.record(numbered(100)...)
		pass(time.Hour)
		require.Equal(t, numbered(30), s.letters())
		require.ElementsMatch(t, numbered(100)[30:], s.endpoint.names())
	})
}

// Without another event there is no evidence.
func TestRefusedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, refusing(http.StatusBadRequest, "bad")))
		s.record("bad")
		pass(time.Hour)
		require.Empty(t, s.letters())
		require.Equal(t, 1, s.report().Suspects)
		s.record("good")
		pass(5 * time.Minute)
		require.Equal(t, []string{"bad"}, s.letters())
		require.Equal(t, []string{"good"}, s.endpoint.names())
		require.Zero(t, s.report().Suspects)
	})
}

// Retention takes a suspect while its webhook is held: others are delivered then,
// and a gap tells of it.
func TestSuspectExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, err := memstore.Open(memstore.Config{Retention: 10 * time.Minute, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		defer func() { require.NoError(t, st.Close()) }()
		s := start(t, newEndpoint(t, refusing(http.StatusBadRequest, "bad")), st)
		s.configure()
		s.record("bad")
		pass(time.Minute)
		require.Equal(t, 1, s.report().Suspects)
		pass(time.Hour)
		s.record("good", "better")
		pass(10 * time.Minute)
		require.Equal(t, []string{shipper.GapClass, "good", "better"}, s.endpoint.names())
		require.Empty(t, s.letters())
		require.Zero(t, s.report().Suspects)
		require.Zero(t, s.report().Unsent)
	})
}
