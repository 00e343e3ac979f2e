package receiver_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
)

// newDocuments returns documents in memory.
func newDocuments(t testing.TB) store.Store {
	s, err := memstore.Open(memstore.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func mark(n int) receiver.Mark {
	var m receiver.Mark
	binary.BigEndian.PutUint64(m.Key[:], uint64(n))
	m.Fingerprint = uint64(n) + 1
	return m
}

func marks(from, to int) (all []receiver.Mark) {
	for n := from; n < to; n++ {
		all = append(all, mark(n))
	}
	return all
}

// recalled returns which of the marks below end are remembered.
func recalled(t testing.TB, w receiver.Window, end int) (known []int) {
	var keys []receiver.Key
	for n := range end {
		keys = append(keys, mark(n).Key)
	}
	fingerprints, err := w.Recall(t.Context(), keys)
	require.NoError(t, err)
	for n, f := range fingerprints {
		if f != 0 {
			require.Equal(t, mark(n).Fingerprint, f)
			known = append(known, n)
		}
	}
	return known
}

func remember(t testing.TB, w receiver.Window, marks ...receiver.Mark) {
	require.NoError(t, w.Remember(t.Context(), marks))
}

// windows are the ready-made ones, and opened again where that makes a
// difference.
func windows(t *testing.T, test func(t *testing.T, open func(receiver.WindowConfig) receiver.Window)) {
	t.Helper()
	for _, kind := range []string{"in memory", "stored", "stored and opened anew"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				documents := newDocuments(t)
				test(t, func(cfg receiver.WindowConfig) receiver.Window {
					if kind == "in memory" {
						return receiver.NewWindow(cfg)
					}
					open := func() receiver.Window {
						w, err := receiver.OpenWindow(t.Context(), documents, "window/", cfg)
						require.NoError(t, err)
						return w
					}
					if kind == "stored" {
						return open()
					}
					return reopened{open}
				})
			})
		})
	}
}

// reopened opens the window for each call.
type reopened struct{ open func() receiver.Window }

func (r reopened) Recall(ctx context.Context, keys []receiver.Key) ([]uint64, error) {
	return r.open().Recall(ctx, keys)
}

func (r reopened) Remember(ctx context.Context, marks []receiver.Mark) error {
	return r.open().Remember(ctx, marks)
}

func TestWindowRemembers(t *testing.T) {
	t.Parallel()
	windows(t, func(t *testing.T, open func(receiver.WindowConfig) receiver.Window) {
		w := open(receiver.WindowConfig{})
		require.Empty(t, recalled(t, w, 3))
		remember(t, w, mark(0), mark(2))
		remember(t, w)
		require.Equal(t, []int{0, 2}, recalled(t, w, 3))

		remember(t, w, receiver.Mark{Key: mark(0).Key, Fingerprint: 77})
		fingerprints, err := w.Recall(t.Context(), []receiver.Key{mark(0).Key, mark(2).Key})
		require.NoError(t, err)
		require.Equal(t, []uint64{77, mark(2).Fingerprint}, fingerprints, "the newest counts")
	})
}

func TestWindowForgetsTheOld(t *testing.T) {
	t.Parallel()
	windows(t, func(t *testing.T, open func(receiver.WindowConfig) receiver.Window) {
		w := open(receiver.WindowConfig{})
		remember(t, w, mark(0))
		pass(12 * time.Hour)
		remember(t, w, mark(1))
		pass(12 * time.Hour)
		require.Equal(t, []int{0, 1}, recalled(t, w, 2))
		pass(1)
		require.Equal(t, []int{1}, recalled(t, w, 2))
		remember(t, w, mark(0))
		require.Equal(t, []int{0, 1}, recalled(t, w, 2))
		pass(25 * time.Hour)
		require.Empty(t, recalled(t, w, 2))
		remember(t, w, mark(3))
		require.Equal(t, []int{3}, recalled(t, w, 4))
	})
}

