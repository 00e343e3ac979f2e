package benchmarks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const (
	// roleVariable makes the test binary one of the roles instead of a test, so
	// that what a role does is no part of what is measured.
	roleVariable = "AUDITLOG_BENCHMARK_ROLE"

	// profileVariable is a folder for profiles of the roles' processor time.
	profileVariable = "AUDITLOG_BENCHMARK_PROFILES"
)

// roles are what a child can be. It tells its owner things in JSON, and ends
// when its owner has closed its input or is gone.
var roles = map[string]func(in *json.Decoder, out *json.Encoder) error{
	http1:        func(in *json.Decoder, out *json.Encoder) error { return serve(http1, in, out) },
	http2:        func(in *json.Decoder, out *json.Encoder) error { return serve(http2, in, out) },
	ledgerServer: func(in *json.Decoder, out *json.Encoder) error { return serve(ledgerServer, in, out) },
	natsRole:     serveNATS,
	instanceRole: beInstance,
}

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// play does what the role is.
func play(role string) (err error) {
	if dir := os.Getenv(profileVariable); dir != "" {
		file, err := os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d", role, os.Getpid())))
		if err != nil {
			return err
		}
		if err = pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer func() {
			pprof.StopCPUProfile()
			_ = file.Close()
		}()
	}
	err = roles[role](json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout))
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// child is a process that plays a role.
type child struct {
	tb   testing.TB
	in   *json.Encoder
	out  *json.Decoder
	stop func() // once is enough, and at the end of the benchmark at the latest
}

// startChild starts a child and ends it with the benchmark.
func startChild(tb testing.TB, role string) child {
	tb.Helper()
	program, err := os.Executable()
	require.NoError(tb, err)
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), program) // ends with its input
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	stop := sync.OnceFunc(func() {
		require.NoError(tb, in.Close())
		require.NoError(tb, cmd.Wait())
	})
	tb.Cleanup(stop)
	return child{tb: tb, in: json.NewEncoder(in), out: json.NewDecoder(out), stop: stop}
}

// tell sends the child a value.
func (c child) tell(v any) {
	c.tb.Helper()
	require.NoError(c.tb, c.in.Encode(v))
}

// hear waits for a value that the child sends.
func (c child) hear(v any) {
	c.tb.Helper()
	require.NoError(c.tb, c.out.Decode(v))
}
