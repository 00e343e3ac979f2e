//go:build unix

package natsstore_test

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// call is a call of Record.
type call struct {
	Instance, Life, Producer, Number int

	Webhook string
	Events  int
	Began   time.Time // the first time, if it was repeated
}

func (c call) key() string {
	return fmt.Sprintf("%d-%d-%d-%d", c.Instance, c.Life, c.Producer, c.Number)
}

// events returns the events of the call.
func (c call) events() []auditlog.Event {
	var all []auditlog.Event
	for i := range c.Events {
		e := auditlog.Event{Attributes: []auditlog.Attribute{
			auditlog.String("n", eventName(c.key(), i)),
			auditlog.String("msg", strings.Repeat("x", 50*i)),
		}}
		e.Vendor, e.Product, e.Version, e.ClassID, e.Name = "Acme", "Test", "1", "class", "name"
		all = append(all, e)
	}
	return all
}

// eventName is the name of an event of the call with the key.
func eventName(key string, index int) string { return fmt.Sprintf("%s-%d", key, index) }

// ledger is what the instances said of their calls of Record, apart from
// anything that they stored.
type ledger struct {
	mu    sync.Mutex
	calls map[string]*entry
	open  map[[2]int]call // by instance and producer, the call that was not seen to end
	tally map[string]int  // what else they said
}

type entry struct {
	call
	accepted time.Time // zero if the call was not seen to succeed
	refused  bool      // for certain: nothing was kept
}

func newLedger() *ledger {
	return &ledger{calls: map[string]*entry{}, open: map[[2]int]call{}, tally: map[string]int{}}
}

// note notes what an instance says, if it is for the ledger.
func (l *ledger) note(line string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "began":
		var c call
		if err := json.Unmarshal([]byte(rest), &c); err != nil {
			return false
		}
		if l.calls[c.key()] == nil {
			l.calls[c.key()] = &entry{call: c}
		}
		if c.Producer != forgetful {
			l.open[[2]int{c.Instance, c.Producer}] = c
		}
	case "accepted":
		at, key, _ := strings.Cut(rest, " ")
		nanoseconds, err := strconv.ParseInt(at, 10, 64)
		e := l.calls[key]
		if err != nil || e == nil {
			return false
		}
		e.accepted = time.Unix(0, nanoseconds)
		delete(l.open, [2]int{e.Instance, e.Producer})
	case "refused":
		e := l.calls[rest]
		if e == nil {
			return false
		}
		e.refused = true
	case "met":
		l.tally[rest]++
	default:
		return false
	}
	return true
}

// repeat returns the calls for the next life of an instance to repeat.
func (l *ledger) repeat(instance int) []call {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []call
	for of, c := range l.open {
		if of[0] == instance {
			all = append(all, c)
		}
	}
	return all
}

// figures is what the receiver saw.
type figures struct {
	accepted, refused, received int // events

	requests, batches int
	repeated          int // batches taken more than once
	handedOver        int // batches that several instances sent
	moves             int // of webhooks to another instance
}

// check returns what is wrong with what was received, and counts it.
func (l *ledger) check(requests []konnecttest.Request) (f figures, faults []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	batches := map[string]*batch{}  // by Webhook-Id
	received := map[string]int{}    // events of a call, without those of repeated batches
	begun := map[string]time.Time{} // by webhook, the last beginning of a call that was received
	sender := map[string]string{}   // by webhook
	for _, r := range requests {
		if r.Err != nil || len(r.Lines) == 0 { // it was broken off
			continue
		}
		f.requests++
		hook, from := path.Base(r.Path), r.Header.Get("User-Agent")
		if sender[hook] != "" && sender[hook] != from {
			f.moves++
		}
		sender[hook] = from
		b := batches[r.BatchID()]
		if b == nil {
			b = &batch{lines: r.Lines, from: from}
			batches[r.BatchID()] = b
		}
		if !slices.Equal(b.lines, r.Lines) {
			fault("batch %s was repeated with other events", r.BatchID())
		}
		if b.from != from && !b.handedOver {
			b.handedOver = true
			f.handedOver++
		}
		if !r.Taken {
			continue
		}
		if b.taken {
			f.repeated++
			continue
		}
		b.taken = true
		for i := range r.Events {
			name, _ := r.Events[i].Get("n")
			e, index := l.event(name.String())
			switch {
			case e == nil:
				fault("event %s was received, but nobody recorded it", name)
				continue
			case e.Webhook != hook:
				fault("event %s of %s was received for %s", name, e.Webhook, hook)
			case index < received[e.key()]:
				fault("event %s arrived once more, in batch %s", name, r.BatchID())
			case index > received[e.key()]:
				fault("event %s arrived before those before it", name)
			case !e.accepted.IsZero() && e.accepted.Before(begun[hook]):
				fault("event %s arrived behind one that was recorded %v after it was accepted", name, begun[hook].Sub(e.accepted))
			}
			received[e.key()]++
			if e.Began.After(begun[hook]) {
				begun[hook] = e.Began
			}
		}
	}
	for key, e := range l.calls {
		n := received[key]
		switch {
		case n < e.Events && !e.accepted.IsZero():
			fault("of the call %s, accepted at %v for %s, %d of %d events arrived: the others are lost", key, e.accepted, e.Webhook, n, e.Events)
		case n > 0 && e.refused:
			fault("of the call %s, which was refused, %d events arrived", key, n)
		case n > 0 && n < e.Events:
			fault("of the call %s, which was not accepted, %d of %d events arrived", key, n, e.Events)
		}
		if !e.accepted.IsZero() {
			f.accepted += e.Events
		}
		if e.refused {
			f.refused += e.Events
		}
		f.received += n
	}
	f.batches = len(batches)
	return f, faults
}

// batch is what was sent under a Webhook-Id.
type batch struct {
	lines      []string
	from       string // the first who sent it
	handedOver bool
	taken      bool
}

// event returns the call that an event of that name belongs to, nil if there is
// none, and its place there.
func (l *ledger) event(name string) (*entry, int) {
	at := max(strings.LastIndexByte(name, '-'), 0)
	index, _ := strconv.Atoi(strings.TrimPrefix(name[at:], "-"))
	return l.calls[name[:at]], index
}
