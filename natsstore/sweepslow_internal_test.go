package natsstore

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// However long a sweep takes, of several instances one comes to its end.
func TestSweepsLongerThanTheirInterval(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	cfg.Sweep = 2 * time.Millisecond // shorter than the few requests of a sweep
	first, err := open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, first.Close()) })
	for i := range 200 { // streams to look at: each has sent its events
		appendEvents(t, first, fmt.Sprint("w", i), "event")
		c := claimed(t, first, fmt.Sprint("w", i))
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
		require.NoError(t, c.Release(t.Context(), store.Wait{}))
	}
	for range 3 {
		s, err := open(t.Context(), cfg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
	}
	ended := func() (at time.Time) {
		entry, err := first.entry(t.Context(), sweepKey)
		require.NoError(t, err)
		if entry != nil {
			var done sweeps
			require.NoError(t, json.Unmarshal(entry.Value(), &done))
			at = done.Orphans
		}
		return at
	}
	before := ended()
	require.Eventually(t, func() bool { return ended().After(before) }, 5*time.Second, 10*time.Millisecond)
}
