package diskstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// stillClock stands still until it is moved. Nothing sleeps by it: the tests
// remove what is too old themselves.
type stillClock struct{ since *atomic.Int64 }

func newStillClock() stillClock { return stillClock{new(atomic.Int64)} }

func (c stillClock) Now() time.Time {
	return time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(c.since.Load()))
}

func (c stillClock) Sleep(ctx context.Context, _ time.Duration) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// machine is a store on a file system that can crash, and what its user knows.
type machine struct {
	fs     *memFS
	docs   *memDocs
	clock  stillClock
	store  *core.Store
	damage []string

	accepted map[string][]accepted  // by stream, what Append returned nil for
	maybe    map[string][]accepted  // an Append that was interrupted
	acked    map[string]int         // how many events were acknowledged
	gaps     map[string]int         // how many are in gaps that were cleared
	doubt    map[string]bool        // whether either was interrupted
	gone     map[string]int         // how many retention has removed for certain
	frozen   map[string]store.Batch // the last batch that was not acknowledged
	n        int
	removed  []string // files that retention has removed
}

type accepted struct {
	text string
	at   time.Time
}

func newMachine(crashAt int, after bool) *machine {
	fs := newMemFS()
	fs.crashAt, fs.after = crashAt, after
	m := &machine{
		fs: fs, docs: newMemDocs(fs), clock: newStillClock(),
		accepted: map[string][]accepted{}, maybe: map[string][]accepted{}, acked: map[string]int{},
		gaps: map[string]int{}, doubt: map[string]bool{}, gone: map[string]int{}, frozen: map[string]store.Batch{},
	}
	return m
}

const crashRetention = time.Hour

func (m *machine) open() error {
	cfg := Config{
		Clock: m.clock, SegmentBytes: 1 << 10, Retention: crashRetention,
		Lease: time.Minute, Logger: slog.New(slog.DiscardHandler),
		OnDamage: func(e *DamageError) {
			if !e.Torn {
				m.damage = append(m.damage, e.Error())
			}
		},
	}
	l := newLog(cfg, m.fs, m.docs.marked)
	m.docs.mark = l.mark
	s, err := open(cfg, l, m.docs)
	if err != nil {
		return err
	}
	m.store = s.(*core.Store)
	return nil
}

