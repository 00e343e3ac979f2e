package natstest_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
)

// A cluster works, and what it holds survives a server that is stopped and
// started again, and then all of them.
func TestCluster(t *testing.T) {
	t.Parallel()
	c, err := natstest.Start(t.TempDir(), 3, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	conn, err := nats.Connect(c.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "s", Subjects: []string{"s"}, Replicas: 3})
	require.NoError(t, err)
	last := uint64(0)
	for i := range 3 {
		c.StopOne(i)
		require.Eventually(t, func() bool {
			ack, err := js.Publish(t.Context(), "s", []byte("x"))
			if err == nil {
				require.Greater(t, ack.Sequence, last)
				last = ack.Sequence
			}
			return err == nil
		}, time.Minute, 10*time.Millisecond)
		require.NoError(t, c.StartOne(i))
	}
}
