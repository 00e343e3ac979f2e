package receiver_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/receiver"
)

// victimVariable makes the test binary a receiver instead of a test, so that its
// memory is its own.
const victimVariable = "AUDITLOG_RECEIVER_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimVariable) != "" {
		if err := beVictim(); err != nil {
			fmt.Fprintln(os.Stderr, "victim:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// greeting is what the victim tells its owner.
type greeting struct {
	URL       string
	Authority []byte
}

// beVictim serves a receiver with its defaults, until its standard input ends.
func beVictim() error {
	h, err := receiver.New(receiver.Config{
		Senders:  []receiver.Sender{sender()},
		HandOver: func(context.Context, receiver.Batch) error { return nil },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := receiver.Listen(ctx, receiver.ServerConfig{Addr: "127.0.0.1:0", SelfSigned: true, Handler: h, StopTime: time.Millisecond, Logger: discardLogs()})
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	if err := json.NewEncoder(os.Stdout).Encode(greeting{s.URL(), s.Authority()}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// memory reads a figure of the process's memory, in bytes, as the kernel counts
// it.
func memory(t *testing.T, pid int, figure string) int64 {
	t.Helper()
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	defer func() { require.NoError(t, status.Close()) }()
	lines := bufio.NewScanner(status)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), figure+":"); ok {
			kib, err := strconv.ParseInt(strings.Fields(text)[0], 10, 64)
			require.NoError(t, err)
			return kib << 10
		}
	}
	t.Fatalf("no %s", figure)
	return 0
}

// A hundred hostile connections at once, all of them authorized, cost no more
// than 64 MiB, by the kernel's count of the most that the process ever had. Not
// beside other tests, which would slow it down until attacks do not meet.
//
//nolint:paralleltest // see above
func TestMemoryUnderAttack(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("only Linux tells how much memory another process has had")
	}
	if testing.Short() || raceDetector {
		t.Skip("it takes some seconds, and the race detector takes memory of its own")
	}
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), victimVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var hello greeting
	require.NoError(t, json.NewDecoder(out).Decode(&hello))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(hello.Authority))
	g := target{address: strings.TrimPrefix(hello.URL, "https://"), roots: roots}

	post := func(ctx context.Context) int {
		statuses, err := g.say(ctx, head(allowed, long(len(cefLine)), "Connection: close"), strings.NewReader(cefLine))
		require.NoError(t, err)
		require.Len(t, statuses, 1)
		return statuses[0]
	}
	require.Equal(t, 200, post(t.Context())) // so that it is idle after having worked
	idle := memory(t, cmd.Process.Pid, "VmRSS")

	lines := strings.Repeat("x\n", 1<<20)
	manyLines := strings.Repeat("x\n", 10_000)
	zippedLines := zip(t, strings.Repeat(cefOther+"\n", 9_000))
	attacks := []func() []io.Reader{
		func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(bombOfZeros()))), strings.NewReader(bombOfZeros())}
		},
		func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(bombOfLines()))), strings.NewReader(bombOfLines())}
		},
		func() []io.Reader { return []io.Reader{head(allowed, inChunks), &cycle{text: chunk, n: math.MaxInt64}} },
		func() []io.Reader {
			return []io.Reader{head(allowed, long(2<<20)), &cycle{text: "x", n: 2<<20 - 1}, hang()}
		},
		func() []io.Reader { return []io.Reader{head(allowed, long(len(lines))), strings.NewReader(lines)} },
		func() []io.Reader {
			return []io.Reader{head(allowed, long(len(manyLines))), strings.NewReader(manyLines)}
		},
		func() []io.Reader {
			return []io.Reader{head(allowed, gzipped, long(len(zippedLines))), strings.NewReader(zippedLines)}
		},
		func() []io.Reader { return []io.Reader{head(inChunks), &cycle{text: chunk, n: math.MaxInt64}} },
		func() []io.Reader {
			return []io.Reader{head(allowed, long(1<<20)), strings.NewReader("CEF:0|"), hang()}
		},
		func() []io.Reader {
			return []io.Reader{strings.NewReader("POST / HTTP/1.1\r\n"), &cycle{text: "X: y\r\n", n: 100}, hang()}
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			for ctx.Err() == nil {
				request := attacks[n%len(attacks)]()
				stop := context.AfterFunc(ctx, func() {
					for _, part := range request {
						if c, ok := part.(io.Closer); ok {
							_ = c.Close()
						}
					}
				})
				_, _ = g.say(ctx, request...)
				stop()
			}
		})
	}
	served := 0
	for n := 0; ctx.Err() == nil && n < 20; n++ {
		if post(t.Context()) == 200 {
			served++
		}
	}
	cancel()
	all.Wait()
	most := memory(t, cmd.Process.Pid, "VmHWM")
	t.Logf("idle %.1f MiB, most %.1f MiB, %d of 20 honest batches taken meanwhile", float64(idle)/(1<<20), float64(most)/(1<<20), served)
	require.LessOrEqual(t, most-idle, int64(64<<20))
	require.NoError(t, in.Close())
	require.NoError(t, cmd.Wait())
}
