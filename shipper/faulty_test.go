package shipper_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

var errFaulty = errors.New("a fault of the medium")

// faultyIn fails all calls of the method.
func faultyIn(method string) func(string, int) error {
	return func(got string, _ int) error {
		if got == method {
			return errFaulty
		}
		return nil
	}
}

// faultyStore is a store that fails as it is told.
type faultyStore struct {
	store.Store

	mu     sync.Mutex
	calls  map[string]int
	before func(method string, call int) error // call counts from 0; nothing was done
	after  func(method string, call int) error // it was done all the same
}

// set says what fails, before or after it is done; nil for nothing.
func (f *faultyStore) set(before, after func(string, int) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after, f.calls = before, after, map[string]int{}
}

// called returns how often the method was called since set.
func (f *faultyStore) called(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// heals ends faults once something was tried often enough.
func (f *faultyStore) heals() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.calls {
		if n > 40 {
			f.before, f.after = nil, nil
		}
	}
}

func (f *faultyStore) do(method string, call func() error) error {
	f.mu.Lock()
	n := f.calls[method]
	if f.calls != nil {
		f.calls[method]++
	}
	before, after := f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(method, n); err != nil {
			return err
		}
	}
	err := call()
	if err == nil && after != nil {
		err = after(method, n)
	}
	return err
}

func (f *faultyStore) Append(ctx context.Context, stream, id string, block store.Block) (seq uint64, err error) {
	err = f.do("Append", func() error {
		seq, err = f.Store.Append(ctx, stream, id, block)
		return err
	})
	return seq, err
}

func (f *faultyStore) Claim(ctx context.Context) (store.Claim, error) {
	if err := f.do("Claim", func() error { return nil }); err != nil { // a claim taken would be lost
		return nil, err
	}
	claim, err := f.Store.Claim(ctx)
	if err != nil {
		return nil, err
	}
	return &faultyClaim{claim, f}, nil
}

func (f *faultyStore) Wake(ctx context.Context, stream string) error {
	return f.do("Wake", func() error { return f.Store.Wake(ctx, stream) })
}

func (f *faultyStore) State(ctx context.Context, stream string) (state store.State, err error) {
	err = f.do("State", func() error {
		state, err = f.Store.State(ctx, stream)
		return err
	})
	return state, err
}

func (f *faultyStore) Total(ctx context.Context) (total store.Backlog, err error) {
	err = f.do("Total", func() error {
		total, err = f.Store.Total(ctx)
		return err
	})
	return total, err
}

func (f *faultyStore) Read(ctx context.Context, stream string, from store.From) iter.Seq2[store.Event, error] {
	return faultySeq(f, "Read", f.Store.Read(ctx, stream, from))
}

func (f *faultyStore) List(ctx context.Context, prefix string) iter.Seq2[store.Document, error] {
	return faultySeq(f, "List", f.Store.List(ctx, prefix))
}

func (f *faultyStore) Watch(ctx context.Context, prefix string) iter.Seq2[store.Change, error] {
	return faultySeq(f, "Watch", f.Store.Watch(ctx, prefix))
}

// faultySeq fails instead of yielding a value.
func faultySeq[T any](f *faultyStore, method string, all iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v, err := range all {
			if err == nil {
				err = f.do(method, func() error { return nil })
			}
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (f *faultyStore) Get(ctx context.Context, key string) (doc store.Document, err error) {
	err = f.do("Get", func() error {
		doc, err = f.Store.Get(ctx, key)
		return err
	})
	return doc, err
}

func (f *faultyStore) Put(ctx context.Context, key string, value []byte, old uint64) (revision uint64, err error) {
	err = f.do("Put", func() error {
		revision, err = f.Store.Put(ctx, key, value, old)
		return err
	})
	return revision, err
}

func (f *faultyStore) Delete(ctx context.Context, key string, revision uint64) error {
	return f.do("Delete", func() error { return f.Store.Delete(ctx, key, revision) })
}

type faultyClaim struct {
	store.Claim

	f *faultyStore
}

func (c *faultyClaim) State(ctx context.Context) (state store.State, err error) {
	err = c.f.do("Claim.State", func() error {
		state, err = c.Claim.State(ctx)
		return err
	})
	return state, err
}

func (c *faultyClaim) Batch(ctx context.Context, limits store.Limits) (b store.Batch, err error) {
	err = c.f.do("Claim.Batch", func() error {
		b, err = c.Claim.Batch(ctx, limits)
		return err
	})
	return b, err
}

func (c *faultyClaim) Split(ctx context.Context, id string) error {
	return c.f.do("Claim.Split", func() error { return c.Claim.Split(ctx, id) })
}

func (c *faultyClaim) Ack(ctx context.Context, id string, status []byte, next store.Limits) error {
	return c.f.do("Claim.Ack", func() error { return c.Claim.Ack(ctx, id, status, next) })
}

func (c *faultyClaim) Skip(ctx context.Context, before time.Time, status []byte) (skipped store.Backlog, err error) {
	err = c.f.do("Claim.Skip", func() error {
		skipped, err = c.Claim.Skip(ctx, before, status)
		return err
	})
	return skipped, err
}

func (c *faultyClaim) Save(ctx context.Context, status []byte) error {
	return c.f.do("Claim.Save", func() error { return c.Claim.Save(ctx, status) })
}

func (c *faultyClaim) ClearGap(ctx context.Context, id string) error {
	return c.f.do("Claim.ClearGap", func() error { return c.Claim.ClearGap(ctx, id) })
}

func (c *faultyClaim) Keep(ctx context.Context) error {
	return c.f.do("Claim.Keep", func() error { return c.Claim.Keep(ctx) })
}

func (c *faultyClaim) Release(ctx context.Context, wait store.Wait) error {
	return c.f.do("Claim.Release", func() error { return c.Claim.Release(ctx, wait) })
}
