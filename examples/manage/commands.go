package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/examples/internal/secretflag"
	"github.com/seed-6bcf82c5/auditlog/preset"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func prepareSetUp(flags *flag.FlagSet) func(context.Context, *program) error {
	name := flags.String("name", "audit-log", "the `name` of the destination")
	endpoint := flags.String("endpoint", "", "the https `URL` of the receiver")
	authorization := flags.String("authorization", "", "the `value` of the Authorization header of its requests: "+secretflag.Forms)
	format := flags.String("format", "", "cef, json or cps; if not given the best `format` for the preset, else cef")
	skip := flags.Bool("skip-verification", false, "accept any certificate of the receiver; for test set-ups")
	receiver := presetFlag(flags)
	return func(ctx context.Context, p *program) error {
		secret, err := secretflag.Read(*authorization)
		if err != nil {
			return fmt.Errorf("-authorization: %w", err)
		}
		destination := webhook.Destination{
			Name: *name, Endpoint: *endpoint, Authorization: secret, LogFormat: webhook.LogFormat(*format), SkipSSLVerification: *skip,
		}
		if known, ok, err := receiver(); err != nil {
			return err
		} else if ok {
			if destination.LogFormat == "" && len(known.Formats) > 0 {
				destination.LogFormat = known.Formats[0]
			}
			if err := known.Check(destination.Endpoint, secret, destination.LogFormat); err != nil {
				return fmt.Errorf("%s: %w", known.Title, err)
			}
			for _, note := range known.Notes {
				fmt.Fprintln(p.report, "note:", note)
			}
		}
		made, err := p.binding().SetUp(ctx, destination)
		if err != nil {
			return err
		}
		fmt.Fprintln(p.out, made.ID)
		fmt.Fprintf(p.report, "the webhook sends to %s\n", made.Name)
		return nil
	}
}

func prepareStatus(*flag.FlagSet) func(context.Context, *program) error {
	return func(ctx context.Context, p *program) error {
		ask := p.client.Webhook.Status
		if p.portal != nil {
			ask = p.portal.Binding.Status
		}
		current, err := ask(ctx)
		if err != nil {
			return err
		}
		document, err := current.MarshalJSON()
		if err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s\n", document)
		fmt.Fprintln(p.report, current.Meaning())
		if current.WebhookStatus == status.Inactive && current.LastResponseMessage != "" {
			fmt.Fprintln(p.report, "The last answer:", current.LastResponseMessage)
		}
		return nil
	}
}

func prepareReplay(flags *flag.FlagSet) func(context.Context, *program) error {
	from := flags.String("from", "1h", "the `time` of the first event: RFC 3339, or how long ago, such as 36h")
	to := flags.String("to", "0s", "the `time` of the last event")
	anyway := flags.Bool("anyway", false, "start it even if the receiver of the preset will not take all of it")
	receiver := presetFlag(flags)
	return func(ctx context.Context, p *program) error {
		startAt, endAt, err := p.span(*from, *to)
		if err != nil {
			return err
		}
		if err := webhook.ValidateReplay(startAt, endAt, p.now); err != nil {
			return err
		}
		if known, ok, err := receiver(); err != nil {
			return err
		} else if ok {
			if err := known.CheckReplay(startAt, p.now); err != nil && !*anyway {
				return fmt.Errorf("%w (-anyway starts it all the same)", err)
			}
		}
		if _, err := p.replay().Start(ctx, startAt, endAt); err != nil {
			return err
		}
		last := webhook.JobUnconfigured
		_, err = p.replay().Wait(ctx, func(job webhook.ReplayJob) {
			if job.Status != last {
				last = job.Status
				fmt.Fprintln(p.report, "replay", last)
			}
		})
		return err
	}
}

func preparePull(flags *flag.FlagSet) func(context.Context, *program) error {
	from := flags.String("from", "24h", "the `time` of the first event: RFC 3339, or how long ago, such as 36h")
	to := flags.String("to", "0s", "the `time` of the last event")
	kind := flags.String("type", "", "only events of this `type`: authentication, authorization or gateway_access")
	format := flags.String("format", "json", "the `format` of the lines: cef, json or cps")
	return func(ctx context.Context, p *program) error {
		startAt, endAt, err := p.span(*from, *to)
		if err != nil {
			return err
		}
		lines := auditlog.Format(*format)
		if !lines.Valid() {
			return errors.New("-format is cef, json or cps")
		}
		if p.portal != nil {
			return errors.New("the log of a portal cannot be pulled")
		}
		fmt.Fprintf(p.report, "note: what is pulled cannot be verified; signatures stand under %s\n", client.UnverifiedSignatureKey)
		return p.pull(ctx, client.LogListOptions{From: startAt, To: endAt, Type: webhook.EntryType(*kind)}, lines)
	}
}

// pull prints the events, in the order in which the API has them.
func (p *program) pull(ctx context.Context, options client.LogListOptions, format auditlog.Format) error {
	out := bufio.NewWriter(p.out)
	var line []byte
	for entry, err := range p.client.Logs.All(ctx, options) {
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		event := client.Event(entry)
		if line, err = format.Append(line[:0], &event); err != nil {
			return errors.Join(err, out.Flush())
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return out.Flush()
}

func prepareTearDown(flags *flag.FlagSet) func(context.Context, *program) error {
	name := flags.String("name", "audit-log", "the `name` of the destination")
	return func(ctx context.Context, p *program) error {
		if err := p.binding().TearDown(ctx, *name); err != nil {
			return err
		}
		fmt.Fprintf(p.report, "nothing is sent to %s any more\n", *name)
		return nil
	}
}

// presetFlag defines the flag for a preset, and returns what reads it.
func presetFlag(flags *flag.FlagSet) func() (preset.Preset, bool, error) {
	var names []string
	for _, p := range preset.All() {
		names = append(names, p.Name)
	}
	list := strings.Join(names, ", ")
	name := flags.String("preset", "", "what the `receiver` is, to check what it takes: "+list)
	return func() (preset.Preset, bool, error) {
		if *name == "" {
			return preset.Preset{}, false, nil
		}
		known, ok := preset.Get(*name)
		if !ok {
			return preset.Preset{}, false, errors.New("-preset is one of " + list)
		}
		return known, true, nil
	}
}

// span reads the times of -from and -to.
func (p *program) span(from, to string) (startAt, endAt time.Time, err error) {
	if startAt, err = p.moment(from); err != nil {
		return startAt, endAt, fmt.Errorf("-from: %w", err)
	}
	if endAt, err = p.moment(to); err != nil {
		return startAt, endAt, fmt.Errorf("-to: %w", err)
	}
	return startAt, endAt, nil
}

// moment reads a time: a date, or how long ago it was.
func (p *program) moment(text string) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return p.now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New("neither a time after RFC 3339 nor a duration such as 36h")
	}
	return at, nil
}
