// Command fakekonnect is a Konnect for tests and trials: the management API for
// audit logs, versions 2 and 3, on plain HTTP, and deliveries that are real.
//
//	fakekonnect -listen 127.0.0.1:8080 -proxy 127.0.0.1:8081
//	{"base_url":"http://127.0.0.1:8080","token":"kpat_…","proxy":"http://127.0.0.1:8081","ca":"/tmp/auditlog-fakekonnect-1/ca.pem"}
//
// Events that are posted to /_fake/events, one a line and in any format, happen:
// they are in the audit log, and the webhook gets them.
//
//	curl --data-binary @audit.log http://127.0.0.1:8080/_fake/events
//
// The proxy answers for https://*.api.konghq.com itself, under an authority of
// its own, so that clients made for Konnect run against the fake as they are:
//
//	HTTPS_PROXY=http://127.0.0.1:8081 SSL_CERT_FILE=/tmp/auditlog-fakekonnect-1/ca.pem kongctl …
//
// It ends when it is interrupted.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/examples/internal/secretflag"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/shipper"
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
		fmt.Fprintln(os.Stderr, "fakekonnect:", err)
		os.Exit(1)
	}
}

// errUsage marks a wrong call, which was explained on standard error.
var errUsage = errors.New("usage")

// greeting is the first line that is printed.
type greeting struct {
	BaseURL string `json:"base_url"`
	Token   string `json:"token"`
	Proxy   string `json:"proxy"`
	CA      string `json:"ca"`
}

func run(ctx context.Context, args []string, out, report io.Writer) error {
	flags := flag.NewFlagSet("fakekonnect", flag.ContinueOnError)
	flags.SetOutput(report)
	listen := flags.String("listen", "127.0.0.1:0", "the `address` to serve the API on; port 0 is a free one")
	token := flags.String("token", "", "the access `token` that callers must show, a random one if not given: "+secretflag.Forms)
	proxy := flags.String("proxy", "", "the `address` of a proxy that answers for *.api.konghq.com")
	ca := flags.String("ca", "", "a `file` with an authority that deliveries trust beside the system's")
	portal := flags.String("portal", "3e5714be-12fa-44b1-b74a-7eafb2d8d9d6", "the `ID` of the developer portal that there is")
	flags.Usage = func() {
		fmt.Fprintln(report, "usage: fakekonnect [flags]\n\nA Konnect for tests, which really delivers. Flags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintln(report, "fakekonnect: it takes no arguments, only flags")
		return errUsage
	}
	secret, err := secretflag.Read(*token)
	if err != nil {
		return fmt.Errorf("-token: %w", err)
	}
	roots, err := authorities(*ca)
	if err != nil {
		return fmt.Errorf("-ca: %w", err)
	}
	konnect, err := konnecttest.StartKonnect(konnecttest.KonnectConfig{
		Token: secret.Reveal(), Portals: []string{*portal}, RootCAs: roots,
		Logger: slog.New(slog.NewTextHandler(report, nil)),
	})
	if err != nil {
		return err
	}
	defer konnect.Close()
	return serve(ctx, konnect, *listen, *proxy, out)
}

// authorities returns the system's and those of the file.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // nil stands for the system's
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("the file has no certificate in PEM")
	}
	return roots, nil
}

// serve serves the API, and behind the proxy once more, until ctx ends.
func serve(ctx context.Context, konnect *konnecttest.Konnect, listen, proxy string, out io.Writer) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	handler := withEvents(konnect)
	begin := func(address string, handler http.Handler) (string, error) {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return "", err
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		running.Go(func() { stop(until(ctx, server, func() error { return server.Serve(listener) })) })
		return "http://" + listener.Addr().String(), nil
	}
	hello := greeting{Token: konnect.Token()}
	var err error
	if hello.BaseURL, err = begin(listen, handler); err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	if proxy != "" {
		certificate, authority, err := receiver.NewCertificate("*.api.konghq.com")
		if err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "auditlog-fakekonnect-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		hello.CA = filepath.Join(dir, "ca.pem")
		if err := os.WriteFile(hello.CA, authority, 0o600); err != nil {
			return err
		}
		p := newProxy(certificate, handler)
		running.Go(func() { stop(until(ctx, p.behind, p.serve)) })
		if hello.Proxy, err = begin(proxy, p); err != nil {
			return fmt.Errorf("-proxy: %w", err)
		}
	}
	if err := json.NewEncoder(out).Encode(hello); err != nil {
		return err
	}
	<-ctx.Done()
	running.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// until runs a server until ctx ends.
func until(ctx context.Context, server *http.Server, serve func() error) error {
	served := make(chan error, 1)
	go func() { served <- serve() }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	_ = server.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// withEvents adds the path on which events happen.
func withEvents(konnect *konnecttest.Konnect) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", konnect)
	mux.HandleFunc("POST /_fake/events", func(w http.ResponseWriter, r *http.Request) {
		var events []auditlog.Event
		lines := bufio.NewScanner(r.Body)
		lines.Buffer(nil, shipper.MaxEventBytes)
		for n := 1; lines.Scan(); n++ {
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			event, _, err := auditlog.Parse(lines.Bytes())
			if err != nil {
				http.Error(w, fmt.Sprintf("line %d: %v", n, err), http.StatusBadRequest)
				return
			}
			events = append(events, event)
		}
		if err := lines.Err(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		err := konnect.Record(r.Context(), events...)
		switch {
		case errors.Is(err, shipper.ErrUnconfigured):
			http.Error(w, "the webhook is not configured", http.StatusConflict)
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	return mux
}
