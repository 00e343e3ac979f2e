//go:build unix

package natsstore_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// chaosStream is the stream of the tests that need only one.
const chaosStream = "tenant"

var chaosLimits = store.Limits{Events: 2, Bytes: 1 << 20}

// TestChaosStoppedHolder stops a process that has a claim until its lease has
// passed: whoever claims the stream then gets the same batch, and when the
// process goes on, its acknowledgement is refused and changes nothing.
func TestChaosStoppedHolder(t *testing.T) {
	t.Parallel()
	url := startServers(t, 1).URL()
	events := openStore(t, holderStore(url))
	_, err := events.Append(t.Context(), chaosStream, "", store.Block{[]byte("1"), []byte("2"), []byte("3")})
	require.NoError(t, err)
	p, err := start(t, &child{Role: "holder", URL: url}, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), chaosBounds)
	defer cancel()
	id, err := p.await(ctx, "holding ")
	require.NoError(t, err)
	require.NoError(t, p.signal(syscall.SIGSTOP))

	claim := claimOf(t, events) // waits for the lease to pass
	same, err := claim.Batch(ctx, chaosLimits)
	require.NoError(t, err)
	require.Equal(t, id, same.ID)
	before, err := events.State(ctx, chaosStream)
	require.NoError(t, err)

	require.NoError(t, p.tell("acknowledge"))
	require.NoError(t, p.signal(syscall.SIGCONT))
	_, err = p.await(ctx, "refused")
	require.NoError(t, err)
	require.NoError(t, p.wait())
	requireUnchanged(t, events, before)
	finishStream(t, claim, same.ID)
}

// holderStore has a lease that is enough for the whole test where the machine is
// busy with others.
func holderStore(url string) natsstore.Config {
	cfg := chaosStore(url, 1)
	cfg.Lease = 5 * chaosLease
	return cfg
}

// hold is the process: it claims the stream, and acknowledges the first batch
// when it is told to.
func (c *child) hold(hear func(string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), chaosBounds)
	defer cancel()
	events, err := natsstore.Open(ctx, holderStore(c.URL))
	if err != nil {
		return err
	}
	claim, err := events.Claim(ctx)
	if err != nil {
		return err
	}
	batch, err := claim.Batch(ctx, chaosLimits)
	if err != nil {
		return err
	}
	say("holding " + batch.ID)
	if err := hear("acknowledge"); err != nil {
		return err
	}
	err = claim.Ack(ctx, batch.ID, []byte("late"), store.Limits{})
	if !errors.Is(err, store.ErrClaimLost) {
		return fmt.Errorf("the late acknowledgement: %w", err)
	}
	say("refused")
	return events.Close()
}

// openStore opens a store until the test ends.
func openStore(t *testing.T, cfg natsstore.Config) store.Store {
	t.Helper()
	s, err := natsstore.Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// claimOf waits for a claim of the stream.
func claimOf(t *testing.T, s store.Store) store.Claim {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), chaosBounds)
	defer cancel()
	c, err := s.Claim(ctx)
	require.NoError(t, err)
	require.Equal(t, chaosStream, c.Stream())
	return c
}

// requireUnchanged checks that the stream's state is what it was.
func requireUnchanged(t *testing.T, s store.Store, before store.State) {
	t.Helper()
	after, err := s.State(t.Context(), chaosStream)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(before, after))
}

// finishStream acknowledges the batch of the first two events and the one after
// it, and checks that nothing is left.
func finishStream(t *testing.T, c store.Claim, id string) {
	t.Helper()
	require.NoError(t, c.Ack(t.Context(), id, nil, store.Limits{}))
	b, err := c.Batch(t.Context(), chaosLimits)
	require.NoError(t, err)
	require.Len(t, b.Events, 1)
	require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.Zero(t, state.Events)
	require.Empty(t, state.Frozen)
	require.NoError(t, c.Release(t.Context(), store.Wait{}))
}
