package receiver

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// A write or a sync that fails is told, and the next batch begins another file.
func TestFileAfterFailures(t *testing.T) {
	t.Parallel()
	batch := func(line string) Batch { return Batch{Lines: []Line{{Number: 1, Raw: []byte(line)}}} }
	readOnly := func(t *testing.T, path string) *os.File {
		file, err := os.Open(path)
		require.NoError(t, err)
		return file
	}
	pipe := func(t *testing.T, _ string) *os.File { // which takes bytes, but cannot be synced
		r, w, err := os.Pipe()
		require.NoError(t, err)
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			_, _ = io.Copy(io.Discard, r)
		}()
		t.Cleanup(func() {
			<-drained
			require.NoError(t, r.Close())
		})
		return w
	}
	for _, test := range []struct {
		name   string
		before []string
		broken func(t *testing.T, path string) *os.File
		files  []string
	}{
		{"a write", []string{"one"}, readOnly, []string{"one\n", "after\n"}},
		{"the first write", nil, readOnly, []string{"after\n"}},
		{"a sync", []string{"one"}, pipe, []string{"one\n", "after\n"}},
		{"the first sync", nil, pipe, []string{"after\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" {
				t.Skip("what fails here does not fail there")
			}
			dir := t.TempDir()
			f, err := OpenFile(FileConfig{Path: filepath.Join(dir, "audit"), Append: AppendRaw})
			require.NoError(t, err)
			for _, line := range test.before {
				require.NoError(t, f.HandOver(t.Context(), batch(line)))
			}
			good := f.file
			f.file = test.broken(t, f.config.Path)
			require.Error(t, f.HandOver(t.Context(), batch("lost, so that the sender repeats it")))
			require.NoError(t, good.Close())
			require.NoError(t, f.HandOver(t.Context(), batch("after")))
			require.NoError(t, f.Close())

			var got []string
			names, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			for _, name := range names { // the complete one first
				data, err := os.ReadFile(name)
				require.NoError(t, err)
				got = append(got, string(data))
			}
			if len(got) > 1 {
				require.True(t, strings.HasPrefix(filepath.Base(names[len(names)-1]), "audit-"))
				got[0], got[1] = got[1], got[0]
			}
			require.Empty(t, cmp.Diff(test.files, got))
		})
	}
}

// Somebody else may move the file away.
func TestFileMovedAway(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("there nobody can, while it is open")
	}
	dir := t.TempDir()
	f, err := OpenFile(FileConfig{Path: filepath.Join(dir, "audit"), Append: AppendRaw, MaxBytes: 1})
	require.NoError(t, err)
	require.NoError(t, f.write([][]byte{[]byte("one\n")}))
	require.NoError(t, os.Rename(f.config.Path, filepath.Join(dir, "moved")))
	require.NoError(t, f.write([][]byte{[]byte("two\n")}))
	require.NoError(t, f.Close())
	data, err := os.ReadFile(f.config.Path)
	require.NoError(t, err)
	require.Equal(t, "two\n", string(data))
}
