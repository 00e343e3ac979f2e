package natsstore

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// appendEvents appends a block for each event.
func appendEvents(t *testing.T, s *natsStore, stream string, events ...string) {
	t.Helper()
	for _, e := range events {
		_, err := s.Append(t.Context(), stream, "", store.Block{[]byte(e)})
		require.NoError(t, err)
	}
}

var one = store.Limits{Events: 1, Bytes: 1 << 10}

// A batch whose freezing was stored although the call failed, for instance because
// its context ended, comes before those behind it.
func TestBatchAfterWriteOfUnknownFate(t *testing.T) {
	t.Parallel()
	s := opened(t, config(t, single(t), 1))
	appendEvents(t, s, "w", "first", "second", "third")
	c := claimed(t, s, "w")

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
