package main

import (
	"context"
	"encoding/json"
	"io"
	"net/rpc"
	"os"
	"os/exec"
)

// process is an instance in a process of its own, and the client that calls it.
type process struct {
	name string
	cmd  *exec.Cmd
	*rpc.Client
}

// start starts this program once more, as an instance. It ends when its pipes do.
func start(ctx context.Context, s settings, logs io.Writer) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	environment, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // the program itself
	cmd.Env = append(os.Environ(), instanceEnv+"="+string(environment))
	cmd.Stderr = logs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{s.Name, cmd, rpc.NewClient(pipes{out, in})}, nil
}

// pipes joins two pipes to a connection.
type pipes struct {
	io.Reader
	io.WriteCloser
}

// kill kills the instance without a warning, and returns when it is dead.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it tells that it was killed
	return err
}

// stop lets the instance end in order, if it lives.
func (p *process) stop() error {
	_ = p.Close()
	if p.cmd.ProcessState != nil {
		return nil
	}
	return p.cmd.Wait()
}
