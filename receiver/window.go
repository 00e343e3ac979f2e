package receiver

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Mark is what is remembered of a batch or a line that was handed over.
type Mark struct {
	Key Key

	// Fingerprint tells batches of one key apart. It is not 0.
	Fingerprint uint64
}

// Window remembers what was handed over, so that what a sender repeats can be
// dropped. Its methods are called concurrently. [NewWindow] and [OpenWindow] have
// the ready-made ones.
type Window interface {
	// Recall returns the fingerprint remembered with each key, 0 for none.
	Recall(ctx context.Context, keys []Key) ([]uint64, error)

	// Remember remembers the marks, each instead of an older one with its key.
	// It returns when they are as durable as they will be.
	Remember(ctx context.Context, marks []Mark) error
}

// WindowConfig bounds a window. A zero field stands for its default.
type WindowConfig struct {
	// Marks is how many of the newest marks are remembered, unless they are too
	// old; there may be up to 2048 more. A batch is one mark, and each line
	// another one with DedupLines. One takes about 100 bytes of memory. Default:
	// DefaultMarks.
	Marks int

	// Age is for how long a mark is remembered. A sender may repeat a batch
	// until it is taken, days later even; but where batches have no id, those
	// that are equal every day should not be taken for one another. Default:
	// DefaultAge.
	Age time.Duration
}

// The defaults of [WindowConfig].
const (
	DefaultMarks = 100_000
	DefaultAge   = 24 * time.Hour
)

// pageMarks is how many marks are forgotten, or stored, together at most.
const pageMarks = 2048

// page is marks that were remembered one after the other.
type page struct {
	number   uint64
	revision uint64 // of its document, if it has one
	keys     []Key
	newest   time.Time
}

// known is what is kept of a mark.
type known struct {
	fingerprint uint64
	at          time.Time
	page        uint64 // the last page that has the key
}

// window is a Window in memory.
type window struct {
	config WindowConfig

	mu    sync.Mutex
	known map[Key]known
	pages []*page // the oldest first
	marks int     // in all pages
	next  uint64  // the number of the next page
}

var _ Window = (*window)(nil)

// NewWindow returns a window in memory, which a restart empties. It panics if a
// field of the WindowConfig is negative.
func NewWindow(cfg WindowConfig) Window {
	w, err := newWindow(cfg)
	if err != nil {
		panic(err)
	}
	return w
}

func newWindow(cfg WindowConfig) (*window, error) {
	cfg.Marks = orDefault(cfg.Marks, DefaultMarks)
	cfg.Age = orDefault(cfg.Age, DefaultAge)
	if cfg.Marks < 0 || cfg.Age < 0 {
		return nil, errors.New("receiver: WindowConfig: Marks and Age must not be negative")
	}
	return &window{config: cfg, known: map[Key]known{}}, nil
}

// Recall implements [Window].
func (w *window) Recall(_ context.Context, keys []Key) ([]uint64, error) {
	now := time.Now()
	fingerprints := make([]uint64, len(keys))
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, key := range keys {
		if k, ok := w.known[key]; ok && now.Sub(k.at) <= w.config.Age {
			fingerprints[i] = k.fingerprint
		}
	}
	return fingerprints, nil
}

// Remember implements [Window].
func (w *window) Remember(_ context.Context, marks []Mark) error {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range marks {
		w.add(w.open(), m, now)
	}
	w.forget(now)
	return nil
}

// open returns the page to add to. Callers hold the mutex, here and below.
func (w *window) open() *page {
	if n := len(w.pages); n > 0 && len(w.pages[n-1].keys) < pageMarks {
		return w.pages[n-1]
	}
	return w.begin()
}

// begin begins a new page.
func (w *window) begin() *page {
	p := &page{number: w.next}
	w.next++
	w.pages = append(w.pages, p)
	return p
}

func (w *window) add(p *page, m Mark, at time.Time) {
	w.known[m.Key] = known{m.Fingerprint, at, p.number}
	p.keys = append(p.keys, m.Key)
	p.newest = at
	w.marks++
}

// forget drops the pages that are not needed any more, and returns them.
func (w *window) forget(now time.Time) []*page {
	n := 0
	for n < len(w.pages) {
		p := w.pages[n]
		if w.marks-len(p.keys) < w.config.Marks && now.Sub(p.newest) <= w.config.Age {
			break
		}
		for _, key := range p.keys {
			if w.known[key].page == p.number {
				delete(w.known, key)
			}
		}
		w.marks -= len(p.keys)
		n++
	}
	forgotten := w.pages[:n:n]
	w.pages = w.pages[n:]
	return forgotten
}
