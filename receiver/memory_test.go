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

// victim is a receiver in a process of its own.
type victim struct {
	target
	url  string
	pid  int
	idle int64 // its memory before any attack
}

func newVictim(t *testing.T) victim {
	t.Helper()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("only Linux tells how much memory another process has had")
	}
	if testing.Short() || raceDetector {
		t.Skip("it takes some seconds, and the race detector takes memory of its own")
	}
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program) // ends with its input
	cmd.Env = append(os.Environ(), victimVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
	})
	var hello greeting
	require.NoError(t, json.NewDecoder(out).Decode(&hello))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(hello.Authority))
	v := victim{target: target{address: strings.TrimPrefix(hello.URL, "https://"), roots: roots}, url: hello.URL, pid: cmd.Process.Pid}
	require.Equal(t, 200, v.post(t)) // so that it is idle after having worked
	v.idle = memory(t, v.pid, "VmRSS")
	return v
}

// post sends an honest batch and returns the status of the answer.
func (v victim) post(t *testing.T) int {
	t.Helper()
	statuses, err := v.say(t.Context(), head(allowed, long(len(cefLine)), "Connection: close"), strings.NewReader(cefLine))
	require.NoError(t, err)
	require.Len(t, statuses, 1)
	return statuses[0]
}

const (
	attackers  = 100
	attackTime = 8 * time.Second
	mostMemory = 64 << 20
)

// attack has a hundred attackers repeat what they do, and honest batches sent
// meanwhile, and asserts how much memory that takes at most, as the kernel counts
// it.
func (v victim) attack(t *testing.T, once func(ctx context.Context, n int)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), attackTime)
	defer cancel()
	var all sync.WaitGroup
	for n := range attackers {
		all.Go(func() {
			for ctx.Err() == nil {
				once(ctx, n)
			}
		})
	}
	sent, taken := 0, 0
	for ctx.Err() == nil {
		if sent++; v.post(t) == 200 {
			taken++
		}
	}
	all.Wait()
	most := memory(t, v.pid, "VmHWM")
	t.Logf("idle %.1f MiB, %.1f MiB more at most; %d of %d honest batches taken meanwhile",
		float64(v.idle)/(1<<20), float64(most-v.idle)/(1<<20), taken, sent)
	require.LessOrEqual(t, most-v.idle, int64(mostMemory))
}

// A hundred hostile connections at once, nearly all authorized, cost no more than
// 64 MiB. Not beside other tests, which would slow the attackers down until they
// do not meet.
//
//nolint:paralleltest // see above
func TestMemoryUnderAttack(t *testing.T) {
	v := newVictim(t)
	manyLines := strings.Repeat("x\n", 1<<20)
	badLines := strings.Repeat("x\n", 10_000)
	zippedLines := zip(t, strings.Repeat(cefOther+"\n", 9_000))
	var wide strings.Builder // a line with as many members as it can have
	wide.WriteString(strings.TrimSuffix(jsonLine, "}"))
	for n := 0; wide.Len() < 1<<20-20; n++ {
		_, _ = fmt.Fprintf(&wide, `,"%05x":1`, n)
	}
	wide.WriteString("}")
	body := func(text string, header ...string) []io.Reader {
		return []io.Reader{head(append(header, allowed, long(len(text)))...), strings.NewReader(text)}
	}
	attacks := []func() []io.Reader{
		func() []io.Reader { return body(bombOfZeros(), gzipped) },
		func() []io.Reader { return body(bombOfLines(), gzipped) },
		func() []io.Reader { return body(manyLines) },
		func() []io.Reader { return body(badLines) },
		func() []io.Reader { return body(wide.String()) },
		func() []io.Reader { return body(zippedLines, gzipped) },
		func() []io.Reader { return []io.Reader{head(allowed, inChunks), &cycle{text: chunk, n: math.MaxInt64}} },
		func() []io.Reader {
			return []io.Reader{head(allowed, long(2<<20)), &cycle{text: "x", n: 2<<20 - 1}, hang()}
		},
		func() []io.Reader {
			return []io.Reader{head(allowed, long(1<<20)), strings.NewReader("CEF:0|"), hang()}
		},
		func() []io.Reader { return []io.Reader{head(inChunks), &cycle{text: chunk, n: math.MaxInt64}} },
		func() []io.Reader {
			return []io.Reader{strings.NewReader("POST / HTTP/1.1\r\n"), &cycle{text: "X: y\r\n", n: 100}, hang()}
		},
	}
	v.attack(t, func(ctx context.Context, n int) {
		request := attacks[n%len(attacks)]()
		stop := context.AfterFunc(ctx, func() {
			for _, part := range request {
				if hanging, ok := part.(io.Closer); ok {
					_ = hanging.Close()
				}
			}
		})
		defer stop()
		_, _ = v.say(ctx, request...)
	})
}
