package natsstore

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// A sweep that takes longer than the interval tells so all the time: otherwise
// another instance begins one, and then none of them ever counts as done.
func TestSweepTellsThatItGoesOn(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	cfg.Sweep = 4 * time.Millisecond
	s := opened(t, cfg)
	for i := range 300 { // streams to look at: each has sent its events
		appendEvents(t, s, fmt.Sprint("w", i), "event")
		c := claimed(t, s, fmt.Sprint("w", i))
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
		require.NoError(t, c.Release(t.Context(), store.Wait{}))
	}
	watcher, err := s.states.Watch(t.Context(), sweepKey)
	require.NoError(t, err)
	defer stop(watcher)
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	var last sweeps
	for same := 0; same < 3; { // the first and the last are those of a sweep's beginning and end
		select {
		case entry := <-watcher.Updates():
			if entry == nil {
				continue
			}
			var done sweeps
			require.NoError(t, json.Unmarshal(entry.Value(), &done))
			if same++; !done.Orphans.Equal(last.Orphans) {
				last, same = done, 0
			}
		case <-deadline.C:
			require.Fail(t, "no sweep tells that it goes on")
		}
	}
}
