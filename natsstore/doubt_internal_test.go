package natsstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// A change that was stored although its answer was lost is made once, and the call
// knows that it was.
func TestAnswersOfClaimAreLost(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	m := meddle(s)
	lose := func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.update = unheard
	}
	appended(t, s, "w", "1", "2", "3", "4")
	lose()
	c := claimed(t, s, "w")
	two := store.Limits{Events: 2, Bytes: 100}
	lose()
	batch, err := c.Batch(t.Context(), two)
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2"}, texts(batch))
	lose()
	require.NoError(t, c.Split(t.Context(), batch.ID))
	for _, want := range []string{"1", "2"} {
		batch, err = c.Batch(t.Context(), two)
		require.NoError(t, err)
		require.Equal(t, []string{want}, texts(batch))
		lose()
		require.NoError(t, c.Ack(t.Context(), batch.ID, []byte("status of "+want), two))
	}
	batch, err = c.Batch(t.Context(), two)
	require.NoError(t, err)
	require.Equal(t, []string{"3", "4"}, texts(batch))
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, "status of 2", string(state.Status))
	require.Len(t, state.Frozen, 1)
	lose()
	skipped, err := c.Skip(t.Context(), time.Now(), nil)
	require.NoError(t, err)
	require.EqualValues(t, 2, skipped.Events)
	require.Nil(t, m.update)
}

// When a call has made a change although it failed, the next one goes on from
// there.
func TestCallsAfterChangeOfUnknownFate(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1", "2", "3", "4")
	c := claimed(t, s, "w")
	first, err := c.Batch(t.Context(), one)
	require.NoError(t, err)
	second, err := c.Batch(t.Context(), one)
	require.NoError(t, err)
	unknown := func(change func(*document)) {
		d := c.doc
		change(&d)
		_, err := s.put(t.Context(), "w", d.encode(), c.rev)
		require.NoError(t, err)
	}

	// A batch that was frozen so comes before one that Ack freezes.
	var frozen cut
	unknown(func(d *document) {
		var a ahead
		require.NoError(t, a.look(t.Context(), s, "w", d.end(), one))
		frozen = a.cut(one)
		d.freeze(&frozen)
	})
	require.NoError(t, c.Ack(t.Context(), first.ID, nil, one))
	third, err := c.Batch(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, frozen.frozen.ID, third.ID)
	require.Equal(t, []string{"3"}, texts(third))

	// What Skip has seen is no longer so: it changes nothing.
	unknown(func(d *document) { d.ack(0) })
	_, err = c.Skip(t.Context(), time.Now(), []byte("skipped"))
	require.ErrorIs(t, err, store.ErrUnavailable)
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, state.Events)
	require.Nil(t, state.Status)
	require.ErrorIs(t, c.Ack(t.Context(), second.ID, nil, store.Limits{}), store.ErrNotFound)
	skipped, err := c.Skip(t.Context(), time.Now(), []byte("skipped"))
	require.NoError(t, err)
	require.EqualValues(t, 2, skipped.Events)
}

// A lease that the server was not told to prolong ends when the server lets it end.
// It need not be told each time.
func TestLeaseGoesOnAsItWas(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1")
	c := claimed(t, s, "w")
	m := c.spy()
	m.inProgress = errAway
	until := c.until
	c.told = time.Time{}
	require.NoError(t, c.Keep(t.Context()))
	require.Equal(t, until, c.until)
	m.inProgress = nil
	require.NoError(t, c.Keep(t.Context()))
	require.Greater(t, c.until, until)
	require.NoError(t, c.Keep(t.Context()))
	require.Equal(t, 2, m.told)
}

// A gap that could not be cleared is still there.
func TestGapIsNotCleared(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	garbage(t, s)
	appended(t, s, "w", "1")
	c := claimed(t, s, "w")
	_, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	before, err := c.State(t.Context())
	require.NoError(t, err)
	require.Len(t, before.Gaps, 1)
	meddle(s).update = func(func() (uint64, error)) (uint64, error) { return 0, errAway }
	require.ErrorIs(t, c.ClearGap(t.Context(), before.Gaps[0].ID), errAway)
	after, err := c.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NoError(t, c.ClearGap(t.Context(), before.Gaps[0].ID))
	after, err = c.State(t.Context())
	require.NoError(t, err)
	require.Empty(t, after.Gaps)
}
