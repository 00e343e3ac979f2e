// Command receive takes audit logs over HTTPS and prints them:
//
//	receive -listen 127.0.0.1:8443 -authorization "Bearer example-token"
//	{"url":"https://127.0.0.1:8443/","ca":"/tmp/auditlog-receive-123/ca.pem"}
//	2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|…
//
// The first line tells where, and which authority signed the certificate, for
// the sender to trust; after that comes each event, once, a line each, with
// whatever is not printable escaped. A sender is told of success when its events were
// printed, or with -out are safe in the file.
//
// With -jwks only lines with a genuine signature are taken. Interrupted, it ends
// when the requests under way have; the exit status is 0 then.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/seed-6bcf82c5/auditlog/examples/internal/keyflag"
	"github.com/seed-6bcf82c5/auditlog/examples/internal/secretflag"
	"github.com/seed-6bcf82c5/auditlog/examples/internal/terminal"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2) //nolint:gocritic // stop has nothing left to do
	default:
		fmt.Fprintln(os.Stderr, "receive:", err)
		os.Exit(1)
	}
}

// errUsage marks a wrong call, which was explained on standard error.
var errUsage = errors.New("usage")

// settings are what the flags say.
type settings struct{ listen, authorization, jwks, out, cert, key string }

func parse(args []string, report io.Writer) (*settings, error) {
	set := &settings{}
	flags := flag.NewFlagSet("receive", flag.ContinueOnError)
	flags.SetOutput(report)
	flags.StringVar(&set.listen, "listen", "127.0.0.1:8443", "the `address` to listen on; port 0 is a free one")
	flags.StringVar(&set.authorization, "authorization", "", "the `value` that the Authorization header must have: "+secretflag.Forms)
	flags.StringVar(&set.jwks, "jwks", "", "take only lines that these keys verify: the `URL|FILE` of a JSON Web Key Set")
	flags.StringVar(&set.out, "out", "", "the `file` to append the lines to, as they were received, instead of printing them")
	flags.StringVar(&set.cert, "cert", "", "a `file` with the certificate to show; without it one is made")
	flags.StringVar(&set.key, "key", "", "the `file` with its key")
	flags.Usage = func() {
		fmt.Fprintln(report, "usage: receive -authorization VALUE [flags]\n\nTakes audit logs over HTTPS and prints them. Flags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = "it takes no arguments, only flags"
	case set.authorization == "":
		wrong = "-authorization is needed"
	case (set.cert == "") != (set.key == ""):
		wrong = "-cert and -key go together"
	}
	if wrong != "" {
		fmt.Fprintln(report, "receive:", wrong)
		return nil, errUsage
	}
	return set, nil
}

func run(ctx context.Context, args []string, out, report io.Writer) error {
	set, err := parse(args, report)
	if err != nil {
		return err
	}
	authorization, err := secretflag.Read(set.authorization)
	if err != nil {
		return fmt.Errorf("-authorization: %w", err)
	}
	logger := slog.New(slog.NewTextHandler(report, nil))
	p := &printer{out: bufio.NewWriter(out)}
	cfg := receiver.Config{
		Senders:  []receiver.Sender{{Authorizations: []webhook.Secret{authorization}}},
		HandOver: p.handOver,
		Hooks:    []receiver.Hook{receiver.NewLogHook(logger)},
	}
	if set.jwks != "" {
		if cfg.Senders[0].Keys, err = keyflag.Open(ctx, set.jwks); err != nil {
			return fmt.Errorf("-jwks: %w", err)
		}
		cfg.Verify = receiver.VerifyRequire
	}
	if set.out != "" {
		file, err := receiver.OpenFile(receiver.FileConfig{Path: set.out, Append: receiver.AppendRaw, Logger: logger})
		if err != nil {
			return fmt.Errorf("-out: %w", err)
		}
		defer func() { _ = file.Close() }() // all that was taken is on disk
		cfg.HandOver = file.HandOver
	}
	handler, err := receiver.New(cfg)
	if err != nil {
		return err
	}
	server, err := receiver.Listen(ctx, receiver.ServerConfig{
		Addr: set.listen, Handler: handler,
		CertFile: set.cert, KeyFile: set.key, SelfSigned: set.cert == "",
		Logger: logger,
	})
	if err != nil {
		return err
	}
	ca, clean, err := writeAuthority(server.Authority())
	if err != nil {
		return errors.Join(err, server.Close())
	}
	defer clean()
	if err := p.greet(server.URL(), ca); err != nil {
		return errors.Join(err, server.Close())
	}
	return server.Serve(ctx)
}

// writeAuthority writes the certificate to a file, and returns what removes it.
func writeAuthority(pem []byte) (name string, clean func(), err error) {
	if pem == nil {
		return "", func() {}, nil
	}
	dir, err := os.MkdirTemp("", "auditlog-receive-")
	if err != nil {
		return "", nil, err
	}
	name = filepath.Join(dir, "ca.pem")
	return name, func() { _ = os.RemoveAll(dir) }, os.WriteFile(name, pem, 0o600)
}

// printer prints events, one a line.
type printer struct {
	mu   sync.Mutex
	out  *bufio.Writer
	line []byte
}

// greet prints where the receiver is.
func (p *printer) greet(url, ca string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := json.NewEncoder(p.out).Encode(struct {
		URL string `json:"url"`
		CA  string `json:"ca"`
	}{url, ca}); err != nil {
		return err
	}
	return p.out.Flush()
}

// handOver prints a batch. Only when it was written the sender is told so.
func (p *printer) handOver(_ context.Context, batch receiver.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch.Lines {
		p.line = append(terminal.AppendLine(p.line[:0], batch.Lines[i].Raw), '\n')
		if _, err := p.out.Write(p.line); err != nil {
			return err
		}
	}
	return p.out.Flush()
}
