package natsstore

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/storetest"
)

// The timers are the server's, whose clock is the real one. So the suite lives
// faster: a second is so many of its seconds.
const pace = 10

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("16") // most of the time the tests wait
	}
	code := m.Run()
	for _, stop := range servers {
		stop()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// servers are to be stopped at the end.
var servers []func()

// cluster starts servers once, for all tests that share them.
func cluster(n int) func(testing.TB) *natstest.Cluster {
	var (
		once    sync.Once
		c       *natstest.Cluster
		failure error
	)
	return func(tb testing.TB) *natstest.Cluster {
		tb.Helper()
		once.Do(func() {
			var dir string
			dir, failure = os.MkdirTemp("", "natsstore") //nolint:usetesting // it outlives the test that comes first
			if failure != nil {
				return
			}
			c, failure = natstest.Start(dir, n, nil)
			servers = append(servers, func() { _ = c.Stop(); _ = os.RemoveAll(dir) })
		})
		require.NoError(tb, failure)
		return c
	}
}

var (
	single = cluster(1)
	three  = cluster(3)

	number atomic.Int64
)

// config returns that of a store of its own, which lives faster.
func config(tb testing.TB, c *natstest.Cluster, replicas int) Config {
	tb.Helper()
	cfg := Config{URL: c.URL(), Name: fmt.Sprint("test-", number.Add(1)), Replicas: replicas, SyncAlways: true}
	require.NoError(tb, cfg.complete())
	cfg.Lease = time.Minute / pace
	cfg.Retention = 10 * time.Minute / pace
	cfg.DedupWindow = (store.DedupWindow + time.Minute) / pace
	cfg.Sweep = 200 * time.Millisecond
	return cfg
}

// remove deletes the streams of a store.
func remove(tb testing.TB, cfg Config) {
	tb.Helper()
	s, err := open(tb.Context(), cfg)
	require.NoError(tb, err)
	for _, stream := range cfg.streams() {
		require.NoError(tb, s.js.DeleteStream(tb.Context(), stream.Name))
	}
	require.NoError(tb, s.Close())
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, subject(single, 1))
}

func TestStoreOnCluster(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes minutes")
	}
	storetest.Run(t, subject(three, 3))
}

func subject(servers func(testing.TB) *natstest.Cluster, replicas int) func(t *testing.T) storetest.Subject {
	return func(t *testing.T) storetest.Subject {
		t.Helper()
		cfg := config(t, servers(t), replicas)
		t.Cleanup(func() { remove(withoutContext{t}, cfg) })
		return storetest.Subject{
			Open: func() (store.Store, error) {
				s, err := open(context.Background(), cfg)
				return fast{s}, err
			},
			Advance:   func(d time.Duration) { time.Sleep(d / pace) }, //nolint:forbidigo // the timers are the server's
			Lease:     time.Minute,
			Retention: 10 * time.Minute,
			Slack:     8 * time.Second,
		}
	}
}

// withoutContext is a test whose context has not ended, for its cleanup.
type withoutContext struct{ testing.TB }

func (withoutContext) Context() context.Context { return context.Background() }

// fast is a store whose waits are shorter.
type fast struct{ store.Store }

func (s fast) Claim(ctx context.Context) (store.Claim, error) {
	c, err := s.Store.Claim(ctx)
	return fastClaim{c}, err
}

type fastClaim struct{ store.Claim }

func (c fastClaim) Release(ctx context.Context, wait store.Wait) error {
	if wait.After > 0 {
		wait.After /= pace
	}
	return c.Claim.Release(ctx, wait)
}
