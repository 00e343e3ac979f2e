package ready_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/ready"
)

const lease = time.Minute

// setup calls the test on virtual time with a queue and n items that have work.
func setup(t *testing.T, n int, test func(t *testing.T, q *ready.Queue[int], items []*ready.Item[int])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := ready.New[int](store.SystemClock{}, lease)
		defer q.Close()
		var items []*ready.Item[int]
		for i := range n {
			items = append(items, &ready.Item[int]{Value: i})
			q.Offer(items[i])
		}
		test(t, q, items)
	})
}

func claim(t *testing.T, q *ready.Queue[int]) (*ready.Item[int], uint64) {
	t.Helper()
	it, token, err := q.Claim(t.Context())
	require.NoError(t, err)
	return it, token
}

// Waits end when they are due, not before, in the order of their ends.
func TestDelays(t *testing.T) {
	t.Parallel()
	setup(t, 500, func(t *testing.T, q *ready.Queue[int], items []*ready.Item[int]) {
		start := time.Now()
		for i := range items {
			it, token := claim(t, q)
			require.Equal(t, i, it.Value)
			// The later ones wait less long.
			require.True(t, q.Release(it, token, true, time.Duration(len(items)-i)*time.Second))
		}
		for i := range items {
			it, token := claim(t, q)
			require.Equal(t, len(items)-1-i, it.Value)
			require.Equal(t, time.Duration(i+1)*time.Second, time.Since(start))
			require.True(t, q.Release(it, token, false, 0))
		}
	})
}

// A claim that nobody prolongs ends with its lease, to the moment.
func TestLease(t *testing.T) {
	t.Parallel()
	setup(t, 1, func(t *testing.T, q *ready.Queue[int], items []*ready.Item[int]) {
		start := time.Now()
		it, stale := claim(t, q)
		require.NoError(t, store.SystemClock{}.Sleep(t.Context(), lease-1))
		require.True(t, q.Held(it))
		require.True(t, q.Renew(it, stale))
		_, token := claim(t, q)
		require.Equal(t, 2*lease-1, time.Since(start))
		require.False(t, q.Renew(it, stale))
		require.False(t, q.Release(it, stale, true, 0))
		require.True(t, q.Renew(it, token))
	})
}

// jumping is a clock that can be set, while sleeps go on as they began.
type jumping struct {
	store.SystemClock

	ahead time.Duration
}

func (j *jumping) Now() time.Time { return j.SystemClock.Now().Add(j.ahead) }

// Waits that begin after the clock was set ahead are not longer for it.
func TestClockSetAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := &jumping{}
		q := ready.New[int](clock, lease)
		defer q.Close()
		q.Offer(&ready.Item[int]{})
		it, token := claim(t, q)
		synctest.Wait() // it sleeps until the lease ends
		require.True(t, q.Release(it, token, true, 0))
		it, token = claim(t, q)
		clock.ahead = time.Hour
		require.False(t, q.Renew(it, token), "the lease has ended")
		it, token = claim(t, q)
		start := time.Now()
		require.True(t, q.Release(it, token, true, time.Second))
		_, _ = claim(t, q)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// An item that is dropped never comes back, wherever it was.
func TestDrop(t *testing.T) {
	t.Parallel()
	setup(t, 4, func(t *testing.T, q *ready.Queue[int], items []*ready.Item[int]) {
		held, token := claim(t, q)
		delayed, other := claim(t, q)
		require.True(t, q.Release(delayed, other, true, time.Second))
		for _, it := range items[:3] {
			q.Drop(it)
			q.Offer(it)
			q.Wake(it)
		}
		require.False(t, q.Renew(held, token))
		it, _ := claim(t, q)
		require.Equal(t, 3, it.Value)
		require.NoError(t, store.SystemClock{}.Sleep(t.Context(), 2*time.Second))
		require.False(t, q.Held(delayed))
	})
}

// An item handed to a caller that gave up goes to the next one.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	setup(t, 0, func(t *testing.T, q *ready.Queue[int], _ []*ready.Item[int]) {
		for i := range 100 {
			it := &ready.Item[int]{Value: i}
			stop := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				if got, token, err := q.Claim(ctx); err == nil {
					q.Release(got, token, true, 0)
				}
				close(stop)
			}()
			synctest.Wait()
			go cancel()
			go q.Offer(it)
			<-stop
			got, token := claim(t, q)
			require.Equal(t, i, got.Value)
			require.True(t, q.Release(got, token, false, 0))
		}
	})
}

func TestClose(t *testing.T) {
	t.Parallel()
	setup(t, 0, func(t *testing.T, q *ready.Queue[int], _ []*ready.Item[int]) {
		errs := make(chan error)
		go func() {
			_, _, err := q.Claim(t.Context())
			errs <- err
		}()
		synctest.Wait()
		q.Close()
		require.ErrorIs(t, <-errs, store.ErrClosed)
		_, _, err := q.Claim(t.Context())
		require.ErrorIs(t, err, store.ErrClosed)
	})
}