func TestWindowIsBounded(t *testing.T) {
	t.Parallel()
	windows(t, func(t *testing.T, open func(receiver.WindowConfig) receiver.Window) {
		const most = 5000
		w := open(receiver.WindowConfig{Marks: most})
		total := 0
		for _, n := range []int{1, 2047, 1, 3000, 7000, 2048} {
			remember(t, w, marks(total, total+n)...)
			total += n
			known := recalled(t, w, total)
			require.LessOrEqual(t, len(known), most+2048)
			require.GreaterOrEqual(t, len(known), min(total, most))
			require.Equal(t, total-1, known[len(known)-1])
			require.Equal(t, total-len(known), known[0], "the oldest are forgotten")
		}
	})
}

// What was remembered again is not forgotten with what was remembered first.
func TestWindowKeepsWhatWasRememberedAgain(t *testing.T) {
	t.Parallel()
	windows(t, func(t *testing.T, open func(receiver.WindowConfig) receiver.Window) {
		w := open(receiver.WindowConfig{Marks: 1})
		remember(t, w, marks(0, 2048)...)
		remember(t, w, mark(7))
		require.Equal(t, []int{7}, recalled(t, w, 2048))
	})
}

func TestStoredWindowDeletesDocuments(t *testing.T) {
	t.Parallel()
	documents := newDocuments(t)
	w, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{Marks: 4096})
	require.NoError(t, err)
	for n := range 20 {
		remember(t, w, marks(n*2048, (n+1)*2048)...)
		require.LessOrEqual(t, len(keys(t, documents)), 3)
	}
	require.Equal(t, []string{"window/0000000000000012", "window/0000000000000013"}, keys(t, documents))
}

func keys(t testing.TB, documents store.Documents) (all []string) {
	for d, err := range documents.List(t.Context(), "") {
		require.NoError(t, err)
		all = append(all, d.Key)
	}
	return all
}

// Batches that are remembered at the same time share what is written.
func TestStoredWindowShares(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents := &scripted{Documents: newDocuments(t), proceed: make(chan struct{})}
		w, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{})
		require.NoError(t, err)
		var all sync.WaitGroup
		all.Go(func() { remember(t, w, mark(0)) })
		synctest.Wait()
		for n := range 50 {
			all.Go(func() { remember(t, w, mark(n)) })
		}
		synctest.Wait()
		close(documents.proceed)
		all.Wait()
		require.Equal(t, 2, documents.puts)
		require.Len(t, recalled(t, w, 50), 50)
	})
}

// scripted fails as it is told to.
type scripted struct {
	store.Documents
	proceed chan struct{} // if it is not nil, Put waits for it to be closed
	puts    int

	put, deleted error
	happens      bool // a Put that fails happens all the same
}

func (s *scripted) Put(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	s.puts++
	if s.proceed != nil {
		select {
		case <-s.proceed:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
	if s.put == nil || s.happens {
		revision, err := s.Documents.Put(ctx, key, value, revision)
		return revision, errors.Join(err, s.put)
	}
	return 0, s.put
}

func (s *scripted) Delete(ctx context.Context, key string, revision uint64) error {
	if s.deleted != nil {
		return s.deleted
	}
	return s.Documents.Delete(ctx, key, revision)
}

// A store that fails, and may have stored nevertheless, does not keep later marks
// from being remembered.
func TestStoredWindowAfterFailures(t *testing.T) {
	t.Parallel()
	for _, happens := range []bool{false, true} {
		for _, before := range []int{0, 1} {
			t.Run(fmt.Sprintf("happens %t, after %d", happens, before), func(t *testing.T) {
				t.Parallel()
				documents := &scripted{Documents: newDocuments(t), happens: happens}
				open := func() receiver.Window {
					w, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{})
					require.NoError(t, err)
					return w
				}
				w := open()
				remember(t, w, marks(10, 10+before)...)
				documents.put = errTest
				for range 3 {
					require.ErrorIs(t, w.Remember(t.Context(), marks(0, 1)), errTest)
				}
				documents.put = nil
				remember(t, w, mark(1))
				remember(t, w, mark(2))
				require.Equal(t, append([]int{1, 2}, []int{10}[:before]...), recalled(t, w, 20))

				want := append([]int{1, 2}, []int{10}[:before]...)
				if happens {
					want = append([]int{0}, want...)
				}
				require.Equal(t, want, recalled(t, open(), 20))
			})
		}
	}
}

func TestStoredWindowThatCannotDelete(t *testing.T) {
	t.Parallel()
	documents := &scripted{Documents: newDocuments(t)}
	w, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{Marks: 1})
	require.NoError(t, err)
	remember(t, w, marks(0, 2048)...)
	documents.deleted = errTest
	for n := range 3 {
		require.ErrorIs(t, w.Remember(t.Context(), []receiver.Mark{mark(5000 + n)}), errTest)
		require.Len(t, recalled(t, w, 6000), n+1, "they are remembered nevertheless")
	}
	documents.deleted = nil
	remember(t, w, mark(6000))
	require.Len(t, keys(t, documents), 1)
}

