// Command manage sets up, watches and takes down where Konnect sends its audit
// log, sends past events again, and pulls the log itself:
//
//	export KONNECT_TOKEN=kpat_…
//	manage -target eu set-up -name SIEM -endpoint https://siem.example.com/logs -authorization @token.txt
//	manage -target eu status
//	manage -target eu replay -from 2h
//	manage -target eu pull -from 24h -format json >audit.log
//	manage -target eu tear-down -name SIEM
//
// The target is a region of Konnect or the base URL of another server with the
// same API. With -portal the commands are about a developer portal.
//
// Data goes to standard output, everything else to standard error. The exit
// status is 0 only if all went well, and 2 after a wrong call.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/examples/internal/secretflag"
)

func main() {
	// Interrupted, a set-up takes back what it did.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2) //nolint:gocritic // stop has nothing left to do
	default:
		fmt.Fprintln(os.Stderr, "manage:", err)
		os.Exit(1)
	}
}

// errUsage marks a wrong call, which was explained on standard error.
var errUsage = errors.New("usage")

// program is what commands work with.
type program struct {
	client *client.Client
	portal *client.Portal // of -portal, nil without
	out    io.Writer      // data
	report io.Writer      // everything else
	now    time.Time
}

// command is a command of the program: its flags, and what carries it out once
// they are parsed.
type command struct {
	name, does string
	prepare    func(flags *flag.FlagSet) func(context.Context, *program) error
}

func commands() []command {
	return []command{
		{"set-up", "create a destination, or use the one of that name, and bind the webhook to it", prepareSetUp},
		{"status", "show how sending to the webhook goes", prepareStatus},
		{"replay", "send past events again, and wait until that is done", prepareReplay},
		{"pull", "print the audit log, an event a line", preparePull},
		{"tear-down", "take the webhook off the destination, and delete that", prepareTearDown},
	}
}

func run(ctx context.Context, args []string, out, report io.Writer) error {
	flags := flag.NewFlagSet("manage", flag.ContinueOnError)
	flags.SetOutput(report)
	target := flags.String("target", "", "a `region` (us, eu, au, me, in, sg, global) or the base URL of a server")
	token := flags.String("token", "env:KONNECT_TOKEN", "the access `token`: "+secretflag.Forms)
	portalID := flags.String("portal", "", "the `ID` of a developer portal, whose webhook and replay job are meant")
	flags.Usage = func() {
		fmt.Fprintln(report, "usage: manage -target REGION|URL [flags] COMMAND [flags of the command]\n\nCommands (each explains itself with -h):")
		for _, c := range commands() {
			fmt.Fprintf(report, "  %-10s %s\n", c.name, c.does)
		}
		fmt.Fprintln(report, "\nFlags:")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return usage(err)
	}
	for _, c := range commands() {
		if c.name != flags.Arg(0) {
			continue
		}
		own := flag.NewFlagSet(c.name, flag.ContinueOnError)
		own.SetOutput(report)
		carryOut := c.prepare(own)
		if err := own.Parse(flags.Args()[1:]); err != nil {
			return usage(err)
		}
		if own.NArg() > 0 {
			fmt.Fprintf(report, "manage: %s takes no arguments, only flags: %s\n", c.name, strings.Join(own.Args(), " "))
			return errUsage
		}
		p, err := newProgram(*target, *token, *portalID)
		if err != nil {
			return err
		}
		p.out, p.report, p.now = out, report, time.Now()
		return carryOut(ctx, p)
	}
	flags.Usage()
	return errUsage
}

// usage turns an error of package flag, which has reported it, into ours.
func usage(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	return errUsage
}

func newProgram(target, token, portalID string) (*program, error) {
	secret, err := secretflag.Read(token)
	if err != nil {
		return nil, fmt.Errorf("-token: %w", err)
	}
	p := &program{}
	if p.client, err = client.New(target, secret.Reveal()); err != nil {
		return nil, err
	}
	if portalID != "" {
		p.portal, err = p.client.Portal(portalID)
	}
	return p, err
}

// binding is the webhook that commands are about, bound to a destination.
func (p *program) binding() *client.BindingService {
	if p.portal != nil {
		return p.portal.Binding
	}
	return p.client.Binding
}

// replay is the replay job that commands are about.
func (p *program) replay() *client.ReplayService {
	if p.portal != nil {
		return p.portal.Replay
	}
	return p.client.Replay
}
