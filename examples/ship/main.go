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
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const usage = `usage: ship -endpoint URL -authorization S -store DIR [-format cef|json|cps] [-ca FILE] [-sign-key FILE] [-allow-private]

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
	signKey := flag.String("sign-key", "", "sign each line that has no signature with the Ed25519 key in this `file`, PKCS #8 in PEM")
	flag.BoolVar(&opts.allowPrivate, "allow-private", false, "let the endpoint be on this machine or in a private network")
	flag.Parse()
	if flag.NArg() > 0 || opts.endpoint == "" || *authorization == "" || opts.dir == "" || !auditlog.Format(opts.format).Valid() {
		flag.Usage()
		os.Exit(2)
	}
	err := opts.read(*authorization, *ca, *signKey)
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
	roots         *x509.CertPool     // nil for the system's
	signer        shipper.LineSigner // nil for none
	allowPrivate  bool
}

// read reads what flags only name.
func (o *options) read(authorization, ca, signKey string) error {
	var err error
	if o.authorization, err = secretflag.Read(authorization); err != nil {
		return fmt.Errorf("-authorization: %w", err)
	}
	if ca != "" {
		if o.roots, err = readRoots(ca); err != nil {
			return fmt.Errorf("-ca: %w", err)
		}
	}
	if signKey != "" {
		if o.signer, err = readSigner(signKey); err != nil {
			return fmt.Errorf("-sign-key: %w", err)
		}
	}
	return nil
}

// readRoots returns the system's authorities and those in the file.
func readRoots(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", name)
	}
	return roots, nil
}

func readSigner(name string) (shipper.LineSigner, error) {
	private, err := signature.ReadKeyFile(name)
	if err != nil {
		return nil, err
	}
	return signature.NewSigner(private)
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
