package natsstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// The beginnings of the keys in the bucket of states, before the escaped name of
// a stream: of its document, and of the mark that Wake leaves.
const (
	stateKeys = "s."
	wakeKeys  = "w."
)

// wakePrefix begins the subjects of the marks.
func (s *natsStore) wakePrefix() string { return "$KV." + s.cfg.statesBucket() + "." + wakeKeys }

// load returns the document of a stream and its revision, which is 0 if there
// is none.
func (s *natsStore) load(ctx context.Context, stream string) (document, uint64, error) {
	entry, err := s.entry(ctx, stateKeys+escape(stream))
	if err != nil || entry == nil {
		return document{}, 0, err
	}
	d, err := decodeDocument(entry.Value())
	if err != nil {
		return document{}, 0, fmt.Errorf("natsstore: %w", err)
	}
	return d, entry.Revision(), nil
}

// entry returns what the bucket of states has under the key, nil if nothing.
func (s *natsStore) entry(ctx context.Context, key string) (entry jetstream.KeyValueEntry, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		entry, err = s.states.Get(ctx, key)
		return err
	})
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, nil //nolint:nilnil // no entry is no error
	}
	return entry, err
}

// put stores the document of a stream if its revision is the given one.
func (s *natsStore) put(ctx context.Context, stream string, data []byte, revision uint64) (uint64, error) {
	return s.update(ctx, stateKeys+escape(stream), data, revision)
}

// update stores a value in the bucket of states if its revision is the given one.
// When a try had an effect although it seemed to fail, the next one finds a
// conflict.
func (s *natsStore) update(ctx context.Context, key string, value []byte, revision uint64) (now uint64, err error) {
	err = s.retry(ctx, func(ctx context.Context) error {
		now, err = s.states.Update(ctx, key, value, revision)
		return err
	})
	if superseded(err) || errors.Is(err, jetstream.ErrKeyExists) {
		return 0, store.ErrConflict
	}
	return now, err
}

// woken returns the revision of the mark that Wake has left, 0 if there is
// none.
func (s *natsStore) woken(ctx context.Context, stream string) (uint64, error) {
	entry, err := s.entry(ctx, wakeKeys+escape(stream))
	if err != nil || entry == nil {
		return 0, err
	}
	return entry.Revision(), nil
}

// Wake implements store.Store.
func (s *natsStore) Wake(ctx context.Context, stream string) error {
	if err := store.CheckName("stream", stream); err != nil {
		return err
	}
	return s.do(ctx, func(ctx context.Context) error {
		if _, rev, err := s.load(ctx, stream); err != nil || rev == 0 {
			return err
		}
		// First the mark, then the look: a holder does it the other way round.
		if err := s.retry(ctx, func(ctx context.Context) error {
			_, err := s.states.Put(ctx, wakeKeys+escape(stream), nil)
			return err
		}); err != nil {
			return err
		}
		d, _, err := s.load(ctx, stream)
		if err != nil || d.Until.IsZero() {
			return err
		}
		if err := s.replace(ctx, stream, d.Token); !errors.Is(err, store.ErrClaimLost) {
			return err
		}
		return nil // it is no longer waiting
	})
}
