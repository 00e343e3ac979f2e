package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScreen(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := &screen{w: &out, terminal: true}
	s.progress("accepted 10")
	s.progress("accepted 10") // nothing has changed
	fmt.Fprintln(s, "line 3: empty")
	fmt.Fprintln(beside{&out, s}, "accepted 11")
	s.progress("all")
	s.progress(strings.Repeat("ä", 100))
	s.progress("")
	long := strings.Repeat("ä", 78) + "…"
	require.Equal(t, ""+
		"\raccepted 10\raccepted 10"+
		"\r"+strings.Repeat(" ", 11)+"\r"+"line 3: empty\n"+"\raccepted 10\raccepted 10"+
		"\r"+strings.Repeat(" ", 11)+"\r"+"accepted 11\n"+"\raccepted 10\raccepted 10"+
		"\rall        \rall"+
		"\r"+long+"\r"+long+
		"\r"+strings.Repeat(" ", 79)+"\r", out.String())
}

func TestScreenOfAFile(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	s := newScreen(f)
	s.progress("accepted 10")
	fmt.Fprintln(s, "line 3: empty")
	require.NoError(t, f.Close())
	text, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "line 3: empty\n", string(text))
}
