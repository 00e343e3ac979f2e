package receiver

import (
	"context"
	"sync"
)

// group has the items of concurrent calls worked on together, so that they share
// what costs the most, the sync of a file for instance: those that come while
// work goes on wait for the next turn.
type group[T any] struct {
	turn chan struct{} // holds one while work goes on

	mu   sync.Mutex
	next *round[T]
}

type round[T any] struct {
	items []T
	done  chan struct{}
	err   error
}

func newGroup[T any]() *group[T] { return &group[T]{turn: make(chan struct{}, 1)} }

// do returns what work makes of the item and those beside it. Only one call of
// work is under way. When ctx ends do returns its cause; the item may be worked
// on all the same.
func (g *group[T]) do(ctx context.Context, item T, work func(items []T) error) error {
	g.mu.Lock()
	if g.next == nil {
		g.next = &round[T]{done: make(chan struct{})}
	}
	r := g.next
	r.items = append(r.items, item)
	g.mu.Unlock()

	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-r.done:
		return r.err
	default:
	}
	g.mu.Lock()
	g.next = nil // it is r, which only the holder of the turn replaces
	g.mu.Unlock()
	r.err = work(r.items)
	close(r.done)
	return r.err
}
