package shipper_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
)

// open opens the store of a directory; close it.
func open(t testing.TB, dir string) store.Store {
	t.Helper()
	st, err := diskstore.Open(diskstore.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return st
}

// damaged returns a Shipper over a store of three events, the second of which is
// damaged.
func damaged(t *testing.T, e *endpoint) *setup {
	t.Helper()
	dir := t.TempDir()
	st := open(t, dir)
	s := start(t, e, st, sealing(keyOf(t, "k")))
	s.configure()
	s.update(switchOff)
	for _, name := range []string{"1", "to be damaged", "3"} {
		s.record(name)
	}
	s.update(switchOn)
	s.stop()
	require.NoError(t, st.Close())

	files, err := filepath.Glob(filepath.Join(dir, "*", "*.log"))
	require.NoError(t, err)
	more, err := filepath.Glob(filepath.Join(dir, "*.log"))
	require.NoError(t, err)
	found := false
	for _, name := range append(files, more...) {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if at := bytes.Index(data, []byte("to be damaged")); at >= 0 {
			data[at] ^= 1
			found = true
		}
		require.NoError(t, os.WriteFile(name, data, 0o600))
	}
	require.True(t, found)
	st = open(t, dir)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return start(t, e, st, sealing(keyOf(t, "k")))
}
