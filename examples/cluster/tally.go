package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// tally holds what was received against what was sent. A batch under a
// Webhook-Id that was taken before is a repetition: receivers take it once, and
// so does the tally.
func tally(out io.Writer, requests []konnecttest.Request) error {
	batches, repeated := map[string]bool{}, 0
	times, received := map[string]int{}, map[string][]string{}
	duplicates, unexplained := 0, 0
	for _, r := range requests {
		if !r.Taken {
			continue
		}
		if batches[r.BatchID()] {
			repeated++
			duplicates += len(r.Events)
			continue
		}
		batches[r.BatchID()] = true
		for i := range r.Events {
			id, org := text(&r.Events[i], "trace_id"), text(&r.Events[i], "org_id")
			if times[id]++; times[id] > 1 {
				duplicates++
				unexplained++
			}
			received[org] = append(received[org], id)
		}
	}
	lost, disordered := 0, 0
	for _, id := range webhookIDs() {
		var sent []string
		for n := range calls / webhooks * callEvents {
			sent = append(sent, traceID(id, n))
			if times[traceID(id, n)] == 0 {
				lost++
			}
		}
		if !slices.Equal(sent, received[id]) {
			disordered++
		}
	}

	how := "all under a repeated Webhook-Id"
	if unexplained > 0 {
		how = fmt.Sprintf("%d not under a repeated Webhook-Id", unexplained)
	}
	fmt.Fprintf(out, "\n%d batches, of which %d came again under the id they had\n", len(batches), repeated)
	fmt.Fprintf(out, "sent %d received %d lost %d duplicates %d (%s)\n", calls*callEvents, len(times), lost, duplicates, how)
	switch {
	case lost > 0:
		return errors.New("events were lost")
	case unexplained > 0:
		return errors.New("events came twice, and nothing tells")
	case disordered > 0:
		return fmt.Errorf("the events of %d webhooks are not those sent, in their order", disordered)
	}
	return nil
}

func text(e *auditlog.Event, key string) string {
	value, _ := e.Get(key)
	return value.String()
}
