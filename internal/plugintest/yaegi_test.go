package plugintest_test

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/traefik/yaegi/interp"
	"github.com/traefik/yaegi/stdlib"
)

// runYaegi interprets the runner, with the standard library compiled in, as
// Traefik does, and nothing but the sources of this checkout beside it.
func runYaegi(t *testing.T, changed changes, vectors []string) string {
	t.Helper()
	gopath := fstest.MapFS{}
	for name, content := range sources(t, changed) {
		gopath[path.Join("go/src/github.com/seed-6bcf82c5/auditlog", name)] = &fstest.MapFile{Data: content}
	}
	args := []string{"runner"}
	for _, file := range vectors {
		args = append(args, filepath.ToSlash(file))
	}
	var output bytes.Buffer
	i := interp.New(interp.Options{
		GoPath:               "go",
		SourcecodeFilesystem: gopath,
		Args:                 args,
		Stdout:               &output,
		Stderr:               &output,
	})
	require.NoError(t, i.Use(stdlib.Symbols))
	program, err := os.ReadFile("runner/main.go")
	require.NoError(t, err)

	// What yaegi misunderstands may well be the end of a loop.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = i.EvalWithContext(ctx, string(program))
	require.NoError(t, err, "%s", &output)
	return output.String()
}
