// Command ship reads audit log lines of any format on standard input and ships
// them to an HTTPS endpoint, through failures, outages and its own end:
//
//	tail -F audit.log | ship -endpoint https://siem.example.com/audit-logs \
//		-authorization env:SIEM_AUTHORIZATION -store /var/lib/ship
//
// For what the store has safely it prints "accepted K", for what the endpoint
// has taken "delivered K": events of this run, and with the second one also what
// an earlier run has left, which is sent first. It ends when standard input has
// ended and everything is delivered. SIGTERM or an interrupt ends it earlier,
// within ten seconds: it accepts what it has read, and the next run with the same
// store sends the rest. The exit status is 0 only if every line was delivered.
//
// A line that is no event is reported as "line N: reason" on standard error and
// left out; the others go on, and the exit status is 1 in the end.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/examples/internal/secretflag"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const usage = `usage: ship -endpoint URL -authorization S -store DIR [-format cef|json|cps] [-ca FILE] [-allow-private]

Ships audit log lines of any format from standard input to an HTTPS endpoint.

`

func main() {
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	var opts options
	flag.StringVar(&opts.endpoint, "endpoint", "", "the `URL` to ship to, https")
	authorization := flag.String("authorization", "", "the Authorization header: `S` is "+secretflag.Forms)
	flag.StringVar(&opts.format, "format", string(auditlog.CEF), "the `format` to send: cef, json or cps")
	flag.StringVar(&opts.dir, "store", "", "the `directory` that keeps events until they are delivered, for a week at most")
	ca := flag.String("ca", "", "a PEM `file` of authorities to trust beside the system's")
	flag.BoolVar(&opts.allowPrivate, "allow-private", false, "let the endpoint be on this machine or in a private network")
	flag.Parse()
	if flag.NArg() > 0 || opts.endpoint == "" || *authorization == "" || opts.dir == "" || !auditlog.Format(opts.format).Valid() {
		flag.Usage()
		os.Exit(2)
	}
	err := opts.read(*authorization, *ca)
	if err == nil {
		err = run(&opts)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ship:", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	endpoint      string
	authorization webhook.Secret
	format        string
	dir           string
	roots         *x509.CertPool // nil for the system's
	allowPrivate  bool
}

// read reads what flags only name.
func (o *options) read(authorization, ca string) error {
	var err error
	if o.authorization, err = secretflag.Read(authorization); err != nil {
		return fmt.Errorf("-authorization: %w", err)
	}
	if ca == "" {
		return nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return fmt.Errorf("-ca: %w", err)
	}
	if o.roots, err = x509.SystemCertPool(); err != nil {
		o.roots = x509.NewCertPool()
	}
	if !o.roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("-ca: %s has no certificate in PEM", ca)
	}
	return nil
}

// run ships standard input.
func run(opts *options) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the program at once

	screen := newScreen(os.Stderr)
	t := &tally{out: beside{os.Stdout, screen}, screen: screen}
	p, err := open(ctx, opts, t)
	if err != nil {
		return err
	}
	shown := make(chan struct{})
	showing, hide := context.WithCancel(context.Background())
	go func() {
		defer close(shown)
		p.show(showing)
	}()
	err = p.ship(ctx, os.Stdin)
	hide()
	<-shown
	return errors.Join(err, p.close(), t.failure())
}
