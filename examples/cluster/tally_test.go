package main

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// batch returns a request with events of a webhook, from one number up to another.
func batch(id, webhook string, from, to int) konnecttest.Request {
	r := konnecttest.Request{Taken: true, Header: map[string][]string{"Webhook-Id": {id}}}
	for n := from; n < to; n++ {
		r.Events = append(r.Events, auditlog.Authorization{OrgID: webhook, TraceID: traceID(webhook, n)}.Event())
	}
	return r
}

func TestTally(t *testing.T) {
	t.Parallel()
	const each = calls / webhooks * callEvents
	var rest []konnecttest.Request
	for _, id := range webhookIDs()[1:] {
		rest = append(rest, batch(id, id, 0, each))
	}
	for _, test := range []struct {
		name string
		got  []konnecttest.Request // of the first webhook
		want string
		err  string
	}{
		{"each once", []konnecttest.Request{batch("a", "tenant-1", 0, each)}, "received 1200 lost 0 duplicates 0 (all under a repeated Webhook-Id)", ""},
		{"a batch twice under its id", []konnecttest.Request{batch("a", "tenant-1", 0, 7), batch("a", "tenant-1", 0, 7), batch("b", "tenant-1", 7, each)}, "received 1200 lost 0 duplicates 7 (all under a repeated Webhook-Id)", ""},
		{"a batch twice under another id", []konnecttest.Request{batch("a", "tenant-1", 0, 7), batch("b", "tenant-1", 0, each)}, "received 1200 lost 0 duplicates 7 (7 not under a repeated Webhook-Id)", "events came twice, and nothing tells"},
		{"one lost", []konnecttest.Request{batch("a", "tenant-1", 1, each)}, "received 1199 lost 1 duplicates 0 (all under a repeated Webhook-Id)", "events were lost"},
		{"one refused", []konnecttest.Request{batch("a", "tenant-1", 0, each-1), {}}, "received 1199 lost 1 duplicates 0 (all under a repeated Webhook-Id)", "events were lost"},
		{"out of order", []konnecttest.Request{batch("b", "tenant-1", 7, each), batch("a", "tenant-1", 0, 7)}, "received 1200 lost 0 duplicates 0 (all under a repeated Webhook-Id)", "the events of 1 webhooks are not those sent, in their order"},
		{"one that was not sent", []konnecttest.Request{batch("a", "tenant-1", 0, each+1)}, "received 1201 lost 0 duplicates 0 (all under a repeated Webhook-Id)", "the events of 1 webhooks are not those sent, in their order"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := tally(&out, slices.Concat(test.got, rest))
			require.Contains(t, out.String(), fmt.Sprintf("\nsent 1200 %s\n", test.want))
			if test.err == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, test.err)
			}
		})
	}
}
