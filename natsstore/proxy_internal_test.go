package natsstore

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
)

// proxy stands between a store and a server.
type proxy struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	mute  bool          // nothing that the server says passes
	deaf  chan struct{} // nothing that the client says is taken, until it is closed
	down  bool          // nobody can connect
	ends  int           // after so many bytes of the server a connection ends; 0 is none
	conns []net.Conn
}

func newProxy(t *testing.T, c *natstest.Cluster) *proxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: l, server: c.Server(0).Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.cut(true)
		running.Wait()
	})
	return p
}

func (p *proxy) url() string { return "nats://" + p.listener.Addr().String() }

// serve passes on what both sides say.
func (p *proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := (&net.Dialer{}).Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	p.mu.Lock()
	if p.down {
		p.mu.Unlock()
		return
	}
	p.conns = append(p.conns, client, server)
	p.mu.Unlock()
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(writer(func(b []byte) (int, error) {
			p.mu.Lock()
			deaf := p.deaf
			p.mu.Unlock()
			if deaf != nil {
				<-deaf
			}
			return server.Write(b)
		}), client)
		_ = server.Close()
	})
	_, _ = io.Copy(writer(func(b []byte) (int, error) {
		mute, end := p.passes(len(b))
		if mute {
			return len(b), nil
		}
		if end {
			return 0, net.ErrClosed
		}
		return client.Write(b)
	}), server)
	_ = client.Close()
	up.Wait()
}

// passes tells what becomes of so many bytes that the server says.
func (p *proxy) passes(n int) (mute, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ends > 0 {
		if p.ends -= n; p.ends <= 0 {
			p.ends, end = 0, true
		}
	}
	return p.mute, end
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }

// silence lets nothing pass any more that the server says.
func (p *proxy) silence() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
}

// deafen takes nothing any more that the client says, as does a machine that has
// lost its power, until the connection is cut.
func (p *proxy) deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = make(chan struct{})
}

// endAfter ends a connection once the server has said so much.
func (p *proxy) endAfter(bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends = bytes
}

// cut ends all connections, and tells whether new ones can be made.
func (p *proxy) cut(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute, p.down = false, down
	if p.deaf != nil {
		close(p.deaf)
		p.deaf = nil
	}
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}
