package natsstore

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// tombstone is for how long the server remembers that a document was deleted,
// so that those who watch hear of it after they were away.
const tombstone = 24 * time.Hour

// Get implements store.Documents.
func (s *natsStore) Get(ctx context.Context, key string) (doc store.Document, err error) {
	if err := store.CheckName("key", key); err != nil {
		return store.Document{}, err
	}
	err = s.do(ctx, func(ctx context.Context) error {
		doc, err = s.document(ctx, key)
		return err
	})
	return doc, err
}

// document returns the document.
func (s *natsStore) document(ctx context.Context, key string) (store.Document, error) {
	var entry jetstream.KeyValueEntry
	err := s.retry(ctx, func(ctx context.Context) (err error) {
		entry, err = s.documents.Get(ctx, documentKey(key))
		return err
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return store.Document{}, store.ErrNotFound
	}
	if err != nil {
		return store.Document{}, err
	}
	return store.Document{Key: key, Value: entry.Value(), Revision: entry.Revision()}, nil
}

// Put implements store.Documents.
func (s *natsStore) Put(ctx context.Context, key string, value []byte, revision uint64) (now uint64, err error) {
	if err := store.CheckName("key", key); err != nil {
		return 0, err
	}
	if err := store.CheckDocument("the document's bytes", value); err != nil {
		return 0, err
	}
	err = s.do(ctx, func(ctx context.Context) error {
		if err := s.fits("the document's bytes", len(value)); err != nil {
			return err
		}
		now, err = s.putDocument(ctx, key, value, revision)
		return err
	})
	return now, err
}

func (s *natsStore) putDocument(ctx context.Context, key string, value []byte, revision uint64) (now uint64, err error) {
	tries := 0
	err = s.retry(ctx, func(ctx context.Context) error {
		tries++
		if revision == 0 {
			now, err = s.documents.Create(ctx, documentKey(key), value)
		} else {
			now, err = s.documents.Update(ctx, documentKey(key), value, revision)
		}
		return err
	})
	if !superseded(err) && !errors.Is(err, jetstream.ErrKeyExists) {
		return now, err
	}
	if tries > 1 { // the try before may have had an effect
		doc, err := s.document(ctx, key)
		if err == nil && string(doc.Value) == string(value) && doc.Revision > revision {
			return doc.Revision, nil
		}
	}
	return 0, store.ErrConflict
}

// Delete implements store.Documents.
func (s *natsStore) Delete(ctx context.Context, key string, revision uint64) error {
	if err := store.CheckName("key", key); err != nil {
		return err
	}
	return s.do(ctx, func(ctx context.Context) error {
		doc, err := s.document(ctx, key)
		if err != nil {
			return err
		}
		if doc.Revision != revision {
			return store.ErrConflict
		}
		tries := 0
		err = s.retry(ctx, func(ctx context.Context) error {
			tries++
			return s.documents.Purge(ctx, documentKey(key), jetstream.LastRevision(revision), jetstream.PurgeTTL(tombstone))
		})
		if !superseded(err) && !errors.Is(err, jetstream.ErrKeyExists) {
			return err
		}
		if tries > 1 {
			if _, err := s.document(ctx, key); errors.Is(err, store.ErrNotFound) {
				return nil
			}
		}
		return store.ErrConflict
	})
}

// List implements store.Documents.
func (s *natsStore) List(ctx context.Context, prefix string) iter.Seq2[store.Document, error] {
	return func(yield func(store.Document, error) bool) {
		if err := store.CheckPrefix("prefix", prefix); err != nil {
			yield(store.Document{}, err)
			return
		}
		ctx, end, err := s.begin(ctx)
		if err != nil {
			yield(store.Document{}, err)
			return
		}
		defer end()
		docs, err := s.list(ctx, prefix)
		if err != nil {
			yield(store.Document{}, ended(ctx, err))
			return
		}
		for _, doc := range docs {
			if ctx.Err() != nil {
				yield(store.Document{}, context.Cause(ctx))
				return
			}
			if !yield(doc, nil) {
				return
			}
		}
	}
}

// list returns the documents in order.
func (s *natsStore) list(ctx context.Context, prefix string) ([]store.Document, error) {
	watcher, err := s.watcher(ctx, prefix, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, err
	}
	defer stop(watcher)
	var docs []store.Document
	for {
		select {
		case entry, ok := <-watcher.Updates():
			if !ok {
				return nil, jetstream.ErrNoStreamResponse
			}
			if entry == nil {
				slices.SortFunc(docs, func(a, b store.Document) int { return cmp.Compare(a.Key, b.Key) })
				return docs, nil
			}
			if change, ok := changeOf(entry, prefix); ok {
				docs = append(docs, change.Document)
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// watcher begins to watch until ctx ends.
func (s *natsStore) watcher(ctx context.Context, prefix string, options ...jetstream.WatchOpt) (w jetstream.KeyWatcher, err error) {
	err = s.retry(ctx, func(context.Context) error {
		w, err = s.documents.Watch(ctx, documentFilter(prefix), options...)
		return err
	})
	return w, err
}

// stop ends a watcher. The library waits until somebody has taken what it
// already has.
func stop(watcher jetstream.KeyWatcher) {
	_ = watcher.Stop()
	for range watcher.Updates() { // it is closed then
	}
}

// changeOf returns the change of a document whose key begins with the prefix.
func changeOf(entry jetstream.KeyValueEntry, prefix string) (store.Change, bool) {
	name, ok := documentName(entry.Key())
	if !ok || !strings.HasPrefix(name, prefix) {
		return store.Change{}, false
	}
	doc := store.Document{Key: name, Revision: entry.Revision()}
	if entry.Operation() != jetstream.KeyValuePut {
		return store.Change{Document: doc, Deleted: true}, true
	}
	doc.Value = entry.Value()
	return store.Change{Document: doc}, true
}

// Watch implements store.Documents.
func (s *natsStore) Watch(ctx context.Context, prefix string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if err := store.CheckPrefix("prefix", prefix); err != nil {
			yield(store.Change{}, err)
			return
		}
		ctx, end, err := s.begin(ctx)
		if err != nil {
			yield(store.Change{}, err)
			return
		}
		defer end()
		if err := s.watch(ctx, prefix, yield); err != nil {
			yield(store.Change{}, ended(ctx, err))
		}
	}
}

// watch yields changes until ctx ends, which is an error, or yield has enough.
func (s *natsStore) watch(ctx context.Context, prefix string, yield func(store.Change, error) bool) error {
	watcher, err := s.watcher(ctx, prefix)
	if err != nil {
		return err
	}
	defer stop(watcher)
	first := true
	for {
		select {
		case entry, ok := <-watcher.Updates():
			if !ok {
				return store.ErrUnavailable
			}
			if entry == nil {
				first = false
				continue
			}
			change, ok := changeOf(entry, prefix)
			if !ok || first && change.Deleted {
				continue
			}
			if !yield(change, nil) {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
