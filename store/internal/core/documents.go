package core

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// pageSize is how many documents are read at once.
const pageSize = 64

// Get implements store.Documents.
func (s *Store) Get(ctx context.Context, key string) (store.Document, error) {
	if err := errors.Join(s.begin(ctx), store.CheckName("key", key)); err != nil {
		return store.Document{}, err
	}
	return s.docs.Get(Documents, key)
}

// Put implements store.Documents.
func (s *Store) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := store.CheckDocument("the document's bytes", value); err != nil {
		return 0, err
	}
	return s.document(ctx, revision, store.Change{Document: store.Document{Key: key, Value: slices.Clone(value)}})
}

// Delete implements store.Documents.
func (s *Store) Delete(ctx context.Context, key string, revision uint64) error {
	if err := errors.Join(s.begin(ctx), store.CheckName("key", key)); err != nil {
		return err
	}
	if _, err := s.docs.Get(Documents, key); err != nil {
		return err
	}
	_, err := s.document(ctx, revision, store.Change{Document: store.Document{Key: key}, Deleted: true})
	return err
}

// document changes a document and tells those who watch it.
func (s *Store) document(ctx context.Context, old uint64, change store.Change) (uint64, error) {
	if err := errors.Join(s.begin(ctx), store.CheckName("key", change.Key)); err != nil {
		return 0, err
	}
	ops := []Op{{Bucket: Documents, Change: change, Checked: true, Old: old}}
	result := make(chan error, 1)
	s.docs.Commit(ops, func(err error) {
		if err == nil {
			s.watches.changed(ops[0].Change)
		}
		result <- err
	})
	select {
	case err := <-result:
		return ops[0].Change.Revision, err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// List implements store.Documents.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Document, error] {
	return s.pages(ctx, Documents, prefix)
}

// pages reads page by page, so that the loop may change documents.
func (s *Store) pages(ctx context.Context, bucket Bucket, prefix string) iter.Seq2[store.Document, error] {
	return func(yield func(store.Document, error) bool) {
		err := store.CheckPrefix("prefix", prefix)
		for after := ""; err == nil; {
			if err = s.begin(ctx); err != nil {
				break
			}
			var page []store.Document
			if page, err = s.docs.Page(bucket, prefix, after, pageSize); err != nil {
				break
			}
			for _, doc := range page {
				if !yield(doc, nil) {
					return
				}
				after = doc.Key
			}
			if len(page) < pageSize {
				return
			}
		}
		yield(store.Document{}, err)
	}
}
