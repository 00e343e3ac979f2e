package shipper_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The time of a snapshot is that of the clock, so that it tells ages.
func TestSnapshotTellsAges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http.StatusUnauthorized)))
		s.record("1")
		pass(time.Minute)
		snapshot, err := s.Snapshot(t.Context())
		require.NoError(t, err)
		require.Equal(t, time.Now(), snapshot.Time)
		require.Equal(t, time.Minute, snapshot.Time.Sub(snapshot.Queued.Oldest))
	})
}
