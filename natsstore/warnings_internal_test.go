package natsstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// Open warns of a stream that a power failure can take events from.
func TestOpenWarnsOfPowerLoss(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		servers  func(testing.TB) *natstest.Cluster
		replicas int
		sync     bool
		want     string // the number of replicas, or nothing
	}{
		"one":                    {single, 1, false, "replicas=1"},
		"as many as there are":   {single, 0, false, "replicas=1"},
		"one that syncs":         {single, 1, true, ""},
		"one of several servers": {three, 0, false, "replicas=1"},
		"three":                  {three, 3, false, ""},
		"three that sync":        {three, 3, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, test.servers(t), test.replicas)
			t.Cleanup(func() { remove(withoutContext{t}, cfg) })
			var l logs
			cfg.SyncAlways, cfg.Logger = test.sync, l.logger()
			opened(t, cfg)
			if test.want == "" {
				require.Empty(t, l.String())
				return
			}
			require.Equal(t, 1, strings.Count(l.String(), "\n"), l.String())
			require.Contains(t, l.String(), "level=WARN")
			require.Contains(t, l.String(), "a power failure of the server can lose the last ones")
			require.Contains(t, l.String(), "stream="+cfg.Name+"-events "+test.want)
		})
	}
}

// What counts is how many replicas there are, not how many were asked for.
func TestOpenWarnsByWhatExists(t *testing.T) {
	t.Parallel()
	cfg := config(t, three(t), 3)
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	opened(t, cfg)
	var l logs
	cfg.Replicas, cfg.SyncAlways, cfg.Logger = 0, false, l.logger()
	opened(t, cfg)
	require.Empty(t, l.String())
}

// The servers' max_payload bounds a block. Open warns of a small one, and an
// error says how large a block may be.
func TestSmallPayload(t *testing.T) {
	t.Parallel()
	const payload = 64 << 10
	servers := serve(t, func(o *server.Options) { o.MaxPayload = payload })
	cfg := config(t, servers, 1)
	var l logs
	cfg.Logger = l.logger()
	s := opened(t, cfg)
	require.Equal(t, 1, strings.Count(l.String(), "\n"), l.String())
	require.Contains(t, l.String(), "level=WARN")
	require.Contains(t, l.String(), "max_payload is smaller than the largest block")
	require.Contains(t, l.String(), "max_payload=65536 ")

	// The longest names, of which each byte takes three when it is escaped.
	stream, dedupID := strings.Repeat("é", store.MaxName/2), strings.Repeat("ü", store.MaxName/2)
	refused := func(block store.Block) *store.SizeError {
		_, err := s.Append(t.Context(), stream, dedupID, block)
		size, ok := errors.AsType[*store.SizeError](err)
		require.True(t, ok, err)
		require.Greater(t, size.Size, size.Max)
		require.Greater(t, size.Max, payload*9/10)
		return size
	}
	block := store.Block{make([]byte, 2*payload)}
	size := refused(block)
	over := size.Size - size.Max
	require.Equal(t, size.Max+1, refused(store.Block{block[0][over-1:]}).Size)
	_, err := s.Append(t.Context(), stream, dedupID, store.Block{block[0][over:]})
	require.NoError(t, err)

	block = make(store.Block, 500)
	for i := range block {
		block[i] = make([]byte, 2*payload/len(block))
	}
	size = refused(block)
	over = size.Size - size.Max
	seq, err := s.Append(t.Context(), stream, "", block[over/len(block[0])+1:])
	require.NoError(t, err)
	require.Equal(t, uint64(2), seq)
}

// Instances that open the store at once, on servers that have nothing of it yet, all
// get work from the beginning.
func TestWorkAtOnce(t *testing.T) {
	t.Parallel()
	cfg := config(t, three(t), 3)
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	var l logs
	cfg.Logger = l.logger()
	var running sync.WaitGroup
	stores := make([]*natsStore, 4)
	errs := make([]error, len(stores))
	for i := range stores {
		running.Go(func() { stores[i], errs[i] = open(t.Context(), cfg) })
	}
	running.Wait()
	for i, s := range stores {
		require.NoError(t, errs[i])
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		appended(t, s, fmt.Sprint("w", i), "1")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, s := range stores {
		running.Go(func() {
			if _, err := s.Claim(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	require.NotContains(t, l.String(), "no work can be fetched")
}

// What counts is the stream with the fewest replicas, and new ones get as many as
// that of events.
func TestOpenWithMixedReplicas(t *testing.T) {
	t.Parallel()
	cfg := config(t, three(t), 1)
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	s, err := open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	js := operator(t, cfg)
	more := cfg.streams()[0]
	more.Replicas = 3
	_, err = js.UpdateStream(t.Context(), more)
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), cfg.tokensStream()))
	var l logs
	cfg.Replicas, cfg.SyncAlways, cfg.Logger = 0, false, l.logger()
	s = opened(t, cfg)
	require.Contains(t, l.String(), "stream="+kvPrefix+cfg.statesBucket()+" replicas=1")
	require.False(t, s.seen(&document{}), "it looks for what may be lost")
	require.Equal(t, 3, s.tokens.CachedInfo().Config.Replicas)
	appended(t, s, "w", "1")
	require.Equal(t, []string{"1"}, deliver(t, claimed(t, s, "w")))
}

// Open warns of a consumer that somebody has paused.
func TestOpenWarnsOfPause(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	s, err := open(t.Context(), cfg)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = operator(t, cfg).PauseConsumer(t.Context(), cfg.tokensStream(), consumerName, time.Now().Add(time.Hour))
	require.NoError(t, err)
	var l logs
	cfg.Logger = l.logger()
	opened(t, cfg)
	require.Contains(t, l.String(), "is paused: nothing is delivered until it goes on")
	require.Contains(t, l.String(), "consumer="+consumerName)
}
