package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// mainEnv makes the test's own program the one that is tested; so does the
// environment of an instance.
const mainEnv = "CLUSTER_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" || os.Getenv(instanceEnv) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

func TestCluster(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, t.Output()), "%s", &out)
	require.Regexp(t, `\n  (instance-\d) is dead; it had sent batch (\S+) of \d+ events\n`, out.String())
	require.Regexp(t, `\n  instance-\d sent batch \S+, \d\.\d s after the kill\n`, out.String())
	require.Regexp(t, `\nsent 1200 received 1200 lost 0 duplicates [1-9]\d* \(all under a repeated Webhook-Id\)\n$`, out.String())
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	require.ErrorIs(t, run(ctx, writer(func(text string) {
		if strings.Contains(text, "is called 240 times") {
			cancel(interrupted)
		}
	}), t.Output()), interrupted)
}

// writer is a function that is called with what is written.
type writer func(string)

// Write implements [io.Writer].
func (w writer) Write(p []byte) (int, error) {
	w(string(p))
	return len(p), nil
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		arg  string
		code int
	}{
		{"help", "-h", 0},
		{"a flag that it has not", "-x", 2},
		{"an argument", "x", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			require.NoError(t, err)
			command := exec.CommandContext(t.Context(), self, test.arg)
			command.Env = append(os.Environ(), mainEnv+"=1")
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			_ = command.Run()
			require.Equal(t, test.code, command.ProcessState.ExitCode())
			require.Contains(t, stderr.String(), "usage: cluster")
			require.Empty(t, stdout.String())
		})
	}
}
