package core

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, name, dedupID string, block store.Block) (uint64, error) {
	bytes, err := store.CheckBlock(block)
	err = errors.Join(s.begin(ctx), store.CheckName("stream", name), store.CheckPrefix("dedup id", dedupID), err)
	if err != nil {
		return 0, err
	}
	if err := s.room(int64(bytes)); err != nil {
		return 0, err
	}
	b := &Block{
		Stream: name, DedupID: dedupID, Events: block, Count: len(block), Bytes: bytes,
		done: make(chan struct{}),
	}
	for dedupID != "" {
		seq, other := s.known(b)
		if seq > 0 {
			return seq, nil
		}
		if other == nil {
			break
		}
		select {
		case <-other.done:
			// If it failed, that says nothing about this one.
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	s.log.Submit(b)
	if err := s.placing(ctx, b); err != nil {
		return 0, err
	}
	return b.Seq, nil
}

// placing waits until the block is placed.
func (s *Store) placing(ctx context.Context, b *Block) error {
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		if s.log.Withdraw(b) {
			s.placed([]*Block{b}, context.Cause(ctx))
		}
		return context.Cause(ctx)
	}
}

// known returns the sequence under which the block was accepted already, or
// the block with the same id that is on its way. If there is neither, the given
// one is on its way now.
func (s *Store) known(b *Block) (uint64, *Block) {
	key := keyOf(b.Stream, b.DedupID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dedup.expire(s.cfg.Clock.Now())
	if seq := s.dedup.seqs[key]; seq > 0 && seq >= s.stream(b.Stream).cur.First.Seq {
		return seq, nil
	}
	if other := s.pending[key]; other != nil {
		return 0, other
	}
	s.pending[key] = b
	return 0, nil
}

// remember notes the block's dedup id.
func (s *Store) remember(b *Block) {
	if b.DedupID != "" {
		s.dedup.add(keyOf(b.Stream, b.DedupID), b.Seq, b.Time)
	}
}

// placed takes blocks over from the log.
func (s *Store) placed(blocks []*Block, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range blocks {
		if err == nil {
			s.add(b)
			s.remember(b)
			st := s.streams[b.Stream]
			s.queue.Offer(st.item)
			s.filled(st)
		}
		if b.DedupID != "" {
			delete(s.pending, keyOf(b.Stream, b.DedupID))
		}
		b.err = err
		close(b.done)
	}
}

// filled ends a stream's wait if so much is unsent that it asked for.
func (s *Store) filled(st *stream) {
	w := st.wait
	if w.Events > 0 && st.events >= int64(w.Events) || w.Bytes > 0 && st.bytes >= int64(w.Bytes) {
		st.wait = store.Wait{}
		s.queue.Wake(st.item)
	}
}

// room makes room for so many bytes, at the cost of segments of which
// everything was sent.
func (s *Store) room(bytes int64) error {
	if s.cfg.MaxBytes == 0 {
		return nil
	}
	for s.log.Size()+bytes > s.cfg.MaxBytes {
		removed, err := s.removeSent()
		if err != nil {
			return err
		}
		if !removed {
			return fmt.Errorf("%w: %d bytes are kept and at most %d may be", store.ErrFull, s.log.Size(), s.cfg.MaxBytes)
		}
	}
	return nil
}
