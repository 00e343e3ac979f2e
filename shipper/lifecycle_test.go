package shipper_test

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Attempts under way may end; what waits for a retry does not.
func TestClose(t *testing.T) {
	t.Parallel()
	t.Run("attempt ends", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, newEndpoint(t, func(request, int) int {
				time.Sleep(3 * time.Second) //nolint:forbidigo // on virtual time
				return http.StatusOK
			}))
			s.record("1")
			pass(2 * time.Second)
			began := time.Now()
			require.NoError(t, s.Close(t.Context()))
			require.Equal(t, 2*time.Second, time.Since(began))
			require.Equal(t, []string{"1"}, s.endpoint.names())
			next := start(t, s.endpoint, s.store)
			require.Zero(t, next.report().Unsent)
		})
	})
	t.Run("deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, newEndpoint(t, always(hang)))
			s.record("1")
			pass(2 * time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			require.ErrorIs(t, s.Close(ctx), context.DeadlineExceeded)
			id := s.endpoint.received()[0].id
			s.endpoint.set(nil)
			next := start(t, s.endpoint, s.store)
			next.configure() // the memory store's key went with the Shipper
			pass(time.Second)
			require.Equal(t, []string{"1"}, s.endpoint.names())
			require.Equal(t, id, s.endpoint.received()[1].id)
		})
	})
	t.Run("wait for a retry", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSetup(t, newEndpoint(t, always(http.StatusInternalServerError)))
			s.record("1")
			pass(5 * time.Second)
			began := time.Now()
			require.NoError(t, s.Close(t.Context()))
			require.Zero(t, time.Since(began))
			require.EqualValues(t, 1, start(t, s.endpoint, s.store).report().Unsent.Events)
		})
	})
}

// The store is closed beneath the Shipper: everything ends, nothing panics.
func TestStoreClosedBeneath(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http.StatusInternalServerError)))
		s.record("1")
		pass(3 * time.Second)
		require.NoError(t, s.store.Close())
		require.Error(t, s.Record(t.Context(), hook, events("2")...))
		pass(time.Minute)
		require.NoError(t, s.Close(t.Context()))
	})
}

// Endpoints that hang hold nobody but themselves, though there are more of them
// than workers.
func TestHangingHoldsOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, func(r request, _ int) int {
			if r.host == "hangs.example.com" {
				return hang
			}
			return http.StatusOK
		})
		s := bare(t, e, func(c *shipper.Config) {
			c.Workers, c.SlowWorkers = 2, 100
		})
		for i := range 20 {
			host := "https://example.com"
			if i%2 == 0 {
				host = "https://hangs.example.com"
			}
			_, err := s.Update(t.Context(), strconv.Itoa(i), webhook.Patch{
				Endpoint: webhook.Set(host), Authorization: webhook.Set(webhook.NewSecret("x")), Enabled: webhook.Set(true),
			})
			require.NoError(t, err)
			require.NoError(t, s.Record(t.Context(), strconv.Itoa(i), events(strconv.Itoa(i))...))
		}
		pass(15 * time.Second)
		require.ElementsMatch(t, []string{"1", "3", "5", "7", "9", "11", "13", "15", "17", "19"}, e.names())
	})
}

// Webhooks with nothing to send cost no goroutine.
func TestIdleWebhooksCostNoGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := bare(t, newEndpoint(t, nil))
		pass(time.Second)
		before := runtime.NumGoroutine()
		for i := range 2_000 {
			id := strconv.Itoa(i)
			_, err := s.Update(t.Context(), id, webhook.Patch{
				Endpoint: webhook.Set("https://example.com"), Authorization: webhook.Set(webhook.NewSecret("x")), Enabled: webhook.Set(true),
			})
			require.NoError(t, err)
		}
		pass(time.Second)
		require.Less(t, runtime.NumGoroutine(), before+200) // others run at the same time
	})
}

// slowClaims is a store where each claim takes a second, as over a network that
// is a slow one.
type slowClaims struct{ store.Store }

