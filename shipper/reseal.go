package shipper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Reseal seals all configurations and dead letters with the first of
// Config.Keys. Nothing is changed by it that anybody could see, and deliveries
// go on.
//
// What cannot be opened is left as it is: the error tells how many values that
// are, and wraps the first [*KeyError]. Any other error ends it early.
func (s *Shipper) Reseal(ctx context.Context) error {
	var first error
	failed := 0
	unopened := func(err error) bool {
		if !isKeyError(err) {
			return false
		}
		if failed++; first == nil {
			first = err
		}
		return true
	}
	for id, err := range s.Webhooks(ctx) {
		if err == nil {
			err = s.resealConfig(ctx, id)
		}
		if err != nil && !unopened(err) {
			return err
		}
	}
	for doc, err := range s.store.List(ctx, deadLetters) {
		if err == nil {
			err = s.resealLetter(ctx, doc)
		}
		if err != nil && !unopened(err) {
			return err
		}
	}
	if first != nil {
		return fmt.Errorf("shipper: %d values were not sealed anew: %w", failed, first)
	}
	return nil
}

func (s *Shipper) resealConfig(ctx context.Context, id string) error {
	for {
		st, err := s.configs.load(ctx, id)
		if err != nil || st.revision == 0 { // deleted meanwhile
			return err
		}
		if err = s.configs.put(ctx, id, st); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (s *Shipper) resealLetter(ctx context.Context, doc store.Document) error {
	// Names that are not ours are left alone.
	length, rest, _ := strings.Cut(strings.TrimPrefix(doc.Key, deadLetters), "/")
	n, malformed := strconv.Atoi(length)
	if malformed != nil || n < 0 || n > len(rest) {
		return nil
	}
	at := bytes.IndexByte(doc.Value, '\n') + 1
	head, data := doc.Value[:at], doc.Value[at:]
	if len(data) == 0 || data[0] != sealVersion {
		return nil
	}
	place := sealed{webhook: rest[:n], field: "event"}
	opened, err := s.configs.open(data, place)
	if err != nil {
		return err
	}
	value := s.configs.sealer.seal(append([]byte(nil), head...), opened, place)
	_, err = s.store.Put(ctx, doc.Key, value, doc.Revision)
	if errors.Is(err, store.ErrConflict) { // purged, redriven, or sealed by another
		return nil
	}
	return err
}
