package diskstore

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"
)

// errCrashed is what everything returns once the machine is down.
var errCrashed = errors.New("the machine is down")

// memFS is a file system in memory that knows what a crash would leave: the
// data of files and the entries of the directory as they were last synced,
// each apart from the other.
type memFS struct {
	mu      sync.Mutex
	entries map[string]*memFile
	synced  map[string]*memFile // the directory's durable entries

	// steps counts what changes something or makes it durable. At step crashAt
	// the machine goes down: before it is done, or after.
	steps   int
	crashAt int
	after   bool
	down    bool
	torn    func(int) int // a number below n: what is left of what was not synced

	lax   string                // a kind of sync that does nothing
	kinds map[string]int        // how often each kind was called
	fail  func(op string) error // the error of an operation, if any
}

type memFile struct {
	fs      *memFS
	data    []byte
	durable []byte
}

// memHandle is an open file.
type memHandle struct {
	*memFile
	written *bool // by this handle
}

func newHandle(f *memFile) memHandle { return memHandle{f, new(bool)} }

func newMemFS() *memFS {
	return &memFS{
		entries: map[string]*memFile{}, synced: map[string]*memFile{}, kinds: map[string]int{},
		crashAt: -1, torn: func(int) int { return 0 }, fail: func(string) error { return nil },
	}
}

// step does something unless the machine is down or goes down before it.
// The kind is of a sync, or empty.
func (m *memFS) step(op, kind string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return errCrashed
	}
	if err := m.fail(op); err != nil {
		return err
	}
	at := m.steps
	m.steps++
	m.kinds[kind]++
	if at == m.crashAt && !m.after {
		m.down = true
		return errCrashed
	}
	var err error
	if kind == "" || kind != m.lax {
		err = do()
	}
	if at == m.crashAt {
		m.down = true
		return errCrashed
	}
	return err
}

// reboot returns the file system as it is after the crash.
func (m *memFS) reboot() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := newMemFS()
	next.lax = m.lax
	for name, f := range m.synced {
		data := f.left(m.torn)
		g := &memFile{fs: next, data: data, durable: slices.Clone(data)}
		next.entries[name], next.synced[name] = g, g
	}
	return next
}

// kill returns the file system as the next process finds it if only this one
// went down: with all that was written, which is as little synced as before.
func (m *memFS) kill() *memFS {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := newMemFS()
	next.lax = m.lax
	copies := map[*memFile]*memFile{}
	for _, files := range []map[string]*memFile{m.entries, m.synced} {
		for _, f := range files {
			copies[f] = &memFile{fs: next, data: slices.Clone(f.data), durable: slices.Clone(f.durable)}
		}
	}
	for name, f := range m.entries {
		next.entries[name] = copies[f]
	}
	for name, f := range m.synced {
		next.synced[name] = copies[f]
	}
	return next
}

// sector is how much a disk writes as a whole: here less than a frame.
const sector = 32

// left returns what a crash leaves of the file: it may be as long as it was when it
// was synced, or have any length up to its new one, and each sector is the old
// one or the new.
func (f *memFile) left(torn func(int) int) []byte {
	before, now := len(f.durable), len(f.data)
	size := min(before, now)
	if distance := max(before, now) - size; now > before {
		size += torn(distance + 1)
	} else if distance > 0 && torn(2) == 0 {
		size = before
	}
	left := make([]byte, size)
	copy(left, f.durable)
	for at := 0; at < min(size, now); at += sector {
		end := min(at+sector, size, now)
		if !bytes.Equal(left[at:end], f.data[at:end]) && torn(2) > 0 {
			copy(left[at:end], f.data[at:end])
		}
	}
	return left
}

func (m *memFS) Create(name string) (file, error) {
	var f *memFile
	err := m.step("create", "", func() error {
		if m.entries[name] != nil {
			return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		}
		f = &memFile{fs: m}
		m.entries[name] = f
		return nil
	})
	if err != nil {
		return nil, err
	}
	return newHandle(f), nil
}

func (m *memFS) Open(name string) (file, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, errCrashed
	}
	f := m.entries[name]
	if f == nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return newHandle(f), nil
}

func (m *memFS) Remove(name string) error {
	return m.step("remove", "", func() error {
		delete(m.entries, name)
		return nil
	})
}

func (m *memFS) Names() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down {
		return nil, errCrashed
	}
	return slices.Sorted(maps.Keys(m.entries)), nil
}

// SyncDir is of two kinds: after something was created, and else.
func (m *memFS) SyncDir() error {
	m.mu.Lock()
	kind := "directory after removal"
	for name := range m.entries {
		if m.synced[name] == nil {
			kind = "directory after creation"
		}
	}
	m.mu.Unlock()
	return m.step("syncdir", kind, func() error {
		m.synced = maps.Clone(m.entries)
		return nil
	})
}

func (f memHandle) ReadAt(p []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.down {
		return 0, errCrashed
	}
	if err := f.fs.fail("read"); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.data[offset:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f memHandle) WriteAt(p []byte, offset int64) (int, error) {
	n := 0
	err := f.fs.step("write", "", func() error {
		if missing := int(offset) + len(p) - len(f.data); missing > 0 {
			f.data = append(f.data, make([]byte, missing)...)
		}
		n = copy(f.data[offset:], p)
		*f.written = true
		return nil
	})
	return n, err
}

func (f memHandle) Truncate(size int64) error {
	return f.fs.step("truncate", "", func() error {
		f.data = f.data[:size:size]
		return nil
	})
}

func (f memHandle) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), nil
}

// Sync is of three kinds: of a file's first bytes, of what was added, and of what
// another process has left.
func (f memHandle) Sync() error {
	f.fs.mu.Lock()
	kind := "data"
	switch {
	case len(f.durable) == 0:
		kind = "header"
	case !*f.written:
		kind = "found"
	}
	f.fs.mu.Unlock()
	return f.fs.step("sync", kind, func() error {
		f.durable = slices.Clone(f.data)
		return nil
	})
}

func (f memHandle) Close() error { return nil }

// resum makes a segment header's checksum right.
func resum(head []byte) {
	order.PutUint32(head[60:], crc32.Checksum(head[:60], castagnoli))
}
