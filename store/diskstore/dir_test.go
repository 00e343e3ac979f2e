package diskstore_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/store/storetest"
)

func open(t *testing.T, dir string) store.Store {
	t.Helper()
	s, err := diskstore.Open(diskstore.Config{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestConfig(t *testing.T) {
	t.Parallel()
	_, err := diskstore.Open(diskstore.Config{SegmentBytes: 1, Retention: 1, MaxBytes: 1, Lease: 1})
	for _, field := range []string{"Dir", "SegmentBytes", "Retention", "MaxBytes", "Lease"} {
		require.ErrorContains(t, err, field)
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = diskstore.Open(diskstore.Config{Dir: file})
	require.ErrorContains(t, err, "no directory")
	_, err = diskstore.Open(diskstore.Config{Dir: filepath.Join(file, "below")})
	require.Error(t, err)
}

func TestModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	top := filepath.Join(t.TempDir(), "a")
	dir := filepath.Join(top, "b")
	s := open(t, dir)
	_, err := s.Append(t.Context(), "stream", "", store.Block{[]byte("x")})
	require.NoError(t, err)
	n := 0
	require.NoError(t, filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := d.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		require.Equal(t, want, info.Mode().Perm(), path)
		n++
		return nil
	}))
	require.Equal(t, 4, n) // two directories, documents, a segment
}

// envLocked tells a child which directory to try to open.
const envLocked = "AUDITLOG_DISKSTORE_LOCKED"

func TestLock(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(envLocked); dir != "" { // the child
		_, err := diskstore.Open(diskstore.Config{Dir: dir})
		var locked *diskstore.LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, dir, locked.Dir)
		require.ErrorContains(t, err, dir+" is in use")
		return
	}
	dir := t.TempDir()
	s, err := diskstore.Open(diskstore.Config{Dir: dir})
	require.NoError(t, err)
	_, err = diskstore.Open(diskstore.Config{Dir: dir})
	var locked *diskstore.LockedError
	require.ErrorAs(t, err, &locked)

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLock$", "-test.v")
	child.Env = append(os.Environ(), envLocked+"="+dir)
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: TestLock")

	require.NoError(t, s.Close())
	open(t, dir) // it is free again
}

func TestDocumentsFile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
		check func(t *testing.T, err error)
	}{
		{"garbage", func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 1<<16)), 0o600))
		}, func(t *testing.T, err error) { require.ErrorContains(t, err, "documents.db") }},
		{"empty but for bbolt's own", func(t *testing.T, path string) {
			require.NoError(t, os.Remove(path))
			db, err := bbolt.Open(path, 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}, func(t *testing.T, err error) { require.ErrorContains(t, err, "not a file of this store") }},
		{"a later version", func(t *testing.T, path string) {
			put(t, path, "meta", "version", []byte{2})
		}, func(t *testing.T, err error) {
			var format *diskstore.FormatError
			require.ErrorAs(t, err, &format)
			require.EqualValues(t, 2, format.Version)
		}},
		{"a stream's state that is no JSON", func(t *testing.T, path string) {
			put(t, path, "streams", "webhook", []byte("12345678{"))
		}, func(t *testing.T, err error) { require.ErrorContains(t, err, `the state of stream "webhook"`) }},
		{"a stream's state of a later version", func(t *testing.T, path string) {
			put(t, path, "streams", "webhook", []byte(`12345678{"version":2}`))
		}, func(t *testing.T, err error) { require.ErrorContains(t, err, "it has version 2; this program reads 1") }},
		{"a mark that is no JSON", func(t *testing.T, path string) {
			put(t, path, "meta", "log", []byte("{"))
		}, func(t *testing.T, err error) { require.ErrorContains(t, err, "documents.db") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := diskstore.Open(diskstore.Config{Dir: dir})
			require.NoError(t, err)
			require.NoError(t, s.Close())
			tt.spoil(t, filepath.Join(dir, "documents.db"))
			_, err = diskstore.Open(diskstore.Config{Dir: dir})
			tt.check(t, err)
		})
	}
}

// put changes a document behind the store's back.
func put(t *testing.T, path, bucket, key string, value []byte) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).Put([]byte(key), value)
	}))
	require.NoError(t, db.Close())
}

// A crash while the documents' file was being made leaves no more than a
// temporary one.
func TestHalfMadeDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "documents.db.tmp"), []byte("half"), 0o600))
	open(t, dir)
}

