package memstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(*testing.T) storetest.Subject {
		clock := storetest.NewClock()
		return storetest.Subject{
			Open: func() (store.Store, error) {
				return memstore.Open(memstore.Config{Clock: clock, Retention: 2 * time.Hour})
			},
			Volatile: true,
			Advance:  clock.Advance,
			Lease:    memstore.DefaultLease, Retention: 2 * time.Hour,
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := memstore.Open(memstore.Config{Retention: 1, MaxBytes: 1, Lease: 1})
	for _, field := range []string{"Retention", "MaxBytes", "Lease"} {
		require.ErrorContains(t, err, field)
	}
	s, err := memstore.Open(memstore.Config{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// A full store takes nothing more until something was delivered, and then
// makes room.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	s, err := memstore.Open(memstore.Config{MaxBytes: memstore.MinBytes})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	block := store.Block{make([]byte, 256<<10)}
	fill := func() (n int) {
		for ; ; n++ {
			_, err := s.Append(t.Context(), "stream", "", block)
			if err == nil {
				require.Less(t, n, memstore.MinBytes/len(block[0]))
				continue
			}
			require.ErrorIs(t, err, store.ErrFull)
			return n
		}
	}
	all := fill()
	require.Equal(t, memstore.MinBytes/len(block[0])-1, all) // for each takes a little more than its bytes
	require.Zero(t, fill())
	total, err := s.Total(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, all, total.Events)

	c, err := s.Claim(t.Context())
	require.NoError(t, err)
	b, err := c.Batch(t.Context(), store.Limits{Events: all / 2, Bytes: memstore.MinBytes})
	require.NoError(t, err)
	require.Len(t, b.Events, all/2)
	require.Zero(t, fill(), "what is frozen is not delivered yet")
	require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
	require.Positive(t, fill())
	total, err = s.Total(t.Context())
	require.NoError(t, err)
	require.Greater(t, total.Events, int64(all-all/2))
}

// A Read that nobody waits for any more ends with the segment, however many there
// are without an event of its stream.
func TestReadGivenUp(t *testing.T) {
	t.Parallel()
	s, err := memstore.Open(memstore.Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	for _, stream := range []string{"a", "b", "b", "b"} {
		_, err := s.Append(t.Context(), stream, "", store.Block{make([]byte, 1<<20)})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs []error
	for _, err := range s.Read(ctx, "a", store.From{}) {
		errs = append(errs, err)
		cancel()
	}
	require.Equal(t, []error{nil, context.Canceled}, errs)
}
