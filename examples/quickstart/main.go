// Command quickstart shows the main job end to end, with no other machine than
// this one: a service that keeps its audit log on disk, a webhook configured
// through the management API, 1 000 events shipped over HTTPS through failures,
// an outage and a crash, the status that tells of it, and the count of what has
// arrived.
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
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	total         = 1_000
	part          = 250 // events recorded at a time
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
	fmt.Println("All waits, those of retries for instance, run ten times as fast here: the clock is pluggable.")
	siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{Authorization: authorization})
	if err != nil {
		return err
	}
	defer siem.Close()
	dir, err := os.MkdirTemp("", "auditlog-quickstart-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := openService(ctx, dir, siem.RootCAs())
	if err != nil {
		return err
	}
	defer func() { s.close(ctx) }()

	fmt.Println("\nConfigure the webhook through the API:")
	if err := s.showStatus(ctx); err != nil {
		return err
	}
	config, err := s.api.Webhook.Update(ctx, webhook.Patch{
		Endpoint:      webhook.Set(siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		LogFormat:     webhook.Set(webhook.CEF),
		Enabled:       webhook.Set(true),
	})
	if err != nil {
		return err
	}
	fmt.Printf("  endpoint %s, format %s, enabled %t\n", config.Endpoint, config.LogFormat, config.Enabled)
	if err := s.showStatus(ctx); err != nil {
		return err
	}
	events := konnecttest.Events(1, total, time.Now().Add(-time.Hour))

	fmt.Println("\nThe receiver answers 500, then 429 with Retry-After, then 200:")
	siem.Script(
		konnecttest.Step{Status: http.StatusInternalServerError},
		konnecttest.Step{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3"}}},
	)
	if lose {
		err = s.record(ctx, events[1:part])
	} else {
		err = s.record(ctx, events[:part])
	}
	if err = errors.Join(err, s.delivered(ctx)); err != nil {
		return err
	}

	fmt.Println("\nAn outage of the receiver that outlasts the retries; what is recorded waits on disk:")
	siem.Otherwise(konnecttest.Step{Status: http.StatusServiceUnavailable})
	if err := s.record(ctx, events[part:2*part]); err != nil {
		return err
	}
	if err := s.turnedInactive(ctx); err != nil {
		return err
	}

	if err := s.record(ctx, events[2*part:3*part]); err != nil {
		return err
	}

	fmt.Println("\nThe service dies without a goodbye. Another one opens the same folder:")
	s.abandon()
	next, err := openService(ctx, dir, siem.RootCAs())
	if err != nil {
		return err
	}
	s = next
	if err := s.showStatus(ctx); err != nil {
		return err
	}

	fmt.Println("\nThe receiver is back: what waits is delivered, then the rest:")
	siem.Otherwise(konnecttest.Step{})
	if err := s.delivered(ctx); err != nil {
		return err
	}
	if err := errors.Join(s.record(ctx, events[3*part:]), s.delivered(ctx)); err != nil {
		return err
	}

	fmt.Println("\nThree of the lines received:")
	requests := siem.Requests()
	for _, line := range requests[len(requests)-1].Lines[:3] {
		fmt.Println(" ", line)
	}
	return tally(events, requests)
}

// showStatus prints the status document as the API answers it.
func (s *service) showStatus(ctx context.Context) error {
	status, err := s.api.Webhook.Status(ctx)
	if err != nil {
		return err
	}
	document, err := status.MarshalJSON()
	if err != nil {
		return err
	}
	fmt.Printf("  status %s\n", document)
	return nil
}

// record returns when the events are on disk.
func (s *service) record(ctx context.Context, events []auditlog.Event) error {
	return s.shipper.Record(ctx, tenant, events...)
}

// delivered waits until nothing is left to deliver.
func (s *service) delivered(ctx context.Context) error {
	return errors.Join(s.shipper.Drain(ctx, tenant), s.showStatus(ctx))
}

// tally counts what was received by the events' trace ids, of which each has one
// of its own. A batch may be sent again after a crash, under the id that it had:
// receivers take it once, and so does the tally. The SIEM also has the events
// that tell who changed the webhook; they are not counted.
func tally(sent []auditlog.Event, requests []konnecttest.Request) error {
	wanted := map[string]bool{}
	for i := range sent {
		wanted[traceID(&sent[i])] = true
	}
	times, batches, repeated := map[string]int{}, map[string]bool{}, 0
	for _, r := range requests {
		if !r.Taken {
			continue
		}
		if batches[r.BatchID()] {
			repeated++
			continue
		}
		batches[r.BatchID()] = true
		for i := range r.Events {
			if id := traceID(&r.Events[i]); wanted[id] {
				times[id]++
			}
		}
	}
	duplicates := 0
	for _, n := range times {
		duplicates += n - 1
	}
	lost := len(sent) - len(times)
	fmt.Printf("\n%d batches, of which %d came again under the id they had\n", len(batches), repeated)
	fmt.Printf("sent %d received %d lost %d duplicates %d\n", len(sent), len(times), lost, duplicates)
	if lost > 0 || duplicates > 0 {
		return errors.New("not every event arrived exactly once")
	}
	return nil
}

func traceID(e *auditlog.Event) string {
	id, _ := e.Get("trace_id")
	return id.String()
}
