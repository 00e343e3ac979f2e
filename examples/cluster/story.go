package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

const (
	patience = 2 * time.Minute // for everything
	slack    = 2 * time.Second // for the hand-over, beyond the lease
)

// run tells the story on out. What the instances log goes to logs.
func run(ctx context.Context, out, logs io.Writer) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not done after %v", patience))
	defer cancel()
	say := func(format string, args ...any) { fmt.Fprintf(out, format+"\n", args...) }

	servers, err := startServers()
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, servers.stop()) }()
	say("Three NATS servers keep everything three times: %s", servers.url())

	siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{Authorization: authorization})
	if err != nil {
		return err
	}
	defer siem.Close()
	service, err := startService(ctx, servers.url(), siem, logs)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, service.stop()) }()
	say("Two instances of the service share the work of %d webhooks. Who holds one has a lease of %v.", webhooks, lease)

	say("\nThe service is called %d times, each instance in turn, to record %d events:", calls, callEvents)
	recorded := make(chan error, 1)
	go func() { recorded <- service.record(ctx) }()
	if _, err := siem.WaitEvents(ctx, calls*callEvents/4); err != nil {
		return err
	}
	say("  a quarter has arrived, in %s", batches(siem.Requests()))

	say("\nThe receiver takes what comes, but its answers get lost. An instance is killed in the middle of its batch:")
	siem.Otherwise(konnecttest.Step{Break: konnecttest.BreakAfterReading})
	batch, err := find(ctx, siem, func(r *konnecttest.Request) bool { return r.Taken && r.Status == 0 })
	if err != nil {
		return err
	}
	killed := time.Now()
	if err := service.kill(sender(batch)); err != nil {
		return err
	}
	say("  %s is dead; it had sent batch %s of %d events", sender(batch), batch.BatchID(), len(batch.Events))

	say("\nThe receiver answers again, and the calls have never stopped:")
	siem.Otherwise(konnecttest.Step{})
	again, err := find(ctx, siem, func(r *konnecttest.Request) bool {
		return r.BatchID() == batch.BatchID() && sender(r) != sender(batch)
	})
	if err != nil {
		return err
	}
	took := again.Time.Sub(killed)
	say("  %s sent batch %s, %.1f s after the kill", sender(again), again.BatchID(), took.Seconds())
	if err := errors.Join(<-recorded, service.drain()); err != nil {
		return err
	}
	say("  all calls were accepted, those that the kill cut off by the other instance; nothing is left to deliver")
	if err := tally(out, siem.Requests()); err != nil {
		return err
	}
	if took > lease+slack {
		return fmt.Errorf("the hand-over took %v; the lease is %v", took, lease)
	}
	return nil
}

// find waits for a request that is as wanted.
func find(ctx context.Context, siem *konnecttest.SIEM, wanted func(*konnecttest.Request) bool) (*konnecttest.Request, error) {
	for n := 0; ; {
		requests, err := siem.WaitRequests(ctx, n+1)
		if err != nil {
			return nil, err
		}
		for ; n < len(requests); n++ {
			if r := &requests[n]; wanted(r) {
				return r, nil
			}
		}
	}
}

// batches tells how many batches came from whom.
func batches(requests []konnecttest.Request) string {
	from := map[string]int{}
	for i := range requests {
		from[sender(&requests[i])]++
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(from)) {
		all = append(all, fmt.Sprintf("%d batches from %s", from[name], name))
	}
	return strings.Join(all, " and ")
}

// sender returns the name of the instance that sent the request.
func sender(r *konnecttest.Request) string { return r.Header.Get("User-Agent") }