// Deleted by somebody else: there is nothing left to do.
func TestStoredWindowWithoutItsDocuments(t *testing.T) {
	t.Parallel()
	documents := newDocuments(t)
	w, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{Marks: 1})
	require.NoError(t, err)
	remember(t, w, marks(0, 2048)...)
	d, err := documents.Get(t.Context(), "window/0000000000000000")
	require.NoError(t, err)
	require.NoError(t, documents.Delete(t.Context(), d.Key, d.Revision))
	remember(t, w, mark(1))
}

func TestStoredWindowGivesUpWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		documents := &scripted{Documents: newDocuments(t), proceed: make(chan struct{})}
		w, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{})
		require.NoError(t, err)
		var first sync.WaitGroup
		first.Go(func() { remember(t, w, mark(0)) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.Remember(ctx, marks(1, 2)), context.DeadlineExceeded)
		close(documents.proceed)
		first.Wait()
		remember(t, w, mark(2))
		require.Equal(t, []int{0, 1, 2}, recalled(t, w, 3), "what was given up on is remembered with the next")
	})
}

func TestOpenWindowRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		key   string
		value string
		cfg   receiver.WindowConfig
		want  string
	}{
		{"another document", "window/x", "", receiver.WindowConfig{}, `receiver: opening the window: the document "window/x" is none of a window`},
		{"a number in another form", "window/1", "\x01", receiver.WindowConfig{}, `receiver: opening the window: the document "window/1" is none of a window`},
		{"another version", "window/0000000000000001", "\x02", receiver.WindowConfig{}, `receiver: opening the window: the document "window/0000000000000001" is not of this version of the format`},
		{"nothing", "window/0000000000000001", "", receiver.WindowConfig{}, `receiver: opening the window: the document "window/0000000000000001" is not of this version of the format`},
		{"half a mark", "window/0000000000000001", "\x01xxxx", receiver.WindowConfig{}, `receiver: opening the window: the document "window/0000000000000001" is not of this version of the format`},
		{"a negative number of marks", "other", "", receiver.WindowConfig{Marks: -1}, "receiver: WindowConfig: Marks and Age must not be negative"},
		{"a negative age", "other", "", receiver.WindowConfig{Age: -1}, "receiver: WindowConfig: Marks and Age must not be negative"},
		{"documents of others", "other", "", receiver.WindowConfig{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			documents := newDocuments(t)
			_, err := documents.Put(t.Context(), test.key, []byte(test.value), 0)
			require.NoError(t, err)
			_, err = receiver.OpenWindow(t.Context(), documents, "window/", test.cfg)
			if test.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, test.want)
		})
	}
	documents := newDocuments(t)
	require.NoError(t, documents.Close())
	_, err := receiver.OpenWindow(t.Context(), documents, "window/", receiver.WindowConfig{})
	require.ErrorIs(t, err, store.ErrClosed)
	require.Panics(t, func() { receiver.NewWindow(receiver.WindowConfig{Marks: -1}) })
}

// On disk, across restarts.
func TestWindowOnDisk(t *testing.T) {
	t.Parallel()
	dir, taken := t.TempDir(), new(sink)
	for n := range 3 {
		disk, err := diskstore.Open(diskstore.Config{Dir: dir, Logger: discardLogs()})
		require.NoError(t, err)
		w, err := receiver.OpenWindow(t.Context(), disk, "window/", receiver.WindowConfig{})
		require.NoError(t, err)
		h, _, _ := setup(t, receiver.Config{HandOver: taken.handOver, Window: w})
		for m := range n + 1 {
			require.Equal(t, 200, post(h, line(m), "Webhook-Id", fmt.Sprint(m)).StatusCode)
		}
		require.NoError(t, disk.Close())
	}
	require.Equal(t, []string{line(0), line(1), line(2)}, taken.lines())
}
