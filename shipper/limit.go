package shipper

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// roomInterval is how often a call that waits for room looks by itself. It is
// told of what this process delivers, not of others, nor of retention.
const roomInterval = time.Second

// admission is what is on its way into the store, and who waits for room.
type admission struct {
	mu       sync.Mutex
	streams  map[string]*amount
	total    amount
	room     chan struct{} // closed, and replaced, when there may be room
	measures measures
}

type amount struct{ events, bytes int64 }

func newAdmission() *admission {
	return &admission{streams: map[string]*amount{}, room: make(chan struct{})}
}

// freed tells those who wait that there may be room.
func (a *admission) freed() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.room)
	a.room = make(chan struct{})
}

// waiting returns a channel that is closed when there may be room.
func (a *admission) waiting() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.room
}

// reserve counts what is to be appended and returns what else is on its way.
func (a *admission) reserve(id string, n amount) (stream, total amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.streams[id]
	if at == nil {
		at = &amount{}
		a.streams[id] = at
	}
	stream, total = *at, a.total
	at.add(n, 1)
	a.total.add(n, 1)
	return stream, total
}

func (a *admission) release(id string, n amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.streams[id]
	at.add(n, -1)
	if *at == (amount{}) {
		delete(a.streams, id)
	}
	a.total.add(n, -1)
}

func (a *amount) add(b amount, sign int64) {
	a.events += sign * b.events
	a.bytes += sign * b.bytes
}

// admit calls appendBlock when the limits have room for it and the store can be
// reached, as Config.FailWhenFull says.
func (s *Shipper) admit(ctx context.Context, id string, events, bytes int, appendBlock func() error) error {
	n := amount{int64(events), int64(bytes)}
	for {
		room := s.admission.waiting()
		err := s.try(ctx, id, n, appendBlock)
		full, isFull := errors.AsType[*FullError](err)
		if !isFull && !errors.Is(err, store.ErrUnavailable) || s.cfg.FailWhenFull {
			return err
		}
		s.totals.blocked.Add(1)
		ended := s.waitForRoom(ctx, room)
		s.totals.blocked.Add(-1)
		switch {
		case ended != nil && isFull:
			full.Err = errors.Join(full.Err, ended)
			return full
		case ended != nil:
			return errors.Join(err, ended)
		}
	}
}

// try appends if there is room. Otherwise it returns which limit is reached.
func (s *Shipper) try(ctx context.Context, id string, n amount, appendBlock func() error) error {
	stream, total := s.admission.reserve(id, n)
	defer s.admission.release(id, n)
	full, err := s.limited(ctx, id, n, stream, total)
	switch {
	case err != nil:
		return err
	case full != nil:
		return full
	}
	if err = appendBlock(); errors.Is(err, store.ErrFull) {
		return &FullError{Limit: "store", Err: err}
	}
	return err
}

// limited tells which limit n more would pass, if any.
func (s *Shipper) limited(ctx context.Context, id string, n, stream, total amount) (full *FullError, err error) {
	now := s.cfg.Clock.Now()
	if limits := &s.cfg.Limits; limits.some() && !s.admission.roomy(id, n, limits, now) {
		state, err := s.store.State(ctx, id)
		if err != nil {
			return nil, err
		}
		if limit := limits.reached(state.Backlog, n, stream, now); limit != "" {
			return &FullError{ID: id, Limit: limit}, nil
		}
		s.admission.measured(id, state.Backlog, stream, n, now)
	}
	if limits := &s.cfg.TotalLimits; limits.some() && !s.admission.roomy("", n, limits, now) {
		backlog, err := s.store.Total(ctx)
		if err != nil {
			return nil, err
		}
		if limit := limits.reached(backlog, n, total, now); limit != "" {
			return &FullError{Limit: limit}, nil
		}
		s.admission.measured("", backlog, total, n, now)
	}
	return nil, nil //nolint:nilnil // no limit is no error
}

func (l *Limits) some() bool { return l.Events > 0 || l.Bytes > 0 || l.Age > 0 }

// reached tells which limit n more would pass. A call larger than a limit is
// taken when nothing waits: it would wait for ever.
func (l *Limits) reached(have store.Backlog, n, coming amount, now time.Time) string {
	waiting := have.Events > 0 || coming.events > 0
	switch {
	case l.Events > 0 && waiting && have.Events+coming.events+n.events > l.Events:
		return "events"
	case l.Bytes > 0 && waiting && have.Bytes+coming.bytes+n.bytes > l.Bytes:
		return "bytes"
	case l.Age > 0 && have.Events > 0 && now.Sub(have.Oldest) > l.Age:
		return "age"
	}
	return ""
}

// waitForRoom waits until there may be room.
func (s *Shipper) waitForRoom(ctx context.Context, room <-chan struct{}) error {
	sleep, wake := context.WithCancel(ctx)
	slept := make(chan struct{})
	go func() {
		defer close(slept)
		_ = s.cfg.Clock.Sleep(sleep, roomInterval)
	}()
	defer func() {
		wake()
		<-slept
	}()
	select {
	case <-room:
		return nil
	case <-slept:
		return context.Cause(ctx)
	case <-s.closing.Done():
		return ErrClosed
	}
}
