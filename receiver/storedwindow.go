package receiver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// storedWindow is a window whose pages are documents, so that it survives
// restarts. All of it is in memory as well.
type storedWindow struct {
	*window
	documents store.Documents
	prefix    string
	group     *group[[]Mark]

	// What only the holder of the group's turn touches.
	value     []byte   // of the document of the last page
	broken    bool     // who knows which value it has; another page is due
	forgotten []uint64 // pages whose documents are still there
}

// OpenWindow returns a window that survives restarts: it keeps its marks in
// documents whose keys begin with prefix, each with up to 2048 marks, and reads
// them when it is opened. Nobody else may write documents of that prefix.
//
// Remember returns when the marks are durable, so that each batch waits for the
// store; batches at the same time share the wait.
func OpenWindow(ctx context.Context, documents store.Documents, prefix string, cfg WindowConfig) (Window, error) {
	memory, err := newWindow(cfg)
	if err != nil {
		return nil, err
	}
	w := &storedWindow{window: memory, documents: documents, prefix: prefix, group: newGroup[[]Mark]()}
	for d, err := range documents.List(ctx, prefix) {
		if err == nil {
			err = w.load(d)
		}
		if err != nil {
			return nil, fmt.Errorf("receiver: opening the window: %w", err)
		}
	}
	if err := w.clean(ctx); err != nil {
		return nil, fmt.Errorf("receiver: opening the window: %w", err)
	}
	return w, nil
}

// A document begins with the version of its format. A mark is its key, its
// fingerprint and its time in nanoseconds since 1970, big-endian.
const (
	windowVersion = 1
	markBytes     = len(Key{}) + 8 + 8
)

func (w *storedWindow) load(d store.Document) error {
	number, err := strconv.ParseUint(strings.TrimPrefix(d.Key, w.prefix), 16, 64)
	if err != nil || d.Key != w.key(number) {
		return fmt.Errorf("the document %q is none of a window", d.Key)
	}
	if len(d.Value) == 0 || d.Value[0] != windowVersion || (len(d.Value)-1)%markBytes != 0 {
		return fmt.Errorf("the document %q is not of this version of the format", d.Key)
	}
	w.next = number
	p := w.begin()
	p.revision = d.Revision
	w.value = slices.Clone(d.Value)
	for raw := range slices.Chunk(d.Value[1:], markBytes) {
		m := Mark{Key: Key(raw), Fingerprint: binary.BigEndian.Uint64(raw[len(Key{}):])}
		w.add(p, m, time.Unix(0, int64(binary.BigEndian.Uint64(raw[len(Key{})+8:]))))
	}
	return nil
}

func (w *storedWindow) key(number uint64) string { return fmt.Sprintf("%s%016x", w.prefix, number) }

// Remember implements [Window].
func (w *storedWindow) Remember(ctx context.Context, marks []Mark) error {
	return w.group.do(ctx, marks, func(all [][]Mark) error {
		marks := slices.Concat(all...)
		for len(marks) > 0 {
			n, err := w.put(ctx, marks)
			if err != nil {
				return err
			}
			marks = marks[n:]
		}
		return w.clean(ctx)
	})
}

// put stores as many of the marks as there is room for in a page.
func (w *storedWindow) put(ctx context.Context, marks []Mark) (int, error) {
	now := time.Now()
	p := w.page()
	if len(p.keys) == 0 {
		w.value = append(w.value[:0], windowVersion)
	}
	n := min(len(marks), pageMarks-len(p.keys))
	for _, m := range marks[:n] {
		w.value = append(w.value, m.Key[:]...)
		w.value = binary.BigEndian.AppendUint64(w.value, m.Fingerprint)
		w.value = binary.BigEndian.AppendUint64(w.value, uint64(now.UnixNano()))
	}
	revision, err := w.documents.Put(ctx, w.key(p.number), w.value, p.revision)
	if err != nil {
		w.broken = true
		return 0, err
	}
	w.broken = false
	w.mu.Lock()
	defer w.mu.Unlock()
	p.revision = revision
	for _, m := range marks[:n] {
		w.add(p, m, now)
	}
	return n, nil
}

// page returns the page to add to.
func (w *storedWindow) page() *page {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.open()
	switch {
	case !w.broken:
	case len(p.keys) > 0:
		p = w.begin()
	default: // nothing is known to be in it, so it can be another one
		p.number, p.revision = w.next, 0
		w.next++
	}
	return p
}

// clean deletes the documents of pages that are not needed any more.
func (w *storedWindow) clean(ctx context.Context) error {
	w.mu.Lock()
	for _, p := range w.forget(time.Now()) {
		w.forgotten = append(w.forgotten, p.number)
	}
	w.mu.Unlock()
	for len(w.forgotten) > 0 {
		key := w.key(w.forgotten[0])
		d, err := w.documents.Get(ctx, key) // for its revision, should a Put have failed but happened
		if err == nil {
			err = w.documents.Delete(ctx, key, d.Revision)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		w.forgotten = w.forgotten[1:]
	}
	return nil
}
