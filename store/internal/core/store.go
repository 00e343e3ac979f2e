package core

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/ready"
)

// Config is that of a Store. All fields must be set but MaxBytes.
type Config struct {
	Clock     store.Clock
	Lease     time.Duration
	Retention time.Duration
	MaxBytes  int64 // of the log; 0 is no limit
	Volatile  bool
	Logger    *slog.Logger
}

// Store implements store.Store.
type Store struct {
	cfg     Config
	log     Log
	docs    Docs
	queue   *ready.Queue[*stream]
	watches watches

	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	keeping  chan struct{} // closed when keep has returned
	expiring sync.Mutex    // one at a time
	closing  sync.Once
	closed   error // what Close returned

	mu       sync.Mutex
	streams  map[string]*stream
	segments []*segment // by number
	last     uint64     // sequence
	oldest   oldest
	events   int64 // unsent, of all streams
	bytes    int64
	dedup    dedup
	pending  map[dedupKey]*Block // with a dedup id, on their way into the log
}

var (
	_ store.Store    = (*Store)(nil)
	_ store.Volatile = (*Store)(nil)
)

// Open returns a store over the log, which it starts, and the documents. It
// closes both also when it fails.
func Open(cfg Config, log Log, docs Docs) (*Store, error) {
	s := &Store{
		cfg: cfg, log: log, docs: docs,
		queue:   ready.New[*stream](cfg.Clock, cfg.Lease),
		keeping: make(chan struct{}),
		streams: map[string]*stream{},
		pending: map[dedupKey]*Block{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	err := s.load()
	if err == nil {
		go s.keep()
		return s, nil
	}
	close(s.keeping)
	return nil, errors.Join(err, s.Close())
}

// load reads what the log and the documents hold.
func (s *Store) load() error {
	first := uint64(1)
	for doc, err := range s.pages(s.ctx, Streams, "") {
		if err != nil {
			return err
		}
		st := s.stream(doc.Key)
		if st.cur, err = decodeCursor(doc.Value); err != nil {
			return fmt.Errorf("the state of stream %q: %w", doc.Key, err)
		}
		// Nothing can be behind the log's end, but if something were, new
		// events must not be taken for acknowledged.
		first = max(first, st.cur.Next.Seq+1)
		for _, f := range st.cur.Frozen {
			first = max(first, f.End.Seq+1)
		}
	}
	lost := map[*stream]cursor{}
	if err := s.log.Start(first, func(b *Block) { s.found(b, lost) }, s.placed); err != nil {
		return err
	}
	s.mu.Lock()
	for _, st := range s.streams {
		s.settle(st, lost)
	}
	s.mu.Unlock()
	for st, cur := range lost {
		if err := s.store(s.ctx, st, cur); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var ready []*stream
	for _, st := range s.streams {
		if st.work() {
			ready = append(ready, st)
		}
	}
	slices.SortFunc(ready, func(a, b *stream) int { // who waits longest comes first
		return cmp.Or(a.backlog().Oldest.Compare(b.backlog().Oldest), strings.Compare(a.name, b.name))
	})
	for _, st := range ready {
		s.queue.Offer(st.item)
	}
	return nil
}

// found indexes a block that the log held when it was opened. What is lost of
// unsent events is collected, to be stored when the whole log is known.
func (s *Store) found(b *Block, lost map[*stream]cursor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stream(b.Stream)
	if !b.Damaged {
		s.add(b)
		s.remember(b)
		return
	}
	s.segmentOf(b.Segment).last = b.Time
	s.last = b.Seq
	if b.Seq < st.cur.Next.Seq || slices.Contains(st.cur.Lost, b.Seq) {
		return
	}
	cur, ok := lost[st]
	if !ok {
		cur = st.cur
	}
	cur.Gone = false
	cur.lose(b.Seq, int64(b.Count), int64(b.Bytes), b.Time)
	lost[st] = cur
}

// settle takes off what was sent of a stream's first block. If that block is
// not there, there is nothing to take off.
func (s *Store) settle(st *stream, lost map[*stream]cursor) {
	if st.cur.Next.Index == 0 {
		return
	}
	if len(st.chunks) > 0 && st.chunks[0].seq(0) == st.cur.Next.Seq {
		s.count(st, -int64(st.cur.Next.Index), -int64(st.cur.NextBytes))
		return
	}
	next := store.Position{Seq: st.cur.Next.Seq + 1}
	st.cur.advance(next, 0)
	if cur, ok := lost[st]; ok {
		cur.advance(next, 0)
		lost[st] = cur
	}
}

// Volatile implements store.Volatile.
func (s *Store) Volatile() bool { return s.cfg.Volatile }

// begin tells why a call cannot begin.
func (s *Store) begin(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if s.ctx.Err() != nil {
		return store.ErrClosed
	}
	return nil
}

// Wake implements store.Store.
func (s *Store) Wake(ctx context.Context, name string) error {
	if err := errors.Join(s.begin(ctx), store.CheckName("stream", name)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.streams[name]; st != nil {
		s.queue.Wake(st.item)
	}
	return nil
}

// State implements store.Store.
func (s *Store) State(ctx context.Context, name string) (store.State, error) {
	if err := errors.Join(s.begin(ctx), store.CheckName("stream", name)); err != nil {
		return store.State{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.streams[name]
	if st == nil {
		return store.State{}, nil
	}
	state := st.cur.state()
	state.Backlog = st.backlog()
	return state, nil
}

// Total implements store.Store.
func (s *Store) Total(ctx context.Context) (store.Backlog, error) {
	if err := s.begin(ctx); err != nil {
		return store.Backlog{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := store.Backlog{Events: s.events, Bytes: s.bytes}
	if len(s.oldest) > 0 {
		b.Oldest = s.oldest[0].chunks[0].time(0)
	}
	return b, nil
}

// Streams implements store.Store.
func (s *Store) Streams(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := s.begin(ctx); err != nil {
			yield("", err)
			return
		}
		s.mu.Lock()
		var names []string
		for name, st := range s.streams {
			if st.work() || st.cur.Version != 0 && !st.cur.Gone {
				names = append(names, name)
			}
		}
		s.mu.Unlock()
		slices.Sort(names)
		for _, name := range names {
			if err := s.begin(ctx); err != nil {
				yield("", err)
				return
			}
			if !yield(name, nil) {
				return
			}
		}
	}
}

// DeleteStream implements store.Store. What it stores tells, until retention
// has removed the events, that they are not there.
func (s *Store) DeleteStream(ctx context.Context, name string) error {
	if err := errors.Join(s.begin(ctx), store.CheckName("stream", name)); err != nil {
		return err
	}
	s.mu.Lock()
	st := s.streams[name]
	s.mu.Unlock()
	if st == nil {
		return nil
	}
	if err := s.acquire(ctx, st); err != nil {
		return err
	}
	s.mu.Lock()
	end := store.Position{Seq: s.last + 1}
	s.mu.Unlock()
	return s.commitAnd(ctx, st, cursor{First: end, Next: end, Gone: true}, func() {
		s.queue.Drop(st.item)
		st.item, st.wait = &ready.Item[*stream]{Value: st}, store.Wait{}
		s.streams[name] = st // if it was buried in the meantime
	})
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.stop()
		s.queue.Close()
		<-s.keeping
		s.closed = errors.Join(s.log.Close(), s.docs.Close())
	})
	return s.closed
}
