package natsstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// opened returns a store of its own.
func opened(t *testing.T, c *natstest.Cluster, change func(*Config)) *natsStore {
	t.Helper()
	cfg := config(t, c, 1)
	if change != nil {
		change(&cfg)
	}
	s, err := open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() }) // a test may have stopped the servers
	return s
}

// appendEvents appends a block for each event.
func appendEvents(t *testing.T, s *natsStore, stream string, events ...string) {
	t.Helper()
	for _, e := range events {
		_, err := s.Append(t.Context(), stream, "", store.Block{[]byte(e)})
		require.NoError(t, err)
	}
}

// claimed returns a claim of the store's only stream with work.
func claimed(t *testing.T, s *natsStore) *claim {
	t.Helper()
	c, err := s.Claim(t.Context())
	require.NoError(t, err)
	require.IsType(t, &claim{}, c)
	return c.(*claim) //nolint:forcetypeassert // it was just required
}

var one = store.Limits{Events: 1, Bytes: 1 << 10}

// A batch whose freezing was stored although the call failed, for instance because
// its context ended, comes before those behind it.
func TestBatchAfterWriteOfUnknownFate(t *testing.T) {
	t.Parallel()
	s := opened(t, single(t), nil)
	appendEvents(t, s, "w", "first", "second", "third")
	c := claimed(t, s)

	// What such a call leaves behind: a document that the claim does not know.
	d := c.doc
	require.NoError(t, c.look(t.Context(), s, "w", d.end(), one))
	first := c.cut(one)
	d.freeze(&first)
	_, err := s.put(t.Context(), "w", d.encode(), c.rev)
	require.NoError(t, err)

	var got []string
	for range 3 {
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		if len(got) == 0 {
			require.Equal(t, first.frozen.ID, batch.ID)
		}
		got = append(got, string(batch.Events[0].Data))
	}
	require.Equal(t, []string{"first", "second", "third"}, got)
}
