// Package ready is the queue of streams that have work: first come first
// served, with leases and delays, and without a goroutine per stream.
package ready

import (
	"container/heap"
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

type state uint8

const (
	idle    state = iota // no work
	queued               // work, and nobody holds it
	held                 // claimed until due
	delayed              // work, but not before due
	parked               // work, but not before it is woken
	dropped              // for good
)

// Item is a stream's place in a [Queue]. The zero value with a Value is ready
// for use, by one Queue.
type Item[T any] struct {
	Value T

	state state
	token uint64 // of the last claim
	woken bool   // while it was held
	due   time.Time
	timer int           // its index among the timers, plus 1; 0 is none
	place *list.Element // in the queue
}

// Queue hands out items. Its methods may be called with locks held that its
// callers need, for it calls nobody.
type Queue[T any] struct {
	clock store.Clock
	lease time.Duration

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	done chan struct{} // closed when tick has returned

	mu        sync.Mutex
	ready     list.List // of *Item[T]
	waiters   list.List // of chan grant[T]
	timers    timers[T]
	target    time.Time // when tick wakes up; zero for never
	interrupt context.CancelFunc
}

type grant[T any] struct {
	item  *Item[T]
	token uint64
}

// New returns an empty queue whose claims last as long as lease.
func New[T any](clock store.Clock, lease time.Duration) *Queue[T] {
	q := &Queue[T]{clock: clock, lease: lease, done: make(chan struct{})}
	q.ctx, q.stop = context.WithCancel(context.Background())
	q.interrupt = func() {}
	go q.tick()
	return q
}

// Close ends all calls of Claim.
func (q *Queue[T]) Close() {
	q.stop()
	<-q.done
}

// Offer tells that the item has work.
func (q *Queue[T]) Offer(it *Item[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if it.state == idle {
		q.push(it)
	}
}

// Wake ends the item's wait, also the one that its holder will ask for.
func (q *Queue[T]) Wake(it *Item[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch it.state {
	case delayed, parked:
		q.push(it)
	case held:
		it.woken = true
	}
}

// Drop takes the item out for good. Its claim is lost.
func (q *Queue[T]) Drop(it *Item[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.take(it)
	it.state = dropped
}

// Held tells whether somebody holds the item.
func (q *Queue[T]) Held(it *Item[T]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.promote()
	return it.state == held
}

// Renew prolongs the claim, if it is still valid.
func (q *Queue[T]) Renew(it *Item[T], token uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.valid(it, token) {
		return false
	}
	it.due = q.clock.Now().Add(q.lease)
	heap.Fix(&q.timers, it.timer-1)
	return true
}

// Release ends the claim, if it is still valid. An item without work is idle;
// others come back after the time given, or when woken if it is negative.
func (q *Queue[T]) Release(it *Item[T], token uint64, work bool, after time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.valid(it, token) {
		return false
	}
	switch {
	case !work:
		q.take(it)
		it.state = idle
	case it.woken || after == 0:
		q.push(it)
	case after < 0:
		q.take(it)
		it.state = parked
	default:
		q.take(it)
		q.wait(it, delayed, after)
	}
	return true
}

// Claim waits for an item that is ready, and holds it.
func (q *Queue[T]) Claim(ctx context.Context) (*Item[T], uint64, error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	if q.ctx.Err() != nil {
		return nil, 0, store.ErrClosed
	}
	q.mu.Lock()
	q.promote()
	if first := q.ready.Front(); first != nil {
		g := q.grant(first.Value.(*Item[T]))
		q.mu.Unlock()
		return g.item, g.token, nil
	}
	granted := make(chan grant[T], 1)
	place := q.waiters.PushBack(granted)
	q.mu.Unlock()

	var err error
	select {
	case g := <-granted:
		return g.item, g.token, nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-q.ctx.Done():
		err = store.ErrClosed
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case g := <-granted: // too late
		q.push(g.item)
	default:
		q.waiters.Remove(place)
	}
	return nil, 0, err
}

// push makes the item ready and hands it out if somebody waits.
func (q *Queue[T]) push(it *Item[T]) {
	q.take(it)
	it.state = queued
	it.place = q.ready.PushBack(it)
	if first := q.waiters.Front(); first != nil {
		granted := q.waiters.Remove(first).(chan grant[T])
		granted <- q.grant(it)
	}
}

// grant makes the item held.
func (q *Queue[T]) grant(it *Item[T]) grant[T] {
	q.take(it)
	q.wait(it, held, q.lease)
	return grant[T]{it, it.token}
}

// take removes the item from wherever it is. A claim of it is void.
func (q *Queue[T]) take(it *Item[T]) {
	if it.place != nil {
		q.ready.Remove(it.place)
		it.place = nil
	}
	if it.timer > 0 {
		heap.Remove(&q.timers, it.timer-1)
	}
	it.token++
	it.woken = false
}

// valid tells whether the token is that of a claim that still holds.
func (q *Queue[T]) valid(it *Item[T], token uint64) bool {
	q.promote()
	return it.state == held && it.token == token
}

// wait puts the item among the timers.
func (q *Queue[T]) wait(it *Item[T], s state, d time.Duration) {
	now := q.clock.Now()
	it.state = s
	it.due = now.Add(d)
	heap.Push(&q.timers, it)
	// Where the clock has jumped past its target tick sleeps for too long.
	if it.due.Before(q.target) || !q.target.After(now) {
		q.interrupt()
	}
}

// promote makes ready what is due.
func (q *Queue[T]) promote() {
	if len(q.timers) == 0 {
		return
	}
	for now := q.clock.Now(); len(q.timers) > 0 && !q.timers[0].due.After(now); {
		q.push(q.timers[0])
	}
}

// tick promotes items when they are due while nobody calls.
func (q *Queue[T]) tick() {
	defer close(q.done)
	for q.ctx.Err() == nil {
		q.mu.Lock()
		q.promote()
		ctx, cancel := context.WithCancel(q.ctx)
		q.interrupt, q.target = cancel, time.Time{}
		wait := time.Duration(0)
		if len(q.timers) > 0 {
			q.target = q.timers[0].due
			wait = q.target.Sub(q.clock.Now())
		}
		q.mu.Unlock()
		if q.target.IsZero() {
			<-ctx.Done()
		} else {
			_ = q.clock.Sleep(ctx, wait) // woken early, it looks again
		}
		cancel()
	}
}
