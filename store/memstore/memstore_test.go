package memstore_test

import (
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
