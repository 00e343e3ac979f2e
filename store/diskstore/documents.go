package diskstore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// The documents' file, and the buckets in it. A value is its revision, 8 bytes
// big-endian, then the document.
const (
	documentsFile    = "documents.db"
	documentsVersion = 1
)

var bigEndian = binary.BigEndian

var (
	bucketNames = [...][]byte{core.Documents: []byte("documents"), core.Streams: []byte("streams")}
	metaBucket  = []byte("meta") // its sequence is the last revision
	versionKey  = []byte("version")
	markKey     = []byte("log") // how far the log reached when something was last committed
)

// documents implements core.Docs. One goroutine commits: whatever waits becomes
// one transaction.
type documents struct {
	db      *bbolt.DB
	mark    func() mark // the log's end; set before the first commit
	stopped chan struct{}

	mu     sync.Mutex
	wake   sync.Cond // of mu
	queue  []*commit
	closed bool
}

type commit struct {
	ops  []core.Op
	done func(error)
	err  error // of this commit alone
}

var _ core.Docs = (*documents)(nil)

// openDocuments opens the documents in the directory, whose lock theirs is.
func openDocuments(dir string) (*documents, error) {
	path := filepath.Join(dir, documentsFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := createDocuments(dir, path); err != nil {
			return nil, err
		}
	}
	db, err := openBolt(dir, path)
	if err != nil {
		return nil, err
	}
	d := &documents{db: db, stopped: make(chan struct{})}
	d.wake.L = &d.mu
	if err := d.checkVersion(path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	known, err := d.durable()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("diskstore: %s: %w", path, err), db.Close())
	}
	d.mark = func() mark { return known } // until there is a log
	go d.run()
	return d, nil
}

// openBolt opens the file, which must not be open already.
func openBolt(dir, path string) (*bbolt.DB, error) {
	// With this timeout it tries once.
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Nanosecond, FreelistType: bbolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, &LockedError{Dir: dir}
	}
	if err != nil {
		return nil, fmt.Errorf("diskstore: opening %s: %w", path, err)
	}
	return db, nil
}

// createDocuments makes the file complete under another name first: a crash
// must not leave half a one.
func createDocuments(dir, path string) error {
	temporary := path + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := openBolt(dir, temporary)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range bucketNames {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		return meta.Put(versionKey, []byte{documentsVersion})
	})
	if err = errors.Join(err, db.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("diskstore: creating %s: %w", path, err)
	}
	return nil
}

func (d *documents) checkVersion(path string) error {
	return d.db.View(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(metaBucket)
		if meta == nil || len(meta.Get(versionKey)) != 1 {
			return fmt.Errorf("diskstore: %s is not a file of this store", path)
		}
		if v := meta.Get(versionKey)[0]; v != documentsVersion {
			return &FormatError{File: documentsFile, Version: uint32(v)}
		}
		return nil
	})
}

// durable returns the log's end at the last commit.
func (d *documents) durable() (m mark, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		data := tx.Bucket(metaBucket).Get(markKey)
		if data == nil {
			return nil
		}
		return json.Unmarshal(data, &m)
	})
	return m, err
}

// Get implements core.Docs.
func (d *documents) Get(b core.Bucket, key string) (doc store.Document, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucketNames[b]).Get([]byte(key))
		if value == nil {
			return store.ErrNotFound
		}
		doc = decode([]byte(key), value)
		return nil
	})
	return doc, closedError(err)
}

// Page implements core.Docs.
func (d *documents) Page(b core.Bucket, prefix, after string, n int) (page []store.Document, err error) {
	err = d.db.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketNames[b]).Cursor()
		key, value := cursor.Seek([]byte(max(prefix, after)))
		if after != "" && string(key) == after {
			key, value = cursor.Next()
		}
		for ; key != nil && bytes.HasPrefix(key, []byte(prefix)) && len(page) < n; key, value = cursor.Next() {
			page = append(page, decode(key, value))
		}
		return nil
	})
	return page, closedError(err)
}

// decode copies a document out of the transaction.
func decode(key, value []byte) store.Document {
	return store.Document{
		Key: string(key), Revision: revisionOf(value), Value: append([]byte{}, value[8:]...),
	}
}

// Commit implements core.Docs.
func (d *documents) Commit(ops []core.Op, done func(error)) {
	d.mu.Lock()
	if !d.closed {
		d.queue = append(d.queue, &commit{ops: ops, done: done})
		d.mu.Unlock()
		d.wake.Signal()
		return
	}
	d.mu.Unlock()
	done(store.ErrClosed)
}

// run commits what waits until the documents are closed.
func (d *documents) run() {
	defer close(d.stopped)
	for {
		d.mu.Lock()
		for len(d.queue) == 0 && !d.closed {
			d.wake.Wait()
		}
		group := d.queue
		d.queue = nil
		d.mu.Unlock()
		if group == nil {
			return
		}
		err := d.db.Update(func(tx *bbolt.Tx) error { return d.apply(tx, group) })
		if err != nil {
			err = fmt.Errorf("diskstore: committing documents: %w", err)
		}
		for _, c := range group {
			if err != nil {
				c.err = err
			}
			c.done(c.err)
		}
	}
}

// apply makes the changes of all commits but those whose revisions have
// changed, which fail alone.
func (d *documents) apply(tx *bbolt.Tx, group []*commit) error {
	meta := tx.Bucket(metaBucket)
	for _, c := range group {
		if c.err = check(tx, c.ops); c.err != nil {
			continue
		}
		for i := range c.ops {
			if err := change(tx, meta, &c.ops[i]); err != nil {
				return err
			}
		}
	}
	return d.putMark(tx)
}

func (d *documents) putMark(tx *bbolt.Tx) error {
	data, err := json.Marshal(d.mark())
	if err != nil {
		return err
	}
	return tx.Bucket(metaBucket).Put(markKey, data)
}

// check tells whether the documents have the revisions that the changes name.
func check(tx *bbolt.Tx, ops []core.Op) error {
	for _, op := range ops {
		if op.Checked && revisionOf(tx.Bucket(bucketNames[op.Bucket]).Get([]byte(op.Change.Key))) != op.Old {
			return store.ErrConflict
		}
	}
	return nil
}

// revisionOf returns that of a stored value: 0 for none.
func revisionOf(value []byte) uint64 {
	if len(value) < 8 {
		return 0
	}
	return bigEndian.Uint64(value)
}

func change(tx *bbolt.Tx, meta *bbolt.Bucket, op *core.Op) error {
	revision, err := meta.NextSequence()
	if err != nil {
		return err
	}
	op.Change.Revision = revision
	bucket := tx.Bucket(bucketNames[op.Bucket])
	if op.Change.Deleted {
		return bucket.Delete([]byte(op.Change.Key))
	}
	value := bigEndian.AppendUint64(make([]byte, 0, 8+len(op.Change.Value)), revision) // bbolt keeps it
	return bucket.Put([]byte(op.Change.Key), append(value, op.Change.Value...))
}

// closedError returns store.ErrClosed for bbolt's own.
func closedError(err error) error {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return store.ErrClosed
	}
	return err
}

// Close implements core.Docs. It notes how far the log reaches, so that a part
// of it that is missing later is missed.
func (d *documents) Close() error {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.wake.Signal()
	<-d.stopped
	known, err := d.durable()
	if err == nil && known != d.mark() {
		err = d.db.Update(d.putMark)
	}
	return errors.Join(err, d.db.Close())
}
