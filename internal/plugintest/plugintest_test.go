package plugintest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/cefvectors"
)

// root is the SDK's checkout.
const root = "../.."

// changes maps a source file of the SDK, by its path from root, to what stands
// in it instead.
type changes map[string][]byte

// hosts run the runner on vector files, with changed sources, and return what it
// writes.
var hosts = map[string]func(t *testing.T, changed changes, vectors []string) string{
	"yaegi":  runYaegi,
	"wasip1": runWASI,
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for name, run := range hosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			vectors := vectorFiles(t)
			require.Equal(t, strconv.Itoa(countNatively(t, vectors))+" vectors\n", run(t, nil, vectors))
		})
	}
}

// A vector that asks for what is wrong must be reported by its name.
func TestWrongVectorIsReported(t *testing.T) {
	t.Parallel()
	for name, run := range hosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "encode.jsonl")
			require.NoError(t, os.WriteFile(file, []byte(
				`{"name": "right", "input": {"severity": "1"}, "expected": {"line": "CEF:0||||||1|"}}
{"name": "wrong", "input": {"severity": "1"}, "expected": {"line": "CEF:0||||||2|"}}
`), 0o600))
			output := run(t, nil, []string{file})
			require.Regexp(t, `^wrong: got [^\n]*\n2 vectors\n$`, output)
		})
	}
}

// A fault put into package cef must show. This proves that the host runs the
// sources of this checkout, not something compiled into it.
func TestFaultInSourcesIsReported(t *testing.T) {
	t.Parallel()
	const file = "cef/encoder.go"
	source, err := os.ReadFile(filepath.Join(root, file))
	require.NoError(t, err)
	escape, fault := []byte("with = `\\|`"), []byte("with = `|`")
	require.Equal(t, 1, bytes.Count(source, escape), "no single place in %s escapes pipes", file)
	changed := changes{file: bytes.Replace(source, escape, fault, 1)}

	for name, run := range hosts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			output := run(t, changed, vectorFiles(t))
			require.Contains(t, output, "backslash and pipe in each header field: got ")
		})
	}
}

func vectorFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "cef/testdata/*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func countNatively(t *testing.T, vectors []string) int {
	t.Helper()
	total := 0
	for _, file := range vectors {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		run := cefvectors.Parse
		if filepath.Base(file) == "encode.jsonl" {
			run = cefvectors.Encode
		}
		n, failures := run(data)
		require.Empty(t, failures, "the vectors fail without any host")
		require.NotZero(t, n)
		total += n
	}
	return total
}

// sources returns the files that the runner's packages consist of, by their path
// from root.
func sources(t *testing.T, changed changes) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, folder := range []string{"cef", "internal/cefvectors"} {
		names, err := fs.Glob(os.DirFS(root), path.Join(folder, "*.go"))
		require.NoError(t, err)
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			found[name], err = os.ReadFile(filepath.Join(root, name))
			require.NoError(t, err)
		}
	}
	for name, content := range changed {
		require.Contains(t, found, name)
		found[name] = content
	}
	return found
}
