//go:build unix

package natsstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// TestChaosOrphan kills a process between its publishing of an event and that of
// the token: the sweep of another one finds the event.
func TestChaosOrphan(t *testing.T) {
	t.Parallel()
	url := startServers(t, 1).URL()
	events := openStore(t, chaosStore(url, 1))
	p, err := start(t, &child{Role: "orphaner", URL: url, Servers: 1}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), chaosBounds)
	defer cancel()
	_, err = p.await(ctx, "published")
	require.NoError(t, err)
	require.NoError(t, p.kill())

	claim := claimOf(t, events) // waits for the sweep
	b, err := claim.Batch(ctx, chaosLimits)
	require.NoError(t, err)
	require.Len(t, b.Events, 2)
	finishStream(t, claim, b.ID)
}

// orphan is the process: it stays between the two.
func (c *child) orphan(func(string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), chaosBounds)
	defer cancel()
	events, err := natsstore.OpenWatched(ctx, chaosStore(c.URL, c.Servers), func() {
		say("published")
		<-ctx.Done()
	})
	if err != nil {
		return err
	}
	_, err = events.Append(ctx, chaosStream, "", store.Block{[]byte("1"), []byte("2"), []byte("3")})
	return err
}
