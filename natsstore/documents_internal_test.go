package natsstore

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Who has seen enough of many documents leaves nothing behind in the library,
// which waits for somebody to take the rest.
//
//nolint:paralleltest // others would have watchers at the same time
func TestWatchThatEndsEarlyLeavesNothing(t *testing.T) {
	s := opened(t, config(t, single(t), 1))
	for i := range 600 {
		_, err := s.Put(t.Context(), fmt.Sprint("document-", i), []byte("value"), 0)
		require.NoError(t, err)
	}
	for range 10 {
		for _, err := range s.Watch(t.Context(), "") {
			require.NoError(t, err)
			break
		}
	}
	require.Eventually(t, func() bool {
		stacks := make([]byte, 8<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !strings.Contains(string(stacks), "jetstream.(*kvs).WatchFiltered.func")
	}, 10*time.Second, 100*time.Millisecond)
}

// faltering is a bucket of documents: instead of the next change something else
// happens, and its answer is lost.
type faltering struct {
	jetstream.KeyValue
	instead func(change func() error) error
}

func (f *faltering) change(change func() error) error {
	instead := f.instead
	if f.instead = nil; instead == nil {
		return change()
	}
	if err := instead(change); err != nil {
		return err
	}
	return nats.ErrTimeout
}

func (f *faltering) Create(ctx context.Context, key string, value []byte, options ...jetstream.KVCreateOpt) (revision uint64, err error) {
	err = f.change(func() error {
		revision, err = f.KeyValue.Create(ctx, key, value, options...)
		return err
	})
	return revision, err
}

func (f *faltering) Update(ctx context.Context, key string, value []byte, last uint64) (revision uint64, err error) {
	err = f.change(func() error {
		revision, err = f.KeyValue.Update(ctx, key, value, last)
		return err
	})
	return revision, err
}

func (f *faltering) Purge(ctx context.Context, key string, options ...jetstream.KVDeleteOpt) error {
	return f.change(func() error { return f.KeyValue.Purge(ctx, key, options...) })
}

// A change of a document that was made although its answer was lost is one of the
// caller's. One that another has made meanwhile is not.
func TestAnswersOfDocumentsAreLost(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	f := &faltering{KeyValue: s.documents}
	s.documents = f
	lost := func(change func() error) error { return change() }
	f.instead = lost
	created, err := s.Put(t.Context(), "k", []byte("1"), 0)
	require.NoError(t, err)
	f.instead = lost
	updated, err := s.Put(t.Context(), "k", []byte("2"), created)
	require.NoError(t, err)
	require.Greater(t, updated, created)
	doc, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, store.Document{Key: "k", Value: []byte("2"), Revision: updated}, doc)

	another := opened(t, s.cfg)
	changed := func(value string, revision uint64) func(func() error) error {
		return func(func() error) error {
			_, err := another.Put(t.Context(), "k", []byte(value), revision)
			return err
		}
	}
	f.instead = changed("another's", updated)
	_, err = s.Put(t.Context(), "k", []byte("3"), updated)
	require.ErrorIs(t, err, store.ErrConflict)
	doc, err = s.Get(t.Context(), "k")
	require.NoError(t, err)
	f.instead = changed("another's again", doc.Revision)
	require.ErrorIs(t, s.Delete(t.Context(), "k", doc.Revision), store.ErrConflict)
	doc, err = s.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "another's again", string(doc.Value))

	f.instead = lost
	require.NoError(t, s.Delete(t.Context(), "k", doc.Revision))
	_, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Nil(t, f.instead)
}

// Who begins to watch does not hear of documents that were deleted before. The server
// forgets them when those who were away may have heard of it.
func TestDeletedIsForgotten(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	revision, err := s.Put(t.Context(), "k", []byte("1"), 0)
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), "k", revision))
	_, err = s.Put(t.Context(), "other", []byte("1"), 0)
	require.NoError(t, err)
	for change, err := range s.Watch(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, "other", change.Key)
		break
	}
	msg, err := s.documentStream.GetMsg(t.Context(), revision+1)
	require.NoError(t, err)
	require.Equal(t, tombstone.String(), msg.Header.Get(jetstream.MsgTTLHeader))
}

// What is deleted while a watch still shows the documents, after it was shown, is
// told.
func TestDeletedWhileShown(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	s := opened(t, cfg)
	const documents = 1500 // more than a watcher is sent ahead
	value := make([]byte, 10_000)
	name := func(i int) string { return fmt.Sprintf("p/%04d", i) }
	revisions := make([]uint64, documents)
	for i := range documents {
		var err error
		revisions[i], err = s.Put(t.Context(), name(i), value, 0)
		require.NoError(t, err)
	}
	_, err := s.Put(t.Context(), "p/gone", value, 0)
	require.NoError(t, err)
	gone, err := s.Get(t.Context(), "p/gone")
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), "p/gone", gone.Revision))
	var told []string
	for change, err := range s.Watch(t.Context(), "p/") {
		require.NoError(t, err)
		if change.Key == name(0) && !change.Deleted {
			require.NoError(t, s.Delete(t.Context(), name(0), revisions[0]))
			_, err := s.Put(t.Context(), name(documents-1), []byte("new"), revisions[documents-1])
			require.NoError(t, err)
		}
		if change.Deleted {
			told = append(told, change.Key)
		}
		if string(change.Value) == "new" {
			break
		}
	}
	require.Equal(t, []string{name(0)}, told)
}
