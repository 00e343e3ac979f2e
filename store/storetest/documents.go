package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// put puts a document, whose old revision it returns the new one of.
func (s *suite) put(key, value string, revision uint64) uint64 {
	s.Helper()
	now, err := s.store.Put(s.ctx(), key, []byte(value), revision)
	s.ok(err)
	return now
}

func testDocuments(s *suite) {
	_, err := s.store.Get(s.ctx(), "k")
	s.is(err, store.ErrNotFound)
	_, err = s.store.Put(s.ctx(), "k", []byte("x"), 7)
	s.is(err, store.ErrConflict)
	s.is(s.store.Delete(s.ctx(), "k", 7), store.ErrNotFound)

	first := s.put("k", "one", 0)
	_, err = s.store.Put(s.ctx(), "k", []byte("x"), 0)
	s.is(err, store.ErrConflict)
	second := s.put("k", "two", first)
	if second <= first || first == 0 {
		s.Fatalf("revision %d after %d", second, first)
	}
	_, err = s.store.Put(s.ctx(), "k", []byte("x"), first)
	s.is(err, store.ErrConflict)
	s.is(s.store.Delete(s.ctx(), "k", first), store.ErrConflict)
	doc, err := s.store.Get(s.ctx(), "k")
	s.ok(err)
	s.equal("document", doc, store.Document{Key: "k", Value: []byte("two"), Revision: second})

	// What is returned is the caller's.
	doc.Value[0] = 'x'
	doc, err = s.store.Get(s.ctx(), "k")
	s.ok(err)
	s.equal("value", string(doc.Value), "two")

	s.ok(s.store.Delete(s.ctx(), "k", second))
	_, err = s.store.Get(s.ctx(), "k")
	s.is(err, store.ErrNotFound)
	if third := s.put("k", "", 0); third <= second {
		s.Fatalf("revision %d after %d", third, second)
	}
	doc, err = s.store.Get(s.ctx(), "k")
	s.ok(err)
	s.equal("empty value", len(doc.Value), 0)

	s.put("large", strings.Repeat("x", store.MaxDocument), 0)
	var size *store.SizeError
	if _, err := s.store.Put(s.ctx(), "larger", make([]byte, store.MaxDocument+1), 0); !errors.As(err, &size) {
		s.Fatalf("a large document: %v, want a SizeError", err)
	}

	// Streams and documents do not meet.
	s.append("k", "event")
	s.ok(s.store.DeleteStream(s.ctx(), "k"))
	_, err = s.store.Get(s.ctx(), "k")
	s.ok(err)
}

func testDocumentsReopened(s *suite) {
	first := s.put("a", "1", 0)
	gone := s.put("b", "2", 0)
	s.ok(s.store.Delete(s.ctx(), "b", gone))
	s.reopen()
	doc, err := s.store.Get(s.ctx(), "a")
	s.ok(err)
	s.equal("document", doc, store.Document{Key: "a", Value: []byte("1"), Revision: first})
	_, err = s.store.Get(s.ctx(), "b")
	s.is(err, store.ErrNotFound)
	if again := s.put("b", "3", 0); again <= gone {
		s.Fatalf("revision %d after %d", again, gone)
	}
}

func testLists(s *suite) {
	var want []string
	for i := range 200 {
		key := fmt.Sprintf("list/%03d", i)
		s.put(key, key, 0)
		want = append(want, key)
	}
	s.put("lis", "shorter", 0)
	s.put("list0", "behind", 0)
	list := func(prefix string) []string {
		var keys []string
		for doc, err := range s.store.List(s.ctx(), prefix) {
			s.ok(err)
			s.equal("value", len(doc.Value) > 0, true)
			keys = append(keys, doc.Key)
		}
		return keys
	}
	s.equal("keys", list("list/"), want)
	s.equal("keys", list("list/01"), want[10:20])
	s.equal("keys", len(list("")), 202)
	s.equal("keys", len(list("nothing")), 0)
	// The loop may change documents.
	for doc, err := range s.store.List(s.ctx(), "list/") {
		s.ok(err)
		s.ok(s.store.Delete(s.ctx(), doc.Key, doc.Revision))
	}
	s.equal("keys", len(list("list/")), 0)
}

func testWatch(s *suite) {
	one := s.put("w/1", "one", 0)
	s.put("x", "another", 0)
	ctx, cancel := context.WithTimeout(s.ctx(), patience)
	defer cancel()
	seen := []string{}
	for change, err := range s.store.Watch(ctx, "w/") {
		if len(seen) == 4 {
			s.is(err, context.Canceled)
			break
		}
		s.ok(err)
		seen = append(seen, fmt.Sprint(change.Key, "=", string(change.Value), change.Deleted))
		switch len(seen) {
		case 1:
			s.put("w/2", "two", 0)
			s.put("y", "another", 0)
		case 2:
			one = s.put("w/1", "uno", one)
		case 3:
			s.ok(s.store.Delete(s.ctx(), "w/1", one))
		case 4:
			cancel()
		}
	}
	s.equal("changes", seen, []string{"w/1=onefalse", "w/2=twofalse", "w/1=unofalse", "w/1=true"})
}

// Of those who change the same revision one succeeds.
func testDocumentsConcurrent(s *suite) {
	const writers, rounds = 8, 10
	s.put("k", "", 0)
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for done := 0; done < rounds; {
				doc, err := s.store.Get(s.ctx(), "k")
				if err == nil {
					_, err = s.store.Put(s.ctx(), "k", append(doc.Value, 'x'), doc.Revision)
				}
				switch {
				case err == nil:
					done++
				case !errors.Is(err, store.ErrConflict):
					s.Errorf("put: %v", err)
					return
				}
			}
		})
	}
	wait.Wait()
	doc, err := s.store.Get(s.ctx(), "k")
	s.ok(err)
	s.equal("value", string(doc.Value), strings.Repeat("x", writers*rounds))
}
