package shipper

import (
	"context"
	"sync"
)

// places bounds the sessions: so many workers, and so many beside them that
// were found to be slow.
type places struct {
	workers chan struct{}
	slow    chan struct{}
}

func newPlaces(workers, slow int) *places {
	return &places{workers: make(chan struct{}, workers), slow: make(chan struct{}, slow)}
}

// take waits for a worker's place.
func (ps *places) take(ctx context.Context) (*place, error) {
	select {
	case ps.workers <- struct{}{}:
		return &place{all: ps, in: ps.workers}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// place is what a session holds.
type place struct {
	all *places
	mu  sync.Mutex
	in  chan struct{}
}

// stepAside gives the worker's place to another session, if there is room for
// one more slow one, and reports whether the session is a slow one now.
func (p *place) stepAside() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.in == p.all.slow {
		return true
	}
	select {
	case p.all.slow <- struct{}{}:
		<-p.in
		p.in = p.all.slow
		return true
	default:
		return false
	}
}

// slow reports whether the session is a slow one.
func (p *place) isSlow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.in == p.all.slow
}

func (p *place) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	<-p.in
}
