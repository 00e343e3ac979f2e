package secretflag_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/examples/internal/secretflag"
)

func TestRead(t *testing.T) {
	t.Setenv("SECRETFLAG_SET", "Bearer from-the-environment")
	t.Setenv("SECRETFLAG_EMPTY", "")
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return "@" + path
	}
	for _, c := range []struct{ name, value, want, err string }{ //nolint:paralleltest // the environment is the whole process's
		{"none", "", "", ""},
		{"itself", "Bearer x", "Bearer x", ""},
		{"an at sign inside", "Basic a@b", "Basic a@b", ""},
		{"variable", "env:SECRETFLAG_SET", "Bearer from-the-environment", ""},
		{"variable that is not set", "env:SECRETFLAG_N0NE", "", "the environment variable is not set"},
		{"variable that is empty", "env:SECRETFLAG_EMPTY", "", "the environment variable is empty"},
		{"no variable", "env:", "", "the environment variable is not set"},
		{"file", file("plain", "Splunk x y"), "Splunk x y", ""},
		{"file with a line break", file("unix", "Splunk x\n"), "Splunk x", ""},
		{"file of Windows", file("windows", "Splunk x\r\n"), "Splunk x", ""},
		{"only one line break is cut", file("two", "Splunk x\n\n"), "Splunk x\n", ""},
		{"empty file", file("empty", "\n"), "", "the file is empty"},
		{"long file", file("long", strings.Repeat("x", 64<<10+1)), "", "the file is too long for a secret"},
		{"no file", "@" + filepath.Join(dir, "s3cr3t"), "", "the file cannot be read: "},
		{"a directory", "@" + dir, "", "the file cannot be read: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			secret, err := secretflag.Read(c.value)
			require.Equal(t, c.want, secret.Reveal())
			if c.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.err)
			for _, part := range []string{dir, "s3cr3t", "SECRETFLAG"} {
				require.NotContains(t, err.Error(), part)
			}
		})
	}
}
