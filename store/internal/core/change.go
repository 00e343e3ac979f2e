package core

import (
	"context"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// acquire takes the stream's slot.
func (s *Store) acquire(ctx context.Context, st *stream) error {
	select {
	case st.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ctx.Done():
		return store.ErrClosed
	}
}

// store is acquire and commit.
func (s *Store) store(ctx context.Context, st *stream, cur cursor) error {
	if err := s.acquire(ctx, st); err != nil {
		return err
	}
	return s.commit(ctx, st, cur)
}

// commit makes cur the stream's cursor, durably. It frees the slot, which the
// caller holds, when that is done, even if the caller does not wait so long.
func (s *Store) commit(ctx context.Context, st *stream, cur cursor) error {
	return s.commitAnd(ctx, st, cur, func() {})
}

// commitAnd is commit that also calls durable, before anybody else gets the
// slot and with the store's mutex held.
func (s *Store) commitAnd(ctx context.Context, st *stream, cur cursor, durable func()) error {
	result := make(chan error, 1)
	s.docs.Commit([]Op{cursorOp(st, cur)}, func(err error) {
		if err == nil {
			s.mu.Lock()
			durable()
			s.installed(st, cur)
			s.mu.Unlock()
		}
		<-st.slot
		result <- err
	})
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// installed installs a cursor that is durable.
func (s *Store) installed(st *stream, cur cursor) {
	cur.Version = cursorVersion
	s.install(st, cur)
	if st.work() {
		s.queue.Offer(st.item)
	}
}

func cursorOp(st *stream, cur cursor) Op {
	return Op{Bucket: Streams, Change: store.Change{Document: store.Document{Key: st.name, Value: cur.encode()}}}
}
