package core

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// watches is all calls of Watch.
type watches struct {
	mu  sync.Mutex
	all map[*watch]struct{}
}

// watch is one of them. It keeps the last change of each document, so that a
// slow one delays nobody and needs no more memory than the documents.
type watch struct {
	prefix  string
	mu      sync.Mutex
	changes map[string]store.Change
	order   []string      // the keys of changes
	some    chan struct{} // has a value when there are changes
}

func (ws *watches) add(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.all == nil {
		ws.all = map[*watch]struct{}{}
	}
	ws.all[w] = struct{}{}
}

func (ws *watches) remove(w *watch) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	delete(ws.all, w)
}

func (ws *watches) changed(change store.Change) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		if strings.HasPrefix(change.Key, w.prefix) {
			w.changed(change)
		}
	}
}

func (w *watch) changed(change store.Change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, waiting := w.changes[change.Key]; !waiting {
		w.order = append(w.order, change.Key)
	}
	w.changes[change.Key] = change
	select {
	case w.some <- struct{}{}:
	default:
	}
}

// take returns the changes there are.
func (w *watch) take() []store.Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	var changes []store.Change
	for _, key := range w.order {
		changes = append(changes, w.changes[key])
	}
	clear(w.changes)
	w.order = nil
	return changes
}

// Watch implements store.Documents.
func (s *Store) Watch(ctx context.Context, prefix string) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		if err := errors.Join(s.begin(ctx), store.CheckPrefix("prefix", prefix)); err != nil {
			yield(store.Change{}, err)
			return
		}
		w := &watch{prefix: prefix, changes: map[string]store.Change{}, some: make(chan struct{}, 1)}
		s.watches.add(w)
		defer s.watches.remove(w)

		seen := map[string]uint64{} // revisions, for some come both here and in the watch
		for doc, err := range s.pages(ctx, Documents, prefix) {
			if !yield(store.Change{Document: doc}, err) || err != nil {
				return
			}
			seen[doc.Key] = doc.Revision
		}
		for {
			for _, change := range w.take() {
				if change.Revision <= seen[change.Key] {
					continue
				}
				delete(seen, change.Key)
				if !yield(change, nil) {
					return
				}
			}
			select {
			case <-w.some:
			case <-ctx.Done():
				yield(store.Change{}, context.Cause(ctx))
				return
			case <-s.ctx.Done():
				yield(store.Change{}, store.ErrClosed)
				return
			}
		}
	}
}
