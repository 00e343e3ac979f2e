package natsstore

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// A URL with a mistake in it may have a password in it as well.
func TestOpenErrorsHideThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"nats://user:secret@host:99x",
		"nats://user:%secret@host:4222",
		"nats://host:4222,nats://user:se cret@ho st:4222",
	} {
		_, err := Open(t.Context(), Config{URL: url})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "cret")
	}
}

// Servers that cannot do all that the store needs are told apart, and no others.
func TestTooOld(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"1.4.1": true, "2.9.25": true, "2.11.9": true, "2.12.0": false, "2.12.1-beta": false, "3.0.0": false,
		server.VERSION: false, "": false, "dev": false,
	} {
		require.Equal(t, want, tooOld(version), version)
	}
}

// The connection outlives servers that refuse the credentials for a while.
func TestReconnectAfterRefusals(t *testing.T) {
	t.Parallel()
	c, err := natstest.Start(t.TempDir(), 1, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	refused := make(chan struct{}, 100)
	cfg := config(t, c, 1)
	cfg.Options = []nats.Option{
		nats.ReconnectWait(10 * time.Millisecond),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, _ error) { refused <- struct{}{} }),
	}
	s := opened(t, cfg)
	_, port, err := net.SplitHostPort(c.Server(0).Addr().String())
	require.NoError(t, err)
	number, err := strconv.Atoi(port)
	require.NoError(t, err)

	c.StopOne(0)
	other, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: number, Username: "somebody", Password: "else", NoLog: true, NoSigs: true,
	})
	require.NoError(t, err)
	other.Start()
	for range 2 { // the library would give up then
		<-refused
	}
	other.Shutdown()
	other.WaitForShutdown()
	require.NoError(t, c.StartOne(0))

	require.Eventually(t, func() bool {
		_, err := s.Append(t.Context(), "w", "id", store.Block{[]byte("event")})
		return err == nil
	}, time.Minute, 10*time.Millisecond)
}