// A store with a limit removes what was delivered, and is full when nothing was.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := diskstore.Open(diskstore.Config{
		Dir: dir, SegmentBytes: diskstore.MinSegmentBytes, MaxBytes: 8 * diskstore.MinSegmentBytes,
	})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	fill := func() (n int) {
		for ; ; n++ {
			_, err := s.Append(t.Context(), "stream", "", store.Block{make([]byte, 500)})
			if err == nil {
				require.Less(t, n, 1000)
				continue
			}
			require.ErrorIs(t, err, store.ErrFull)
			return n
		}
	}
	first := fill()
	require.Greater(t, first, 40)
	c, err := s.Claim(t.Context())
	require.NoError(t, err)
	b, err := c.Batch(t.Context(), store.Limits{Events: first / 2, Bytes: 1 << 20})
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
	require.Greater(t, fill(), first/4)
	total, err := s.Total(t.Context())
	require.NoError(t, err)
	require.Greater(t, total.Events, int64(first/2))
	require.LessOrEqual(t, size(t, dir), int64(9*diskstore.MinSegmentBytes))
}

// size is that of the segments. One that the store removes meanwhile counts
// nothing.
func size(t *testing.T, dir string) (bytes int64) {
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	for _, name := range names {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(t, err)
		bytes += info.Size()
	}
	return bytes
}

// Damage to a real file is reported, and copied beside it.
func TestDamageInDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := diskstore.Open(diskstore.Config{Dir: dir})
	require.NoError(t, err)
	for _, e := range []string{"first", "second", "third"} {
		_, err := s.Append(t.Context(), "stream", "", store.Block{[]byte(e)})
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	data, err := os.ReadFile(names[0])
	require.NoError(t, err)
	data[bytes.Index(data, []byte("second"))] ^= 1
	require.NoError(t, os.WriteFile(names[0], data, 0o600))

	var damage []*diskstore.DamageError
	var logged strings.Builder
	s, err = diskstore.Open(diskstore.Config{
		Dir: dir, OnDamage: func(e *diskstore.DamageError) { damage = append(damage, e) },
		Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	require.Len(t, damage, 1)
	require.Equal(t, filepath.Base(names[0]), damage[0].Segment)
	require.Contains(t, logged.String(), "segment="+damage[0].Segment)
	require.NotContains(t, logged.String(), "third") // no event in the log
	aside, err := os.ReadFile(filepath.Join(dir, damage[0].Aside))
	require.NoError(t, err)
	require.Equal(t, data[damage[0].Offset:][:damage[0].Length], aside)
	var got []string
	for e, err := range s.Read(t.Context(), "stream", store.From{}) {
		if err != nil {
			var at *diskstore.DamageError
			require.ErrorAs(t, err, &at)
			continue
		}
		got = append(got, string(e.Data))
	}
	require.Equal(t, []string{"first", "third"}, got)
}

// A segment that ends early, be it behind a whole frame, is missed.
func TestShortenedBehindAFrame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sizes := []int64{}
	for range 2 {
		s, err := diskstore.Open(diskstore.Config{Dir: dir})
		require.NoError(t, err)
		_, err = s.Append(t.Context(), "stream", "", store.Block{[]byte("event")})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		sizes = append(sizes, size(t, dir))
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	require.NoError(t, os.Truncate(names[0], sizes[0]))
	for round := range 2 {
		var damage []*diskstore.DamageError
		s, err := diskstore.Open(diskstore.Config{Dir: dir, OnDamage: func(e *diskstore.DamageError) { damage = append(damage, e) }})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		if round == 1 {
			require.Empty(t, damage, "it was reported before")
			continue
		}
		require.Len(t, damage, 1)
		require.Equal(t, sizes[0], damage[0].Offset)
		require.Equal(t, sizes[1]-sizes[0], damage[0].Length)
	}
}

// A large block has no zeros behind it: they would not last for another one.
func TestLargeBlockIsAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	_, err := s.Append(t.Context(), "stream", "", store.Block{make([]byte, 300_000)})
	require.NoError(t, err)
	require.Less(t, size(t, dir), int64(301_000))
}

// Files of deleted streams and old events go away.
func TestRetentionRemovesFiles(t *testing.T) {
	t.Parallel()
	dir, clock := t.TempDir(), storetest.NewClock()
	s, err := diskstore.Open(diskstore.Config{Dir: dir, Clock: clock, Retention: time.Hour})
	require.NoError(t, err)
	defer func() { _ = s.Close() }()
	_, err = s.Append(t.Context(), "stream", "", store.Block{make([]byte, 100_000)})
	require.NoError(t, err)
	require.NoError(t, s.DeleteStream(t.Context(), "stream"))
	require.Greater(t, size(t, dir), int64(100_000))
	for deadline := time.Now().Add(30 * time.Second); size(t, dir) > 1000; clock.Advance(time.Minute) {
		require.True(t, time.Now().Before(deadline), "it is still there")
		runtime.Gosched()
	}
}
