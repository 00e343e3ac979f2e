// Command quickstart shows the main job end to end, with no other machine than
// this one: it configures an audit log webhook through the API, ships 1 000
// events over HTTPS through failures and an outage, shows the status, and counts
// what has arrived.
//
//	go run ./examples/quickstart
//
// It exits with status 1 unless every event arrived exactly once. With -break it
// loses one on purpose, to show that the count can fail.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	total         = 1_000
	part          = 250 // events handed over at a time
	authorization = "Bearer example-token"
)

func main() {
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: quickstart [-break]\n\nConfigures a webhook, ships %d events through failures, and counts them.\n", total)
		flag.PrintDefaults()
	}
	lose := flag.Bool("break", false, "lose one event on purpose; the exit status must be 1")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *lose); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context, lose bool) error {
	fmt.Println("The waits between attempts, 1 to 30 s, run ten times as fast here: the clock is pluggable.")
	siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{Authorization: authorization})
	if err != nil {
		return err
	}
	defer siem.Close()
	konnect, err := konnecttest.StartKonnect(konnecttest.KonnectConfig{
		RootCAs: siem.RootCAs(),
		Clock:   &fastClock{start: time.Now()},
		Hooks:   []delivery.Hook{printer{}},
	})
	if err != nil {
		return err
	}
	defer konnect.Close()
	c, err := client.New(konnect.URL(), konnect.Token())
	if err != nil {
		return err
	}

	fmt.Println("\nConfigure the webhook through the API:")
	if err := showStatus(ctx, c); err != nil {
		return err
	}
	config, err := c.Webhook.Update(ctx, webhook.Patch{
		Endpoint:      webhook.Set(siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		LogFormat:     webhook.Set(webhook.CEF),
		Enabled:       webhook.Set(true),
	})
	if err != nil {
		return err
	}
	fmt.Printf("  endpoint %s, format %s, enabled %t\n", config.Endpoint, config.LogFormat, config.Enabled)
	if err := showStatus(ctx, c); err != nil {
		return err
	}

	events := konnecttest.Events(1, total, time.Now().Add(-time.Hour))
	ship := func(events []auditlog.Event) error {
		if lose && len(events) > 0 {
			events, lose = events[1:], false
		}
		return konnect.Ship(ctx, events...)
	}

	fmt.Println("\nThe receiver answers 500, then 429 with Retry-After, then 200:")
	siem.Script(
		konnecttest.Step{Status: http.StatusInternalServerError},
		konnecttest.Step{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3"}}},
	)
	if err := ship(events[:part]); err != nil {
		return err
	}
	if err := showStatus(ctx, c); err != nil {
		return err
	}

	fmt.Println("\nAn outage of the receiver that outlasts the retries:")
	siem.Otherwise(konnecttest.Step{Status: http.StatusServiceUnavailable})
	failed, ok := errors.AsType[*konnecttest.ShipError](ship(events[part : 2*part]))
	if !ok {
		return errors.New("the outage went unnoticed")
	}
	if err := showStatus(ctx, c); err != nil {
		return err
	}

	fmt.Println("\nThe receiver is back; what was not delivered is shipped again, and the rest:")
	siem.Otherwise(konnecttest.Step{})
	if err := ship(events[part+failed.Delivered : 2*part]); err != nil {
		return err
	}
	if err := ship(events[2*part:]); err != nil {
		return err
	}
	if err := showStatus(ctx, c); err != nil {
		return err
	}

	fmt.Println("\nThree of the lines received:")
	requests := siem.Requests()
	for _, line := range requests[len(requests)-1].Lines[:3] {
		fmt.Println(" ", line)
	}
	return tally(events, siem.Events())
}

// showStatus prints the status document as the API answers it.
func showStatus(ctx context.Context, c *client.Client) error {
	s, err := c.Webhook.Status(ctx)
	if err != nil {
		return err
	}
	document, err := s.MarshalJSON()
	if err != nil {
		return err
	}
	fmt.Printf("  status %s\n", document)
	return nil
}

// tally counts what was received by the events' trace ids, of which each has
// one of its own.
func tally(sent, received []auditlog.Event) error {
	times := map[string]int{}
	for i := range received {
		id, _ := received[i].Get("trace_id")
		times[id.String()]++
	}
	lost, duplicates := 0, 0
	for i := range sent {
		id, _ := sent[i].Get("trace_id")
		switch n := times[id.String()]; n {
		case 0:
			lost++
		default:
			duplicates += n - 1
		}
	}
	fmt.Printf("\nsent %d received %d lost %d duplicates %d\n", len(sent), len(times), lost, duplicates)
	if lost > 0 || duplicates > 0 || len(times) != len(sent) {
		return errors.New("not every event arrived exactly once")
	}
	return nil
}

// printer prints each attempt.
type printer struct{}

// AttemptFinished implements [delivery.AttemptFinishedHook].
func (printer) AttemptFinished(_ context.Context, result delivery.Result) {
	last := result.Last()
	fmt.Printf("  attempt %d of %d events to %s: %v", len(result.Attempts), result.Events, result.Endpoint, last)
	if last.Wait > 0 {
		fmt.Printf(", next in %v", last.Wait)
	}
	fmt.Println()
}

// fastClock runs ten times as fast as the system's.
type fastClock struct{ start time.Time }

const speed = 10

// Now implements [delivery.Clock].
func (c *fastClock) Now() time.Time { return c.start.Add(time.Since(c.start) * speed) }

// Sleep implements [delivery.Clock].
func (c *fastClock) Sleep(ctx context.Context, d time.Duration) error {
	return delivery.SystemClock{}.Sleep(ctx, d/speed)
}
