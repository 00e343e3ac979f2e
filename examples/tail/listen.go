package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/examples/internal/terminal"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// server is a listener that was opened.
type server struct {
	serve func(context.Context) error
}

// listen opens the listener, so that nothing is sent to a closed port.
func listen(ctx context.Context, set *settings, authorization webhook.Secret, p *printer) (*server, error) {
	logger := slog.New(slog.NewTextHandler(p.report, nil))
	handler, err := receiver.New(receiver.Config{
		Senders:  []receiver.Sender{{Name: "konnect", Authorizations: []webhook.Secret{authorization}}},
		HandOver: p.handOver,
		Hooks:    []receiver.Hook{receiver.NewLogHook(logger)},
	})
	if err != nil {
		return nil, err
	}
	if set.plain {
		return listenPlain(ctx, set.listen, handler)
	}
	s, err := receiver.Listen(ctx, receiver.ServerConfig{
		Addr: set.listen, Handler: handler,
		CertFile: set.cert, KeyFile: set.key, SelfSigned: set.cert == "",
		Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	return &server{serve: s.Serve}, nil
}

// listenPlain listens without TLS, where nobody but this machine can connect.
func listenPlain(ctx context.Context, address string, handler http.Handler) (*server, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return nil, errors.New("-plain listens on a loopback address only, such as 127.0.0.1:8080")
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return &server{serve: func(ctx context.Context) error {
		served := make(chan error, 1)
		go func() { served <- s.Serve(listener) }()
		select {
		case err := <-served:
			return err
		case <-ctx.Done():
		}
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiver.DefaultStopTime)
		defer cancel()
		err := s.Shutdown(stopping)
		if failed := <-served; !errors.Is(failed, http.ErrServerClosed) {
			err = errors.Join(err, failed)
		}
		return err
	}}, nil
}

// during serves while work runs: events come until what work has set up is
// taken back.
func (s *server) during(ctx context.Context, work func(context.Context) error) error {
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	working, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	served := make(chan error, 1)
	go func() {
		err := s.serve(serving)
		cancel(err) // without a listener there is nothing to follow
		served <- err
	}()
	err := work(working)
	stop()
	return errors.Join(err, <-served)
}

// printer prints the events that match, one a line.
type printer struct {
	mu      sync.Mutex
	out     *bufio.Writer
	line    []byte
	report  io.Writer
	filters filters
}

func newPrinter(out, report io.Writer, f filters) *printer {
	return &printer{out: bufio.NewWriter(out), report: report, filters: f}
}

// handOver prints a batch. Only when it was written the sender is told so.
func (p *printer) handOver(_ context.Context, batch receiver.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch.Lines {
		event, err := batch.Lines[i].Event()
		if err != nil {
			return err
		}
		if p.filters.match(&event) {
			p.line = append(terminal.AppendLine(p.line[:0], batch.Lines[i].Raw), '\n')
			if _, err := p.out.Write(p.line); err != nil {
				return err
			}
		}
	}
	return p.out.Flush()
}
