package plugintest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// runWASI compiles the runner for WASI and runs it in wazero. Of the file
// system it sees the vectors' folder.
func runWASI(t *testing.T, changed changes, vectors []string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	program := buildWASI(ctx, t, changed)

	var output bytes.Buffer
	args := []string{"runner"}
	for _, file := range vectors {
		args = append(args, path.Join("/vectors", filepath.Base(file)))
	}
	config := wazero.NewModuleConfig().
		WithArgs(args...).
		WithFSConfig(wazero.NewFSConfig().WithReadOnlyDirMount(filepath.Dir(vectors[0]), "/vectors")).
		WithStdout(&output).
		WithStderr(&output).
		WithSysWalltime().
		WithSysNanotime()
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(true))
	defer func() { require.NoError(t, runtime.Close(context.WithoutCancel(ctx))) }()
	_, err := wasi_snapshot_preview1.Instantiate(ctx, runtime)
	require.NoError(t, err)
	_, err = runtime.InstantiateWithConfig(ctx, program, config)
	require.NoError(t, err, "%s", &output)
	return output.String()
}

func buildWASI(ctx context.Context, t *testing.T, changed changes) []byte {
	t.Helper()
	folder := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name := range changed {
		original, err := filepath.Abs(filepath.Join(root, name))
		require.NoError(t, err)
		replacement := filepath.Join(folder, filepath.Base(name))
		require.NoError(t, os.WriteFile(replacement, sources(t, changed)[name], 0o600))
		overlay.Replace[original] = replacement
	}
	overlayJSON, err := json.Marshal(overlay)
	require.NoError(t, err)
	overlayFile := filepath.Join(folder, "overlay.json")
	require.NoError(t, os.WriteFile(overlayFile, overlayJSON, 0o600))

	program := filepath.Join(folder, "runner.wasm")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-overlay", overlayFile, "-o", program, "./runner")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	message, err := build.CombinedOutput()
	require.NoError(t, err, "%s", message)
	binary, err := os.ReadFile(program)
	require.NoError(t, err)
	return binary
}
