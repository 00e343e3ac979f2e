package natsstore

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
)

// Close does not wait for servers that are away any longer than it says, also
// when there is a token left to publish.
func TestCloseWithoutServers(t *testing.T) {
	t.Parallel()
	c, err := natstest.Start(t.TempDir(), 1, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	s := opened(t, config(t, c, 1))
	appendEvents(t, s, "w", "event")
	c.StopOne(0)
	require.Eventually(t, func() bool { return !s.conn.IsConnected() }, time.Minute, time.Millisecond)
	s.ringer.ring("w")
	began := time.Now()
	require.Error(t, s.Close())
	require.Less(t, time.Since(began), closeTimeout+3*time.Second)
}
