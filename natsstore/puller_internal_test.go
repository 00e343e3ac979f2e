package natsstore

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// A stream whose document cannot be read, such as one of a later version of this
// package, keeps nobody from claiming the others.
func TestClaimBesideUnreadableDocument(t *testing.T) {
	t.Parallel()
	s := opened(t, config(t, single(t), 1))
	_, err := s.states.Put(t.Context(), stateKeys+"bad", []byte("{\"version\":2}\n"))
	require.NoError(t, err)
	appendEvents(t, s, "bad", "event")
	require.NoError(t, s.ringer.flush(t.Context(), true))
	for i := range 10 {
		appendEvents(t, s, fmt.Sprint("good-", i), "event")
	}
	failed := 0
	for claims := 0; claims < 10; {
		if _, err := s.Claim(t.Context()); err == nil {
			claims++
			continue
		}
		failed++
		require.Less(t, failed, 10)
	}
	require.Positive(t, failed)
}

// When the servers have lost their last tokens, with their power, they give the
// sequences of those once more. The streams are delivered nevertheless.
func TestClaimAfterTokensWereLost(t *testing.T) {
	t.Parallel()
	s := opened(t, config(t, single(t), 1))
	for range 3 { // so that the last token has a later sequence than the next
		appendEvents(t, s, "w", "event")
		c := claimed(t, s, "w")
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
		require.NoError(t, c.Release(t.Context(), store.Wait{}))
	}
	tokens := s.tokens.CachedInfo().Config
	require.NoError(t, s.js.DeleteStream(t.Context(), tokens.Name))
	stream, err := s.js.CreateStream(t.Context(), tokens)
	require.NoError(t, err)
	_, err = s.cfg.ensureConsumer(t.Context(), stream)
	require.NoError(t, err)

	appendEvents(t, s, "w", "late")
	ctx, cancel := context.WithTimeout(t.Context(), 5*s.cfg.Lease+pullExpiry)
	defer cancel()
	began := time.Now()
	c, err := s.Claim(ctx)
	require.NoError(t, err, "after %v", time.Since(began))
	batch, err := c.Batch(t.Context(), one)
	require.NoError(t, err)
	require.Equal(t, "late", string(batch.Events[0].Data))
}