// work uses the store until it is done or the machine goes down.
func (m *machine) work(ctx context.Context, random *rand.Rand) error {
	for range 45 {
		stream := fmt.Sprint("stream-", random.IntN(3))
		switch random.IntN(8) {
		case 0, 1, 2, 3:
			events := make([]string, 1+random.IntN(3))
			for i := range events {
				m.n++
				events[i] = fmt.Sprint("event ", m.n, strings.Repeat(".", random.IntN(60)))
			}
			if err := m.append(ctx, stream, events); err != nil {
				return err
			}
		case 4, 5, 6:
			if err := m.deliver(ctx); err != nil {
				return err
			}
		case 7:
			m.clock.since.Add(int64(crashRetention / 3))
			if err := m.expire(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *machine) append(ctx context.Context, stream string, events []string) error {
	var b store.Block
	var added []accepted
	for _, e := range events {
		b = append(b, []byte(e))
		added = append(added, accepted{e, m.clock.Now()})
	}
	_, err := m.store.Append(ctx, stream, "", b)
	if err != nil {
		m.maybe[stream] = added
		return err
	}
	m.accepted[stream] = append(m.accepted[stream], added...)
	return nil
}

// deliver takes a batch of whatever stream has one, and sometimes keeps it.
func (m *machine) deliver(ctx context.Context) error {
	total, err := m.store.Total(ctx)
	if err != nil || total.Events == 0 {
		return err
	}
	c, err := m.store.Claim(ctx)
	if err != nil {
		return err
	}
	state, err := c.State(ctx)
	if err != nil {
		return err
	}
	for _, gap := range state.Gaps {
		if err := c.ClearGap(ctx, gap.ID); err != nil {
			m.doubt[c.Stream()] = true
			return err
		}
		m.gaps[c.Stream()] += int(gap.Events)
	}
	b, err := c.Batch(ctx, store.Limits{Events: 2, Bytes: 100})
	if errors.Is(err, store.ErrNoEvents) {
		return c.Release(ctx, store.Wait{})
	}
	if err != nil {
		return err
	}
	m.frozen[c.Stream()] = b
	if m.n%3 > 0 {
		delete(m.frozen, c.Stream())
		if err := c.Ack(ctx, b.ID, []byte(fmt.Sprint(m.n)), store.Limits{}); err != nil {
			m.doubt[c.Stream()] = true
			return err
		}
		m.acked[c.Stream()] += len(b.Events)
	}
	return c.Release(ctx, store.Wait{})
}

// expire removes what is too old, and notes what may not come back.
func (m *machine) expire(ctx context.Context) error {
	before, err := m.fs.Names()
	if err != nil {
		return err
	}
	if err := m.store.Expire(); err != nil {
		return err
	}
	// The store does so by itself as well. If the machine went down on that,
	// what is missing now is not gone for certain.
	after, err := m.fs.Names()
	if err != nil {
		return err
	}
	for _, name := range before {
		if !slices.Contains(after, name) {
			m.removed = append(m.removed, name)
		}
	}
	for stream, events := range m.accepted {
		got, _, err := m.read(ctx, stream)
		if err != nil {
			return err
		}
		m.gone[stream] = len(events) - len(got)
	}
	return nil
}

func (m *machine) read(ctx context.Context, stream string) (texts []string, at []store.Position, err error) {
	for e, err := range m.store.Read(ctx, stream, store.From{}) {
		if err != nil {
			return nil, nil, err
		}
		texts, at = append(texts, string(e.Data)), append(at, e.Position)
	}
	return texts, at, nil
}

// check tells what is wrong with the store after a crash, and takes over what
// was in doubt.
func (m *machine) check(ctx context.Context) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for _, d := range m.damage {
		fault("damage: %s", d)
	}
	for i := range 3 {
		stream := fmt.Sprint("stream-", i)
		got, at, err := m.read(ctx, stream)
		if err != nil {
			fault("reading %s: %v", stream, err)
			continue
		}
		want := m.accepted[stream]
		if maybe := m.maybe[stream]; len(maybe) > 0 && len(got) > 0 && got[len(got)-1] == maybe[len(maybe)-1].text {
			want = append(slices.Clone(want), maybe...)
		}
		missing := len(want) - len(got)
		if missing < m.gone[stream] {
			fault("%s: retention has removed %d events, but only %d are missing", stream, m.gone[stream], missing)
			continue
		}
		for i, w := range want {
			if i >= missing && got[i-missing] != w.text {
				fault("%s: event %d is %q, not %q", stream, i, got[i-missing], w.text)
			} else if i < missing && m.clock.Now().Sub(w.at) <= crashRetention {
				fault("%s: %q is missing", stream, w.text)
			}
		}
		m.accepted[stream] = want

		state, err := m.store.State(ctx, stream)
		if err != nil {
			fault("state of %s: %v", stream, err)
			continue
		}
		left := int(state.Events)
		for _, gap := range state.Gaps {
			left += int(gap.Events)
		}
		if sent := len(want) - left - m.gaps[stream]; sent != m.acked[stream] && !m.doubt[stream] {
			fault("%s: %d events count as sent, %d were", stream, sent, m.acked[stream])
		} else {
			m.acked[stream] = sent
		}
		b, ok := m.frozen[stream]
		if ok && slices.Contains(at, b.Events[0].Position) && !m.doubt[stream] &&
			!slices.ContainsFunc(state.Frozen, func(f store.Frozen) bool { return f.ID == b.ID }) {
			fault("%s: batch %s is not frozen", stream, b.ID)
		}
	}
	clear(m.maybe)
	clear(m.doubt)
	return faults
}

// run works, crashes, reboots, checks, and works on until the next crash. If
// kill is set, only the process dies the first time.
func (m *machine) run(ctx context.Context, seed uint64, kill bool) (crashed bool, faults []string) {
	random := rand.New(rand.NewPCG(seed, 7))
	for range 2 {
		m.fs.torn = random.IntN
		err := m.open()
		if err == nil {
			err = m.work(ctx, random)
			err = errors.Join(err, m.store.Close())
		}
		if !m.fs.down && err != nil {
			return crashed, append(faults, "without a crash: "+err.Error())
		}
		crashed = crashed || m.fs.down
		if kill {
			m.fs, kill = m.fs.kill(), false
		} else {
			m.fs = m.fs.reboot()
		}
		m.docs = m.docs.reboot(m.fs)
		for _, name := range m.removed {
			if m.fs.entries[name] != nil {
				faults = append(faults, name+" was removed and came back")
			}
		}
		if err := m.open(); err != nil {
			return crashed, append(faults, "opening after the crash: "+err.Error())
		}
		if err := m.expire(ctx); err != nil { // and so wait for the one that Open begins
			faults = append(faults, "expiring after the crash: "+err.Error())
		}
		faults = append(faults, m.check(ctx)...)
		if err := m.store.Close(); err != nil {
			faults = append(faults, "closing after the crash: "+err.Error())
		}
		if len(faults) > 0 || !crashed {
			return crashed, faults
		}
		m.fs.crashAt, m.fs.after = m.fs.steps+random.IntN(100), random.IntN(2) == 0
	}
	return crashed, faults
}

func TestCrashPoints(t *testing.T) {
	t.Parallel()
	points := 0
	var kinds map[string]int
	for seed := range uint64(3) {
		for at, crashed := 0, true; crashed; at++ {
			for _, kill := range []bool{false, true} {
				for _, after := range []bool{false, true} {
					m := newMachine(at, after)
					first := m.fs
					var faults []string
					crashed, faults = m.run(t.Context(), seed, kill)
					require.Empty(t, faults, "seed %d, step %d, down after it %v, only the process %v", seed, at, after, kill)
					if crashed {
						points++
					} else {
						kinds = first.kinds
					}
				}
			}
		}
	}
	t.Logf("%d crash points; steps of the last run, which had none: %v", points, kinds)
	require.GreaterOrEqual(t, points, 1000)
}

// Every kind of sync is needed: without it, some crash does harm that the test
// above sees.
func TestEverySyncIsNeeded(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{
		"header", "data", "found", "directory after creation", "directory after removal", "documents",
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(6) {
				for at, crashed := 0, true; crashed; at++ {
					for _, kill := range []bool{false, true} {
						m := newMachine(at, true)
						m.fs.lax = kind
						var faults []string
						if crashed, faults = m.run(t.Context(), seed, kill); len(faults) > 0 {
							t.Logf("seed %d, crash after step %d: %s", seed, at, faults[0])
							return
						}
					}
				}
			}
			t.Error("leaving it out did no harm")
		})
	}
}