func (s slowClaims) Claim(ctx context.Context) (store.Claim, error) {
	c, err := s.Store.Claim(ctx)
	time.Sleep(time.Second) //nolint:forbidigo // on virtual time
	return c, err
}

// Claims do not wait for each other.
func TestClaimsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newEndpoint(t, nil), slowClaims{memory(t)}, sealing(keyOf(t, "k")))
		const webhooks = 32
		for i := range webhooks {
			id := strconv.Itoa(i)
			_, err := s.Update(t.Context(), id, webhook.Patch{
				Endpoint: webhook.Set("https://example.com"), Authorization: webhook.Set(webhook.NewSecret("x")), Enabled: webhook.Set(true),
			})
			require.NoError(t, err)
			require.NoError(t, s.Record(t.Context(), id, events(id)...))
		}
		pass(webhooks / 2 * time.Second) // each is claimed twice: its batch is not due at first
		require.Len(t, s.endpoint.names(), webhooks)
	})
}

// With more in flight everything still arrives once.
func TestInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, refusing(http.StatusBadRequest, "1234", "77")), func(c *shipper.Config) {
			c.InFlight, c.Batch.Events = 4, 50
		})
		s.record(numbered(2_000)...)
		pass(10 * time.Minute)
		s.record("more") // the last one refused may have none after it
		pass(10 * time.Minute)
		want := append(append(numbered(2_000)[:77:77], numbered(2_000)[78:1234]...), numbered(2_000)[1235:]...)
		want = append(want, "more")
		require.ElementsMatch(t, want, s.endpoint.names())
		require.Equal(t, []string{"77", "1234"}, s.letters())
	})
}

// Dead letters can be sent once more, or deleted.
func TestRedriveAndPurge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, refusing(http.StatusBadRequest, "a", "b")))
		s.record("a", "1", "b", "2")
		pass(time.Minute)
		require.Equal(t, []string{"a", "b"}, s.letters())
		var ids []string
		for d, err := range s.DeadLetters(t.Context(), hook) {
			require.NoError(t, err)
			require.Equal(t, http.StatusBadRequest, d.Code)
			require.Equal(t, "400 Bad Request", d.Reason)
			ids = append(ids, d.ID)
		}
		s.endpoint.set(nil)
		require.NoError(t, s.Redrive(t.Context(), hook, ids[0]))
		require.NoError(t, s.Purge(t.Context(), hook, ids[1]))
		for _, again := range []error{s.Redrive(t.Context(), hook, ids[0]), s.Purge(t.Context(), hook, ids[1])} {
			require.ErrorIs(t, again, shipper.ErrNotFound)
		}
		pass(time.Second)
		require.Equal(t, []string{"1", "2", "a"}, s.endpoint.names())
		require.Empty(t, s.letters())
	})
}

// keyStore lets something be done before the next block with a key is appended.
type keyStore struct {
	store.Store

	before func(key string)
}

func (k *keyStore) Append(ctx context.Context, stream, key string, block store.Block) (uint64, error) {
	if before := k.before; before != nil && key != "" {
		k.before = nil
		before(key)
	}
	return k.Store.Append(ctx, stream, key, block)
}

// A dead letter is sent once more although a caller has just used the very key
// that it is appended by.
func TestRedriveKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &keyStore{Store: memory(t)}
		s := start(t, newEndpoint(t, refusing(http.StatusBadRequest, "bad")), st, sealing(keyOf(t, "k")))
		s.configure()
		s.record("bad", "good")
		pass(time.Minute)
		require.Equal(t, []string{"bad"}, s.letters())
		var letter string
		for d, err := range s.DeadLetters(t.Context(), hook) {
			require.NoError(t, err)
			letter = d.ID
		}
		s.endpoint.set(nil)
		used := ""
		st.before = func(key string) {
			used = key
			require.NoError(t, s.RecordOnce(t.Context(), hook, key, events("callers")...))
		}
		require.NoError(t, s.Redrive(t.Context(), hook, letter))
		require.NotEmpty(t, used)
		pass(time.Minute)
		require.Equal(t, []string{"good", "callers", "bad"}, s.endpoint.names())
		require.Empty(t, s.letters())
	})
}
