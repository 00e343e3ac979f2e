package natsstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Ack freezes nothing as long as there are batches of an earlier claim, which come
// first.
func TestAckBeforeFrozen(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1", "2", "3")
	c := soon(t, s, "w")
	for range 2 {
		_, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
	}
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	c = soon(t, s, "w")
	for _, want := range []string{"1", "2", "3"} {
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, []string{want}, texts(batch))
		require.NoError(t, c.Ack(t.Context(), batch.ID, nil, one))
	}
}

// What was acknowledged before those in front of it is no backlog, and is not
// skipped with them.
func TestSkipBehindAcknowledged(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1", "22", "333", "4444")
	first := readAll(t, s, "w")[0].Time
	c := soon(t, s, "w")
	var ids []string
	for range 3 {
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		ids = append(ids, batch.ID)
	}
	require.NoError(t, c.Ack(t.Context(), ids[1], nil, store.Limits{}))
	backlog := store.Backlog{Events: 3, Bytes: 1 + 3 + 4, Oldest: first}
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, backlog, state.Backlog)
	skipped, err := c.Skip(t.Context(), time.Now(), nil)
	require.NoError(t, err)
	require.Equal(t, backlog, skipped)
}

// A batch of which a part is missing is not split before Batch has made a gap of
// that. The halves have what is damaged between their events, and behind the last.
func TestSplitDamaged(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	gone := appended(t, s, "w", "2")
	garbage(t, s)
	appended(t, s, "w", "3")
	garbage(t, s)
	garbage(t, s)
	c := soon(t, s, "w")
	whole, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2", "3"}, texts(whole))
	before, err := c.State(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, before.Gaps[0].Events)

	require.NoError(t, s.events.DeleteMsg(t.Context(), gone))
	require.ErrorIs(t, c.Split(t.Context(), whole.ID), store.ErrDamaged)
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
	c = soon(t, s, "w")
	again, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, whole.ID, again.ID)
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, state.Events)
	require.EqualValues(t, 2, state.Bytes)
	require.NoError(t, c.Split(t.Context(), whole.ID))
	state, err = c.State(t.Context())
	require.NoError(t, err)
	require.Len(t, state.Frozen, 2)
	require.Equal(t, before.Frozen[0].First, state.Frozen[0].First)
	require.Equal(t, state.Frozen[0].End, state.Frozen[1].First)
	require.Equal(t, before.Frozen[0].End, state.Frozen[1].End)
	require.EqualValues(t, 2, state.Events)
	require.EqualValues(t, 4, state.Gaps[0].Events)
	require.NotEqual(t, before.Gaps[0].ID, state.Gaps[0].ID)
	for _, want := range []string{"1", "3"} {
		half, err := c.Batch(t.Context(), all)
		require.NoError(t, err)
		require.Equal(t, []string{want}, texts(half))
		require.NoError(t, c.Ack(t.Context(), half.ID, nil, store.Limits{}))
	}
	_, err = c.Batch(t.Context(), all)
	require.ErrorIs(t, err, store.ErrNoEvents)
	after, err := c.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, state.Gaps, after.Gaps) // nothing was counted twice
	require.Zero(t, after.Backlog)
}

// Ack freezes a batch ahead, which is as much a frozen one as any other: the halves
// of a batch before it come first, it can be split or acknowledged itself, and what
// is gone then is not returned.
func TestFrozenAhead(t *testing.T) {
	t.Parallel()
	two := store.Limits{Events: 2, Bytes: 100}
	for name, test := range map[string]struct {
		change func(t *testing.T, c *claim, before, ahead string)
		want   [][]string
	}{
		"nothing": {func(*testing.T, *claim, string, string) {}, [][]string{{"5", "6"}}},
		"one before split": {func(t *testing.T, c *claim, before, _ string) {
			t.Helper()
			require.NoError(t, c.Split(t.Context(), before))
		}, [][]string{{"1"}, {"2"}, {"5", "6"}}},
		"split": {func(t *testing.T, c *claim, _, ahead string) {
			t.Helper()
			require.NoError(t, c.Split(t.Context(), ahead))
		}, [][]string{{"5"}, {"6"}}},
		"acknowledged": {func(t *testing.T, c *claim, _, ahead string) {
			t.Helper()
			require.NoError(t, c.Ack(t.Context(), ahead, nil, store.Limits{}))
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, patient(t))
			appended(t, s, "w", "1", "2", "3", "4", "5", "6")
			c := soon(t, s, "w")
			before, err := c.Batch(t.Context(), two)
			require.NoError(t, err)
			second, err := c.Batch(t.Context(), two)
			require.NoError(t, err)
			require.NoError(t, c.Ack(t.Context(), second.ID, nil, two))
			state, err := c.State(t.Context())
			require.NoError(t, err)
			require.Len(t, state.Frozen, 3)
			test.change(t, c, before.ID, state.Frozen[2].ID)
			var got [][]string
			for {
				batch, err := c.Batch(t.Context(), two)
				if err != nil {
					require.ErrorIs(t, err, store.ErrNoEvents)
					break
				}
				got = append(got, texts(batch))
			}
			require.Equal(t, test.want, got)
		})
	}
}
