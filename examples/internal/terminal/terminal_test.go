package terminal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/examples/internal/terminal"
)

func TestAppendLine(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain, Zoë, 漢字":       "plain, Zoë, 漢字",
		"\x1b[31mred":          `\u001b[31mred`,
		"a\tb\r\x00\x7f\u0085": `a\u0009b\u000d\u0000\u007f\u0085`,
		"\u202eevil\u2066":     `\u202eevil\u2066`,
		"no \xff UTF-8":        `no \xff UTF-8`,
		"\u00a0\u2028":         `\u00a0\u2028`,
	} {
		require.Equal(t, "> "+want, string(terminal.AppendLine([]byte("> "), []byte(in))))
	}
}
