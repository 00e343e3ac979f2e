package diskstore_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// ledger is what the programs said of their calls of Record, apart from
// anything that they stored.
type ledger struct {
	calls map[string]*entry
	open  map[int]call // by producer, the call that was not seen to end
}

type entry struct {
	call
	accepted bool
	late     bool // repeated too late to be recognised
}

// begin notes a call that begins, perhaps once more.
func (l *ledger) begin(t *testing.T, encoded string) {
	t.Helper()
	var c call
	require.NoError(t, json.Unmarshal([]byte(encoded), &c))
	if l.calls[c.key()] == nil {
		l.calls[c.key()] = &entry{call: c}
	}
	if c.Producer != forgetful {
		l.open[c.Producer] = c
	}
}

// accept notes a call that has returned.
func (l *ledger) accept(key string) {
	key, late := strings.CutPrefix(key, "late ")
	e := l.calls[key]
	e.accepted, e.late = true, late
	if l.open[e.Producer].key() == key {
		delete(l.open, e.Producer)
	}
}

// repeat returns the calls for the next program to repeat.
func (l *ledger) repeat() []call {
	var all []call
	for _, c := range l.open {
		all = append(all, c)
	}
	return all
}

// check returns what is wrong with what was received, and counts it.
func (l *ledger) check(requests []konnecttest.Request, k *killed) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	batches := map[string][]string{} // their lines, by Webhook-Id
	taken := map[string]bool{}       // Webhook-Ids
	received := map[string]int{}     // by event, without what was taken under the same id before
	last := map[int]event{}          // by producer
	for _, r := range requests {
		if r.Err != nil || len(r.Lines) == 0 { // it was broken off
			continue
		}
		id := r.BatchID()
		if before, ok := batches[id]; ok && !slices.Equal(before, r.Lines) {
			fault("batch %s was repeated with other events", id)
		}
		batches[id] = r.Lines
		switch {
		case !r.Taken:
			continue
		case taken[id]:
			k.repeated++
			continue
		}
		taken[id] = true
		for i := range r.Events {
			name, _ := r.Events[i].Get("n")
			e := l.event(name.String())
			if e.entry == nil {
				fault("event %s was received, but nobody recorded it", name)
				continue
			}
			received[name.String()]++
			if e.entry.late {
				continue
			}
			if !last[e.entry.Producer].before(e) {
				fault("event %s arrived out of order", name)
			}
			last[e.entry.Producer] = e
		}
	}
	for key, e := range l.calls {
		for i := range e.Events {
			name := eventName(key, i)
			switch n := received[name]; {
			case n == 0 && e.accepted:
				fault("event %s was accepted and is lost", name)
			case n > 1 && !e.late:
				fault("event %s arrived %d times, under different Webhook-Ids", name, n)
			case n != received[eventName(key, 0)]:
				fault("of the call %s some events arrived, and some did not", key)
			}
		}
		if e.accepted {
			k.accepted += e.Events
		}
	}
	k.received += len(received)
	return faults
}

// eventName is the name of an event of the call with the key.
func eventName(key string, index int) string { return fmt.Sprintf("%s-%d", key, index) }

// event is one event of a call.
type event struct {
	entry *entry // nil if there is no such call
	index int
}

// event returns the event of that name.
func (l *ledger) event(name string) event {
	at := max(strings.LastIndexByte(name, '-'), 0)
	index, _ := strconv.Atoi(strings.TrimPrefix(name[at:], "-"))
	return event{l.calls[name[:at]], index}
}

// before tells whether e was recorded before f, by the same producer.
func (e event) before(f event) bool {
	if e.entry == nil {
		return true
	}
	a, b := e.entry.call, f.entry.call
	return cmp.Or(cmp.Compare(a.Life, b.Life), cmp.Compare(a.Number, b.Number), cmp.Compare(e.index, f.index)) < 0
}
