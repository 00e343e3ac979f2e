package natsstore

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// documented returns the permissions as the package's documentation lists them.
func documented(tb testing.TB) (publish, create, subscribe []string) {
	tb.Helper()
	text, err := os.ReadFile("doc.go")
	require.NoError(tb, err)
	_, section, ok := strings.Cut(string(text), "// # Permissions\n")
	require.True(tb, ok)
	var lists [][]string
	before := ""
	for line := range strings.Lines(section) {
		subject, ok := strings.CutPrefix(line, "//\t")
		if ok && !strings.HasPrefix(before, "//\t") {
			lists = append(lists, nil)
		}
		if ok {
			last := len(lists) - 1
			lists[last] = append(lists[last], strings.TrimSpace(subject))
		}
		before = line
	}
	require.Len(tb, lists, 3)
	return lists[0], lists[1], lists[2]
}

// watched are the subjects that somebody has published to.
type watched struct {
	mu       sync.Mutex
	subjects []string
}

func (w *watched) add(m *nats.Msg) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subjects = append(w.subjects, m.Subject)
}

// matches tells whether one of the subjects matches the filter.
func (w *watched) matches(filter string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.subjects, func(subject string) bool { return server.SubjectMatchesFilter(subject, filter) })
}

// The documented permissions are enough for all that the store does, and none
// of them is there for nothing.
func TestPermissions(t *testing.T) {
	t.Parallel()
	publish, create, subscribe := documented(t)
	user := func(name string, publish []string) *server.User {
		return &server.User{Username: name, Password: sesame, Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: publish},
			Subscribe: &server.SubjectPermission{Allow: subscribe},
		}}
	}
	servers := serve(t, func(o *server.Options) {
		o.Users = []*server.User{
			{Username: "operator", Password: sesame},
			user("creator", slices.Concat(publish, create)), user("store", publish),
		}
	})
	conn, err := nats.Connect(servers.URL(), nats.UserInfo("operator", sesame))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	var w watched
	_, err = conn.Subscribe(">", w.add)
	require.NoError(t, err)
	require.NoError(t, conn.Flush())

	for _, name := range []string{"creator", "store"} {
		var l logs
		cfg := Config{
			URL: servers.URL(), Options: []nats.Option{nats.UserInfo(name, sesame)},
			Lease: 2 * time.Second, SyncAlways: true, Logger: l.logger(),
		}
		require.NoError(t, cfg.complete())
		s, err := open(t.Context(), cfg)
		require.NoError(t, err, l.String())
		useAll(t, s, name)
		require.NoError(t, s.Close())
		require.NotContains(t, strings.ToLower(l.String()), "permission")
	}
	for _, subject := range slices.Concat(publish, create) {
		require.Eventually(t, func() bool { return w.matches(subject) }, time.Second, 10*time.Millisecond, subject)
	}
}

// useAll lets a store do all that it can do.
func useAll(t *testing.T, s *natsStore, prefix string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	useClaims(ctx, t, s, prefix+"-claimed")
	useDocuments(ctx, t, s)
	useSweeps(ctx, t, s, prefix+"-swept")
}

// useClaims lets a claim wait, be woken, split a batch, be kept and end with
// work left, then deletes the stream.
func useClaims(ctx context.Context, t *testing.T, s *natsStore, stream string) {
	t.Helper()
	passes(t, s, stream+"-first")
	block := store.Block{[]byte("a"), []byte("b")}
	seq, err := s.Append(ctx, stream, "id", block)
	require.NoError(t, err)
	again, err := s.Append(ctx, stream, "id", block)
	require.NoError(t, err)
	require.Equal(t, seq, again)
	c, err := s.Claim(ctx)
	require.NoError(t, err)
	require.NoError(t, c.Release(ctx, store.Wait{After: time.Hour}))
	require.NoError(t, s.Wake(ctx, stream))
	c, err = s.Claim(ctx)
	require.NoError(t, err)
	b, err := c.Batch(ctx, store.Limits{Events: 10, Bytes: 100})
	require.NoError(t, err)
	require.NoError(t, c.Split(ctx, b.ID))
	require.NoError(t, c.Save(ctx, []byte("status")))
	require.NoError(t, c.Keep(ctx))
	require.NoError(t, c.Release(ctx, store.Wait{}))
	total, err := s.Total(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(2), total.Events)
	var names []string
	for name, err := range s.Streams(ctx) {
		require.NoError(t, err)
		names = append(names, name)
	}
	require.Subset(t, names, []string{stream, stream + "-first"})
	events := 0
	for _, err := range s.Read(ctx, stream, store.From{Time: time.Now().Add(-time.Minute)}) {
		require.NoError(t, err)
		events++
	}
	require.Equal(t, 2, events)
	require.NoError(t, s.DeleteStream(ctx, stream))
}

// useDocuments watches a document, then so many that the server asks whether
// the client keeps up, lists them and deletes them.
func useDocuments(ctx context.Context, t *testing.T, s *natsStore) {
	t.Helper()
	rev, err := s.Put(ctx, "config/a", []byte("1"), 0)
	require.NoError(t, err)
	for change, err := range s.Watch(ctx, "config/") {
		require.NoError(t, err)
		if change.Deleted {
			break
		}
		require.NoError(t, s.Delete(ctx, "config/a", rev))
	}
	revisions := map[string]uint64{}
	for i := range 32 {
		key := fmt.Sprint("large/", i)
		revisions[key], err = s.Put(ctx, key, bytes.Repeat([]byte("x"), 64<<10), 0)
		require.NoError(t, err)
	}
	watched := 0
	for _, err := range s.Watch(ctx, "large/") {
		require.NoError(t, err)
		if watched++; watched == len(revisions) {
			break
		}
	}
	listed := 0
	for doc, err := range s.List(ctx, "large/") {
		require.NoError(t, err)
		require.NoError(t, s.Delete(ctx, doc.Key, revisions[doc.Key]))
		listed++
	}
	require.Len(t, revisions, listed)
}

// useSweeps lets a sweep find an event without a token, and one that has
// expired.
func useSweeps(ctx context.Context, t *testing.T, s *natsStore, stream string) {
	t.Helper()
	_, err := s.js.Publish(ctx, s.cfg.eventsPrefix()+stream, encodeBlock(store.Block{[]byte("a")}, 1))
	require.NoError(t, err)
	info, err := s.eventsInfo(ctx)
	require.NoError(t, err)
	require.NoError(t, s.findOrphans(ctx, time.Time{}, info.State.LastSeq, func() error { return nil }))
	require.NoError(t, s.expire(ctx, time.Now().Add(time.Hour), &info.State, func() error { return nil }))
	c, err := s.Claim(ctx)
	require.NoError(t, err)
	require.Equal(t, stream, c.Stream())
	state, err := c.State(ctx)
	require.NoError(t, err)
	require.Len(t, state.Gaps, 1)
	require.Equal(t, store.Expired, state.Gaps[0].Reason)
	require.NoError(t, c.ClearGap(ctx, state.Gaps[0].ID))
	require.NoError(t, c.Release(ctx, store.Wait{}))
}
