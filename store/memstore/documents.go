package memstore

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// documents implements core.Docs.
type documents struct {
	committing sync.Mutex // held until the caller was told; before mu
	closed     bool

	mu       sync.Mutex
	docs     [core.Streams + 1][]store.Document // by key
	revision uint64
}

var _ core.Docs = (*documents)(nil)

// find returns where the document is or belongs.
func (d *documents) find(b core.Bucket, key string) (int, bool) {
	return slices.BinarySearchFunc(d.docs[b], key, func(doc store.Document, key string) int {
		return strings.Compare(doc.Key, key)
	})
}

func clone(doc store.Document) store.Document {
	doc.Value = bytes.Clone(doc.Value)
	return doc
}

func (d *documents) Get(b core.Bucket, key string) (store.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.find(b, key)
	if !ok {
		return store.Document{}, store.ErrNotFound
	}
	return clone(d.docs[b][i]), nil
}

func (d *documents) Page(b core.Bucket, prefix, after string, n int) ([]store.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i, ok := d.find(b, max(prefix, after))
	if ok && after >= prefix && after != "" {
		i++
	}
	var page []store.Document
	for ; i < len(d.docs[b]) && len(page) < n && strings.HasPrefix(d.docs[b][i].Key, prefix); i++ {
		page = append(page, clone(d.docs[b][i]))
	}
	return page, nil
}

func (d *documents) Commit(ops []core.Op, done func(error)) {
	d.committing.Lock()
	defer d.committing.Unlock()
	if d.closed {
		done(store.ErrClosed)
		return
	}
	done(d.apply(ops))
}

func (d *documents) apply(ops []core.Op) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, op := range ops {
		revision := uint64(0)
		if i, ok := d.find(op.Bucket, op.Change.Key); ok {
			revision = d.docs[op.Bucket][i].Revision
		}
		if op.Checked && op.Old != revision {
			return store.ErrConflict
		}
	}
	for i := range ops {
		op := &ops[i]
		d.revision++
		op.Change.Revision = d.revision
		docs := &d.docs[op.Bucket]
		at, ok := d.find(op.Bucket, op.Change.Key)
		switch {
		case op.Change.Deleted && ok:
			*docs = slices.Delete(*docs, at, at+1)
		case op.Change.Deleted:
		case ok:
			(*docs)[at] = clone(op.Change.Document)
		default:
			*docs = slices.Insert(*docs, at, clone(op.Change.Document))
		}
	}
	return nil
}

func (d *documents) Close() error {
	d.committing.Lock()
	defer d.committing.Unlock()
	d.closed = true
	return nil
}
