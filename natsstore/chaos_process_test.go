//go:build unix

package natsstore_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// childEnv is set for a process that a chaos test has started, to a child.
const childEnv = "NATSSTORE_CHAOS_CHILD"

// child is what such a process is told about itself.
type child struct {
	Role    string // a key of roles
	URL     string // of the NATS servers
	Servers int    // how many they are

	Instance, Life int      // of an instance, from 0
	Configure      bool     // it configures the webhooks
	Webhooks       []string // their ids
	Endpoint       string   // of the receiver
	CA             []byte   // of the receiver, in PEM
	Repeat         []call   // those of former lives that were not seen to end
}

// roles is what processes do: they say what happens, a line each, and hear what
// they are told.
var roles = map[string]func(c *child, hear func(string) error) error{
	"instance": (*child).ship,
	"holder":   (*child).hold,
	"orphaner": (*child).orphan,
}

// TestChaosChild is no test, but such a process.
func TestChaosChild(t *testing.T) {
	t.Parallel()
	encoded := os.Getenv(childEnv)
	if encoded == "" {
		return
	}
	var c child
	err := json.Unmarshal([]byte(encoded), &c)
	if err == nil {
		in := bufio.NewReader(os.Stdin)
		err = roles[c.Role](&c, func(want string) error {
			line, err := in.ReadString('\n')
			if err == nil && line != want+"\n" {
				err = fmt.Errorf("told %q instead of %q", line, want)
			}
			return err
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// say tells the parent something: in one write, so that it arrives as a whole.
func say(line string) { _, _ = os.Stdout.WriteString(line + "\n") }

// process is a child as its parent sees it.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	log   strings.Builder
	said  chan string // closed when the process has ended; then the others are set
	ended error
}

// start starts a child, which is this test's own program. It gives what the
// child says to note, one line after the other, if there is a note, and what
// note does not take to await.
func start(t *testing.T, c *child, note func(line string) bool) (*process, error) {
	t.Helper()
	encoded, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	p := &process{said: make(chan string, 64)}
	p.cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChaosChild$")
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(encoded))
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = p.kill() })
	go func() {
		defer close(p.said)
		for lines := bufio.NewReader(out); ; {
			line, err := lines.ReadString('\n')
			if err != nil { // a line is written at once, so there is no half one
				p.ended = p.cmd.Wait()
				return
			}
			if line = strings.TrimSuffix(line, "\n"); note == nil || !note(line) {
				p.said <- line
			}
		}
	}()
	return p, nil
}

// await waits until the child says a line with the prefix, and returns the rest.
func (p *process) await(ctx context.Context, prefix string) (string, error) {
	select {
	case line, ok := <-p.said:
		if !ok {
			return "", fmt.Errorf("the child ended (%w), it did not say %q:\n%s", p.ended, prefix, &p.log)
		}
		rest, ok := strings.CutPrefix(line, prefix)
		if !ok {
			return "", fmt.Errorf("the child said %q instead of %q", line, prefix)
		}
		return rest, nil
	case <-ctx.Done():
		return "", fmt.Errorf("the child does not say %q (%w):\n%s", prefix, context.Cause(ctx), p.quit())
	}
}

// tell tells the child something.
func (p *process) tell(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

func (p *process) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// kill kills the child, also a stopped one, and waits for its end.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.wait()
}

// wait waits for the child's end. It returns an error if that came by itself
// and was a failure.
func (p *process) wait() error {
	for range p.said { // to its end
	}
	if p.ended != nil && p.cmd.ProcessState.ExitCode() != -1 {
		return fmt.Errorf("the child ended (%w):\n%s", p.ended, &p.log)
	}
	return nil
}

// quit makes the child tell where its goroutines are, and end. It returns what
// the child has logged.
func (p *process) quit() string {
	_ = p.signal(syscall.SIGQUIT)
	_ = p.signal(syscall.SIGCONT)
	_ = p.wait()
	return p.log.String()
}
