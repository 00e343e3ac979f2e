// Command tail shows a Konnect region's audit log as it comes, for as long as it
// runs:
//
//	export KONNECT_TOKEN=kpat_…
//	tail -target eu -listen :8443 -endpoint https://logs.example.com/ -cert tls.crt -key tls.key
//	tail -target eu -listen 127.0.0.1:8443 -endpoint https://tunnel.example.com/ -plain -filter name=Authz.* -filter granted=false
//
// It listens first, then makes a destination for itself and binds the region's
// webhook to it; when it ends it takes both back, also after a failure halfway.
// A webhook that is in use already is left alone. Konnect must be able to reach
// the endpoint: this machine, or a tunnel to it.
//
// Events go to standard output, one a line, with whatever is not printable
// escaped. Everything else goes to standard error. The exit status is 0 if all
// went well, also the clean-up, and 2 after a wrong call.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/examples/internal/secretflag"
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
		fmt.Fprintln(os.Stderr, "tail:", err)
		os.Exit(1)
	}
}

// errUsage marks a wrong call, which was explained on standard error.
var errUsage = errors.New("usage")

// settings are what the flags say.
type settings struct {
	target, token    string
	name             string
	listen, endpoint string
	cert, key        string
	plain            bool
	skipVerification bool
	format           auditlog.Format
	filters          filters
}

func run(ctx context.Context, args []string, out, report io.Writer) error {
	set, err := parse(args, report)
	if err != nil {
		return err
	}
	token, err := secretflag.Read(set.token)
	if err != nil {
		return fmt.Errorf("-token: %w", err)
	}
	konnect, err := client.New(set.target, token.Reveal())
	if err != nil {
		return err
	}
	authorization := webhook.NewSecret("Bearer " + rand.Text())
	server, err := listen(ctx, set, authorization, newPrinter(out, report, set.filters))
	if err != nil {
		return err
	}
	return server.during(ctx, func(ctx context.Context) error {
		return follow(ctx, konnect, webhook.Destination{
			Name:                set.name,
			Endpoint:            set.endpoint,
			Authorization:       authorization,
			LogFormat:           webhook.LogFormat(set.format),
			SkipSSLVerification: set.skipVerification,
		}, report)
	})
}

// follow keeps the webhook bound to the destination until ctx ends.
func follow(ctx context.Context, konnect *client.Client, destination webhook.Destination, report io.Writer) error {
	current, err := konnect.Webhook.Get(ctx)
	if err != nil {
		return err
	}
	if current.Enabled || current.Configured() {
		return errors.New("the region's webhook is in use already; it is left as it is")
	}
	// Taken back even if ctx ends while it is being set up, with time of its own.
	if _, err := konnect.Binding.SetUp(ctx, destination); err != nil {
		return err
	}
	fmt.Fprintf(report, "following; the webhook sends to %s until this ends\n", destination.Name)
	<-ctx.Done()
	return konnect.Binding.TearDown(context.WithoutCancel(ctx), destination.Name)
}

func parse(args []string, report io.Writer) (*settings, error) {
	set := &settings{}
	flags := flag.NewFlagSet("tail", flag.ContinueOnError)
	flags.SetOutput(report)
	flags.StringVar(&set.target, "target", "", "a `region` (us, eu, au, me, in, sg) or the base URL of a server")
	flags.StringVar(&set.token, "token", "env:KONNECT_TOKEN", "the access `token`: "+secretflag.Forms)
	flags.StringVar(&set.name, "name", "auditlog-tail-"+strings.ToLower(rand.Text()[:8]), "the `name` of the destination it makes")
	flags.StringVar(&set.listen, "listen", ":8443", "the `address` to listen on")
	flags.StringVar(&set.endpoint, "endpoint", "", "the https `URL` by which Konnect reaches that address")
	flags.StringVar(&set.cert, "cert", "", "a `file` with the certificate to show; without it one is made, which needs -skip-verification")
	flags.StringVar(&set.key, "key", "", "the `file` with its key")
	flags.BoolVar(&set.plain, "plain", false, "listen without TLS, behind a tunnel that ends it; on a loopback address only")
	flags.BoolVar(&set.skipVerification, "skip-verification", false, "let Konnect accept any certificate")
	format := flags.String("format", "json", "the `format` of the lines: cef, json or cps")
	flags.Var(&set.filters, "filter", "show only events with this `key=pattern`; * stands for anything; may be given again, all must match")
	flags.Usage = func() {
		fmt.Fprintln(report, "usage: tail -target REGION|URL -endpoint URL [flags]\n\nShows a region's audit log as it comes. Flags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errUsage
	}
	set.format = auditlog.Format(*format)
	wrong := ""
	switch {
	case flags.NArg() > 0:
		wrong = "it takes no arguments, only flags"
	case set.target == "" || set.endpoint == "":
		wrong = "-target and -endpoint are needed"
	case !set.format.Valid():
		wrong = "-format is cef, json or cps"
	case (set.cert == "") != (set.key == ""):
		wrong = "-cert and -key go together"
	case set.plain && (set.cert != "" || set.skipVerification):
		wrong = "-plain goes without -cert and -skip-verification"
	}
	if wrong != "" {
		fmt.Fprintln(report, "tail:", wrong)
		return nil, errUsage
	}
	return set, nil
}
