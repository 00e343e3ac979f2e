package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// calls returns every call with a context, of the store and of a claim.
func (s *suite) calls(c store.Claim, batch string) map[string]func(context.Context) error {
	st := s.store
	return map[string]func(context.Context) error{
		"Append":       func(ctx context.Context) error { _, err := st.Append(ctx, "a", "", block("x")); return err },
		"Claim":        func(ctx context.Context) error { _, err := st.Claim(ctx); return err },
		"Wake":         func(ctx context.Context) error { return st.Wake(ctx, "a") },
		"Read":         func(ctx context.Context) error { return last2(st.Read(ctx, "a", store.From{})) },
		"State":        func(ctx context.Context) error { _, err := st.State(ctx, "a"); return err },
		"Total":        func(ctx context.Context) error { _, err := st.Total(ctx); return err },
		"Streams":      func(ctx context.Context) error { return last2(st.Streams(ctx)) },
		"DeleteStream": func(ctx context.Context) error { return st.DeleteStream(ctx, "a") },
		"Get":          func(ctx context.Context) error { _, err := st.Get(ctx, "k"); return err },
		"Put":          func(ctx context.Context) error { _, err := st.Put(ctx, "new", nil, 0); return err },
		"Delete":       func(ctx context.Context) error { return st.Delete(ctx, "k", 1) },
		"List":         func(ctx context.Context) error { return last2(st.List(ctx, "")) },
		"Watch":        func(ctx context.Context) error { return last2(st.Watch(ctx, "")) },
		"Claim.State":  func(ctx context.Context) error { _, err := c.State(ctx); return err },
		"Claim.Batch":  func(ctx context.Context) error { _, err := c.Batch(ctx, many); return err },
		"Claim.Split":  func(ctx context.Context) error { return c.Split(ctx, batch) },
		"Claim.Ack":    func(ctx context.Context) error { return c.Ack(ctx, batch, nil, store.Limits{}) },
		"Claim.Skip":   func(ctx context.Context) error { _, err := c.Skip(ctx, time.Time{}, nil); return err },
		"Claim.Save":   func(ctx context.Context) error { return c.Save(ctx, []byte("x")) },
		"Claim.ClearGap": func(ctx context.Context) error {
			return c.ClearGap(ctx, "gap")
		},
		"Claim.Keep":    func(ctx context.Context) error { return c.Keep(ctx) },
		"Claim.Release": func(ctx context.Context) error { return c.Release(ctx, store.Wait{}) },
	}
}

// last2 returns the last error that the sequence yields.
func last2[T any](seq func(func(T, error) bool)) (last error) {
	for _, err := range seq {
		last = err
	}
	return last
}

var errCause = errors.New("the service is going down")

func testCancel(s *suite) {
	s.append("a", "1", "2")
	s.put("k", "v", 0)
	c := s.claim("a")
	b := s.batch(c, many, "1", "2")
	state := s.state("a")
	over, cancel := context.WithCancelCause(s.ctx())
	cancel(errCause)
	for name, call := range s.calls(c, b.ID) {
		if err := call(over); !errors.Is(err, errCause) {
			s.Errorf("%s with a context that has ended: %v, want its cause", name, err)
		}
	}
	s.equal("state", s.state("a"), state)
	_, err := s.store.Get(s.ctx(), "new")
	s.is(err, store.ErrNotFound)

	// A call that waits ends with its context, and takes nothing with it.
	ctx, cancel := context.WithCancelCause(s.ctx())
	errs := make(chan error, 3)
	for range 2 {
		go func() { _, err := s.store.Claim(ctx); errs <- err }()
	}
	watching := make(chan struct{})
	go func() {
		var last error
		for _, last = range s.store.Watch(ctx, "") {
			if last == nil {
				close(watching)
			}
		}
		errs <- last
	}()
	<-watching
	cancel(errCause)
	for range cap(errs) {
		s.is(<-errs, errCause)
	}
	s.release(c, store.Wait{})
	s.claim("a")
}

func testClose(s *suite) {
	s.append("a", "1", "2")
	s.put("k", "v", 0)
	c := s.claim("a")
	b := s.batch(c, many, "1", "2")
	s.close()
	s.close()
	for name, call := range s.calls(c, b.ID) {
		if err := call(s.ctx()); !errors.Is(err, store.ErrClosed) {
			s.Errorf("%s of a closed store: %v, want ErrClosed", name, err)
		}
	}
}

func testCloseDuringUse(s *suite) {
	s.put("k", "v", 0)
	accepted := make([]int, 8)
	var wait sync.WaitGroup
	started := make(chan struct{}, len(accepted))
	for i := range accepted {
		wait.Go(func() {
			for n := 0; ; n++ {
				_, err := s.store.Append(s.ctx(), fmt.Sprint("stream-", i), "", block(fmt.Sprint(n)))
				if err != nil {
					s.onlyClosed("Append", err)
					return
				}
				accepted[i]++
				if n == 3 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 3 {
		wait.Go(func() {
			for {
				c, err := s.store.Claim(s.ctx())
				if err != nil {
					s.onlyClosed("Claim", err)
					return
				}
				b, err := c.Batch(s.ctx(), store.Limits{Events: 2, Bytes: 100})
				if err == nil {
					err = c.Save(s.ctx(), []byte(b.ID))
				}
				if err == nil || errors.Is(err, store.ErrNoEvents) {
					err = c.Release(s.ctx(), store.Wait{})
				}
				if err != nil {
					s.onlyClosed("a claim", err)
					return
				}
			}
		})
	}
	wait.Go(func() { s.onlyClosed("Watch", last2(s.store.Watch(s.ctx(), ""))) })
	wait.Go(func() {
		for {
			if err := last2(s.store.Read(s.ctx(), "stream-0", store.From{})); err != nil {
				s.onlyClosed("Read", err)
				return
			}
		}
	})
	for range accepted {
		<-started
	}
	s.close()
	wait.Wait()
	if s.Volatile {
		return
	}
	s.open()
	for i, n := range accepted {
		events := s.read(fmt.Sprint("stream-", i), store.From{})
		if len(events) < n {
			s.Errorf("stream %d: %d events of %d accepted ones", i, len(events), n)
		}
		for j, e := range events {
			s.equal("event", string(e.Data), fmt.Sprint(j))
		}
	}
}

// onlyClosed reports any error but ErrClosed.
func (s *suite) onlyClosed(what string, err error) {
	if !errors.Is(err, store.ErrClosed) {
		s.Errorf("%s of a store that is being closed: %v, want ErrClosed", what, err)
	}
}
