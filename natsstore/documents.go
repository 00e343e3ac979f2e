package natsstore

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
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
		keys, err := s.keys(ctx, prefix)
		for len(keys) > 0 && err == nil {
			var docs []store.Document
			n := min(len(keys), readers)
			docs, err = s.readDocuments(ctx, keys[:n])
			keys = keys[n:]
			for _, doc := range docs {
				if ctx.Err() != nil {
					break
				}
				if !yield(doc, nil) {
					return
				}
			}
			if err == nil {
				err = ctx.Err()
			}
		}
		if err != nil {
			yield(store.Document{}, ended(ctx, err))
		}
	}
}

// keys returns the keys that begin with the prefix, in order, those of deleted
// documents among them. The leader tells: a watcher may be served by a follower
// that lags.
func (s *natsStore) keys(ctx context.Context, prefix string) ([]string, error) {
	bucket := "$KV." + s.cfg.documentsBucket() + "."
	var info *jetstream.StreamInfo
	if err := s.retry(ctx, func(ctx context.Context) (err error) {
		info, err = s.documentStream.Info(ctx, jetstream.WithSubjectFilter(bucket+documentFilter(prefix)))
		return err
	}); err != nil {
		return nil, err
	}
	var keys []string
	for subject := range info.State.Subjects {
		if key, ok := documentName(strings.TrimPrefix(subject, bucket)); ok && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, nil
}

// readDocuments returns those of the documents that exist, in order. It reads
// them all at a time.
func (s *natsStore) readDocuments(ctx context.Context, keys []string) ([]store.Document, error) {
	found := make([]store.Document, len(keys))
	errs := make([]error, len(keys))
	var wait sync.WaitGroup
	for i, key := range keys {
		wait.Go(func() { found[i], errs[i] = s.document(ctx, key) })
	}
	wait.Wait()
	var docs []store.Document
	for i, err := range errs {
		if err == nil {
			docs = append(docs, found[i])
		} else if !errors.Is(err, store.ErrNotFound) {
			return docs, err
		}
	}
	return docs, nil
}

// watcher begins to watch until ctx ends.
func (s *natsStore) watcher(ctx context.Context, prefix string) (w jetstream.KeyWatcher, err error) {
	err = s.retry(ctx, func(context.Context) error {
		w, err = s.documents.Watch(ctx, documentFilter(prefix))
		if errors.Is(err, nats.ErrJetStreamNotEnabled) { // that nobody answers is also called so
			err = nats.ErrNoResponders
		}
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
	// What was deleted before is nobody's news; what is deleted while the documents
	// are still shown may have been shown.
	var before *jetstream.StreamInfo
	err := s.retry(ctx, func(ctx context.Context) (err error) {
		before, err = s.documentStream.Info(ctx)
		return err
	})
	if err != nil {
		return err
	}
	watcher, err := s.watcher(ctx, prefix)
	if err != nil {
		return err
	}
	defer stop(watcher)
	for {
		select {
		case entry, ok := <-watcher.Updates():
			if !ok {
				return store.ErrUnavailable
			}
			if entry == nil { // all are shown
				continue
			}
			change, ok := changeOf(entry, prefix)
			if !ok || change.Deleted && change.Revision <= before.State.LastSeq {
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
