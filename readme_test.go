package auditlog_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestReadme runs the README's quick starts as they are written, and holds them
// to their length.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	require.Len(t, blocks, 5)
	for i, block := range blocks {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			code := block[1]
			lines := 0
			for line := range strings.Lines(code) {
				if strings.TrimSpace(line) != "" {
					lines++
				}
			}
			require.Less(t, lines, 25)
			out := runOverlaid(t, code)
			require.Regexp(t, []string{
				`\nhttps://siem.example.com/logs <nil> <nil>\n<nil> <nil>\n$`,
				`^1 event: 200 OK <nil>\n$`,
				`^CEF:0\|Example\|Gateway\|1.0\|login\|Login\|3\|rt=\d+ suser=alice msg=no value can forge\\=a field\\nor a line <nil>\n$`,
				`^https://siem.example.com/audit-logs true <nil>\n$`,
				`^PASS\n`,
			}[i], out)
		})
	}
}

// runOverlaid builds a program, or a test, as if it were a package of this
// module, runs it and returns what it prints.
func runOverlaid(t *testing.T, code string) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "program.exe")
	build, name := []string{"build", "-o", program}, "main.go"
	if strings.Contains(code, `"testing"`) {
		build, name = []string{"test", "-c", "-vet=off", "-o", program}, "main_test.go"
	}
	source := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(source, []byte(code), 0o600))
	root, err := os.Getwd()
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "internal", "readme", name): source}})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, overlay, 0o600))
	out, err := exec.CommandContext(t.Context(), "go", append(build, "-overlay", list, "./internal/readme")...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	run := exec.CommandContext(t.Context(), program)
	run.Dir = dir
	out, err = run.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}
