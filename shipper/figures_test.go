package shipper_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
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

// recordedHook keeps how many events were accepted, call by call.
type recordedHook struct {
	mu    sync.Mutex
	calls []int
}

func (h *recordedHook) Recorded(_ context.Context, _ string, events, _ int, _ time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, events)
}

// contested makes the first change of a webhook a conflict.
type contested struct {
	store.Store
	once sync.Once
}

func (c *contested) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	conflict := false
	c.once.Do(func() { conflict = true })
	if conflict {
		return 0, store.ErrConflict
	}
	return c.Store.Put(ctx, key, value, revision)
}

// Hooks and figures know of all events that were accepted, also of those that
// tell of a change, and of these once, however often the change is tried.
func TestEventsOfChangesAreCounted(t *testing.T) {
	t.Parallel()
	mem, err := memstore.Open(memstore.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, mem.Close()) })
	key, err := shipper.NewKey(make([]byte, shipper.KeyBytes))
	require.NoError(t, err)
	hooked := &recordedHook{}
	s, err := shipper.New(shipper.Config{Store: &contested{Store: mem}, Keys: []shipper.Key{key}, Hooks: []shipper.Hook{hooked}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })

	_, err = s.Update(t.Context(), hook, webhook.Patch{
		Endpoint:      webhook.Set("https://example.com"),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
	}, events("configured", "by whom")...)
	require.NoError(t, err)
	require.NoError(t, s.Record(t.Context(), hook, events("1", "2", "3")...))
	require.NoError(t, s.Delete(t.Context(), hook, events("deleted")...))

	require.Empty(t, cmp.Diff([]int{2, 3, 1}, hooked.calls))
	snapshot, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 6, snapshot.Recorded)
	require.EqualValues(t, 6, snapshot.Queued.Events)
}
