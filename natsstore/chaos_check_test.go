//go:build unix

package natsstore_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// The ledger sees what it is there for.
func TestChaosLedger(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		requests []konnecttest.Request
		figures  figures
		faults   []string
	}{
		"everything arrives": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1"), sent("y", 0, "a", "0-0-0-1-0")},
			figures:  figures{accepted: 3, refused: 1, received: 3, requests: 2, batches: 2},
		},
		"a call that was not accepted arrives too": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1", "0-0-0-1-0", "0-0-0-2-0", "0-0-0-2-1")},
			figures:  figures{accepted: 3, refused: 1, received: 5, requests: 1, batches: 1},
		},
		"half of it": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1", "0-0-0-1-0", "0-0-0-2-0")},
			figures:  figures{accepted: 3, refused: 1, received: 4, requests: 1, batches: 1},
			faults:   []string{"of the call 0-0-0-2, which was not accepted, 1 of 2 events arrived"},
		},
		"a call that was refused": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1", "0-0-0-1-0", "0-0-0-3-0")},
			figures:  figures{accepted: 3, refused: 1, received: 4, requests: 1, batches: 1},
			faults:   []string{"of the call 0-0-0-3, which was refused, 1 events arrived"},
		},
		"lost": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1")},
			figures:  figures{accepted: 3, refused: 1, received: 2, requests: 1, batches: 1},
			faults:   []string{"of the call 0-0-0-1, accepted at"},
		},
		"the end is lost": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-0"), sent("y", 0, "a", "0-0-0-1-0")},
			figures:  figures{accepted: 3, refused: 1, received: 2, requests: 2, batches: 2},
			faults:   []string{"of the call 0-0-0-0, accepted at"},
		},
		"handed over, and repeated": {
			requests: []konnecttest.Request{
				sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1"), sent("x", 1, "a", "0-0-0-0-0", "0-0-0-0-1"), sent("y", 1, "a", "0-0-0-1-0"),
			},
			figures: figures{accepted: 3, refused: 1, received: 3, requests: 3, batches: 2, repeated: 1, handedOver: 1, moves: 1},
		},
		"repeated with other events": {
			requests: []konnecttest.Request{
				sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1"), sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1", "0-0-0-1-0"), sent("y", 0, "a", "0-0-0-1-0"),
			},
			figures: figures{accepted: 3, refused: 1, received: 3, requests: 3, batches: 2, repeated: 1},
			faults:  []string{"batch x was repeated with other events"},
		},
		"repeated under another id": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-0", "0-0-0-0-1", "0-0-0-1-0"), sent("y", 0, "a", "0-0-0-1-0")},
			figures:  figures{accepted: 3, refused: 1, received: 4, requests: 2, batches: 2},
			faults:   []string{"event 0-0-0-1-0 arrived once more, in batch y"},
		},
		"out of order": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-1-0"), sent("y", 0, "a", "0-0-0-0-0", "0-0-0-0-1")},
			figures:  figures{accepted: 3, refused: 1, received: 3, requests: 2, batches: 2},
			faults: []string{
				"event 0-0-0-0-0 arrived behind one that was recorded 1s after it was accepted",
				"event 0-0-0-0-1 arrived behind one that was recorded 1s after it was accepted",
			},
		},
		"out of order within a call": {
			requests: []konnecttest.Request{sent("x", 0, "a", "0-0-0-0-1", "0-0-0-0-0", "0-0-0-1-0")},
			figures:  figures{accepted: 3, refused: 1, received: 3, requests: 1, batches: 1},
			faults:   []string{"event 0-0-0-0-1 arrived before those before it", "event 0-0-0-0-0 arrived once more"},
		},
		"for another webhook, and invented": {
			requests: []konnecttest.Request{sent("x", 0, "b", "0-0-0-0-0", "0-0-0-0-1"), sent("y", 0, "a", "0-0-0-1-0", "0-0-0-9-0", "")},
			figures:  figures{accepted: 3, refused: 1, received: 3, requests: 2, batches: 2},
			faults: []string{
				"event 0-0-0-0-0 of a was received for b", "event 0-0-0-0-1 of a was received for b",
				"event 0-0-0-9-0 was received, but nobody", "event  was received, but nobody",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger()
			start := time.Unix(1_000_000_000, 0).UTC()
			for n, events := range []int{2, 1, 2, 1} { // two are accepted, one is not, one is refused
				c := call{Number: n, Webhook: "a", Events: events, Began: start.Add(time.Duration(n) * 2 * time.Second)}
				encoded, err := json.Marshal(c)
				require.NoError(t, err)
				require.True(t, l.note("began "+string(encoded)))
				require.Equal(t, []call{c}, l.repeat(0))
				switch n {
				case 0, 1:
					require.True(t, l.note(fmt.Sprintf("accepted %d %s", c.Began.Add(time.Second).UnixNano(), c.key())))
					require.Empty(t, l.repeat(0))
				case 3:
					require.True(t, l.note("refused "+c.key()))
				}
			}
			figures, faults := l.check(test.requests)
			require.Equal(t, test.figures, figures)
			require.Len(t, faults, len(test.faults), "%q", faults)
			for i, fault := range faults {
				require.True(t, strings.HasPrefix(fault, test.faults[i]), fault)
			}
		})
	}
}

// sent is a request that was taken: a batch with events of those names, by an
// instance, for a webhook.
func sent(id string, instance int, webhook string, names ...string) konnecttest.Request {
	r := konnecttest.Request{
		Path: "/audit-logs/" + webhook, Lines: names, Taken: true,
		Header: http.Header{"Webhook-Id": {id}, "User-Agent": {fmt.Sprint("instance/", instance)}},
	}
	for _, name := range names {
		r.Events = append(r.Events, auditlog.Event{Attributes: []auditlog.Attribute{auditlog.String("n", name)}})
	}
	return r
}
