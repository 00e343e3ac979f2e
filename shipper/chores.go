package shipper

import (
	"context"
	"sync"
)

// chores are what is left to do although the call that it belongs to has returned:
// what the store could not do then, and what the watch asks for. Each is tried
// once a second until it is done.
type chores struct {
	added chan struct{} // holds one while there is something new

	mu   sync.Mutex
	left map[string]chore // by what they are about
}

// chore tells whether it is done.
type chore func(ctx context.Context) bool

func newChores() *chores {
	return &chores{added: make(chan struct{}, 1), left: map[string]chore{}}
}

func (c *chores) add(about string, do chore) {
	c.mu.Lock()
	c.left[about] = do
	c.mu.Unlock()
	select {
	case c.added <- struct{}{}:
	default:
	}
}

// try does what is left, and tells whether something still is.
func (c *chores) try(ctx context.Context) bool {
	c.mu.Lock()
	left := c.left
	c.left = map[string]chore{}
	c.mu.Unlock()
	for about, do := range left {
		if ctx.Err() == nil && do(ctx) {
			delete(left, about)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for about, do := range left {
		if _, again := c.left[about]; !again {
			c.left[about] = do
		}
	}
	return len(left) > 0
}

// doChores does what is asked for until the end.
func (s *Shipper) doChores() {
	for {
		select {
		case <-s.chores.added:
		case <-s.closing.Done():
			return
		}
		for s.chores.try(s.closing) {
			if s.cfg.Clock.Sleep(s.closing, retryStore) != nil {
				return
			}
		}
	}
}
