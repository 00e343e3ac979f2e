package shipper_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// jumpy is a clock that can be set. Waits take their time all the same. Only the
// Shipper has it: the store's waits go by the monotonic clock, which this one
// cannot leave alone.
type jumpy struct {
	store.SystemClock

	offset atomic.Int64
}

func (c *jumpy) Now() time.Time { return c.SystemClock.Now().Add(time.Duration(c.offset.Load())) }

func (c *jumpy) jump(d time.Duration) { c.offset.Add(int64(d)) }

const years = 10 * 365 * 24 * time.Hour

// newJumpy returns a setup with such a clock.
func newJumpy(t *testing.T, e *endpoint) (*setup, *jumpy) {
	clock := &jumpy{}
	return newSetup(t, e, func(cfg *shipper.Config) { cfg.Clock = clock }), clock
}

// A clock that was wrong and is set right holds nothing up: neither the age of a
// batch, nor a hold, nor the status.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]time.Duration{"back": -years, "forth": years, "a second back": -time.Second, "a minute back": -time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("idle", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, clock := newJumpy(t, newEndpoint(t, nil))
					s.record("1")
					pass(2 * time.Second)
					clock.jump(d)
					s.record("2")
					pass(2 * time.Second)
					require.Equal(t, []string{"1", "2"}, s.endpoint.names())
					s.endpoint.set(always(401))
					s.record("3")
					pass(2 * time.Second)
					s.requireStatus(true, status.Inactive, 401)
				})
			})
			t.Run("collecting", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, clock := newJumpy(t, newEndpoint(t, nil))
					s.record("1")
					pass(time.Second / 2)
					clock.jump(d)
					pass(2 * time.Second)
					require.Equal(t, []string{"1"}, s.endpoint.names())
				})
			})
			t.Run("held", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, clock := newJumpy(t, newEndpoint(t, always(401)))
					s.record("1")
					pass(time.Minute)
					clock.jump(d)
					s.stop()
					s = start(t, s.endpoint, s.store, func(cfg *shipper.Config) { cfg.Clock = clock })
					s.endpoint.set(nil)
					require.NoError(t, s.store.Wake(t.Context(), hook)) // as after a restart
					pass(5*time.Minute + time.Second)
					require.Equal(t, []string{"1"}, s.endpoint.names())
					s.requireStatus(true, status.Active, 200)
				})
			})
			t.Run("blocked", func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s, clock := newJumpy(t, newEndpoint(t, always(401)))
					s.record("1")
					pass(time.Minute)
					clock.jump(d)
					s.record("2")
					s.update(webhook.Patch{Endpoint: webhook.Set("https://example.com/other")})
					s.endpoint.set(nil)
					pass(time.Minute)
					require.Equal(t, []string{"1", "2"}, s.endpoint.names())
					s.requireStatus(true, status.Active, 200)
				})
			})
		})
	}
}
