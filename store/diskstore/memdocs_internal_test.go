package diskstore

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// memDocs stands for bbolt, whose promise it keeps: a commit that has returned
// is durable, one that a crash interrupts is there as a whole or not at all.
type memDocs struct {
	fs   *memFS
	mark func() mark

	mu      sync.Mutex
	docs    map[docKey]store.Document
	durable map[docKey]store.Document
	marked  mark // durable

	revision uint64
}

type docKey struct {
	bucket core.Bucket
	key    string
}

func newMemDocs(fs *memFS) *memDocs { return &memDocs{fs: fs, docs: map[docKey]store.Document{}} }

// reboot returns the documents as they are after the crash.
func (d *memDocs) reboot(fs *memFS) *memDocs {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &memDocs{
		fs: fs, docs: maps.Clone(d.durable), durable: maps.Clone(d.durable), marked: d.marked, revision: d.revision,
	}
}

func (d *memDocs) Get(b core.Bucket, key string) (store.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	doc, ok := d.docs[docKey{b, key}]
	if !ok {
		return store.Document{}, store.ErrNotFound
	}
	return doc, nil
}

func (d *memDocs) Page(b core.Bucket, prefix, after string, n int) ([]store.Document, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var page []store.Document
	for k, doc := range d.docs {
		if k.bucket == b && strings.HasPrefix(k.key, prefix) && k.key > after {
			page = append(page, doc)
		}
	}
	slices.SortFunc(page, func(a, b store.Document) int { return strings.Compare(a.Key, b.Key) })
	return page[:min(n, len(page))], nil
}

func (d *memDocs) Commit(ops []core.Op, done func(error)) {
	d.mu.Lock()
	docs := maps.Clone(d.docs)
	if docs == nil {
		docs = map[docKey]store.Document{}
	}
	for i := range ops {
		d.revision++
		ops[i].Change.Revision = d.revision
		key := docKey{ops[i].Bucket, ops[i].Change.Key}
		if ops[i].Change.Deleted {
			delete(docs, key)
		} else {
			docs[key] = ops[i].Change.Document
		}
	}
	d.docs = docs
	d.mu.Unlock()
	err := d.fs.step("commit", "documents", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.durable, d.marked = docs, d.mark()
		return nil
	})
	done(err)
}

func (d *memDocs) Close() error { return nil }
