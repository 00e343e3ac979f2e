package diskstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// lab is a store in memory that can be damaged.
type lab struct {
	t     testing.TB
	fs    *memFS
	docs  *memDocs
	clock stillClock
	store.Store

	mu     sync.Mutex
	damage []*DamageError
}

func newLab(t testing.TB) *lab {
	fs := newMemFS()
	return &lab{t: t, fs: fs, docs: newMemDocs(fs), clock: newStillClock()}
}

func (l *lab) open() {
	l.t.Helper()
	require.NoError(l.t, l.tryOpen())
}

func (l *lab) tryOpen() error {
	cfg := Config{
		Clock: l.clock, SegmentBytes: 1 << 10, Retention: time.Hour,
		Lease: time.Minute, Logger: slog.New(slog.DiscardHandler),
		OnDamage: func(e *DamageError) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.damage = append(l.damage, e)
		},
	}
	log := newLog(cfg, l.fs, l.docs.marked)
	l.docs.mark = log.mark
	s, err := open(cfg, log, l.docs)
	l.Store = s
	return err
}

// reopen closes the store and opens it without a crash.
func (l *lab) reopen() {
	l.t.Helper()
	require.NoError(l.t, l.Close())
	l.open()
}

func (l *lab) append(stream string, events ...string) error {
	var b store.Block
	for _, e := range events {
		b = append(b, []byte(e))
	}
	_, err := l.Append(l.t.Context(), stream, "", b)
	return err
}

// read returns the stream's events, and how many errors were among them.
func (l *lab) read(stream string) (texts []string, damaged int) {
	l.t.Helper()
	for e, err := range l.Read(l.t.Context(), stream, store.From{}) {
		if err != nil {
			require.ErrorIs(l.t, err, store.ErrDamaged)
			damaged++
			continue
		}
		texts = append(texts, string(e.Data))
	}
	return texts, damaged
}

// segments returns the names of the segments, in order.
func (l *lab) segments() []string {
	names, err := l.fs.Names()
	require.NoError(l.t, err)
	return slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, suffix) })
}

// copyOf returns a lab with a copy of the files and documents, closed.
func (l *lab) copyOf(t testing.TB) *lab {
	c := newLab(t)
	for name, f := range l.fs.entries {
		c.fs.entries[name] = &memFile{fs: c.fs, data: bytes.Clone(f.data), durable: bytes.Clone(f.data)}
	}
	c.docs = l.docs.reboot(c.fs)
	return c
}

// filled returns a closed lab with a few segments, and the events in it.
func filled(t testing.TB) (*lab, []string) {
	l := newLab(t)
	l.open()
	var events []string
	for i := range 30 {
		e := []string{fmt.Sprintf("%02d-a %s", i, strings.Repeat("x", i)), fmt.Sprintf("%02d-b", i)}
		require.NoError(t, l.append("a", e...))
		require.NoError(t, l.append("b", "other"))
		events = append(events, e...)
	}
	require.NoError(t, l.Close())
	require.GreaterOrEqual(t, len(l.segments()), 4)
	return l, events
}

// isSubsequence tells whether all of some stand in all, in order.
func isSubsequence(some, all []string) bool {
	for _, e := range some {
		i := slices.Index(all, e)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}

// checkDamaged opens the store and checks that what is missing was reported,
// that the rest is in order, that it goes on, and that it is reported once.
func checkDamaged(t *testing.T, l *lab, segment string, events []string, what string) {
	t.Helper()
	l.open()
	got, _ := l.read("a")
	require.True(t, isSubsequence(got, events), "%s: %q", what, got)
	others, _ := l.read("b")
	if len(got) < len(events) || len(others) < 30 {
		require.NotEmpty(t, l.damage, "%s: events are missing and nobody says so", what)
	}
	for _, d := range l.damage {
		require.Equal(t, segment, d.Segment, what)
		require.Contains(t, d.Error(), fmt.Sprintf("segment %s at offset %d", d.Segment, d.Offset))
		require.ErrorIs(t, d, store.ErrDamaged)
	}
	n := len(l.damage)
	require.NoError(t, l.append("a", "later"), what)
	after, _ := l.read("a")
	require.Equal(t, append(slices.Clone(got), "later"), after, what)
	l.reopen()
	again, _ := l.read("a")
	require.Equal(t, after, again, what)
	require.Len(t, l.damage, n, "%s: the damage was reported again", what)
	require.NoError(t, l.Close())
}

func TestTruncatedAnywhere(t *testing.T) {
	t.Parallel()
	whole, events := filled(t)
	for _, which := range []int{0, len(whole.segments()) - 1} {
		name := whole.segments()[which]
		last := which == len(whole.segments())-1
		for size := range len(whole.fs.entries[name].data) {
			l := whole.copyOf(t)
			l.fs.entries[name].data = l.fs.entries[name].data[:size]
			if last {
				// The documents know how far the log has been.
				l.docs.marked = mark{Segment: mustParse(name).number, Size: int64(len(whole.fs.entries[name].data))}
			}
			checkDamaged(t, l, name, events, fmt.Sprintf("segment %d cut to %d bytes", which, size))
			require.NotEmpty(t, l.damage)
		}
	}
}

func mustParse(name string) *segment {
	s, ok := parseName(name)
	if !ok {
		panic(name)
	}
	return s
}

// A last segment that ends in the middle of a frame nobody was told of is cut.
func TestTornTail(t *testing.T) {
	t.Parallel()
	whole, events := filled(t)
	name := whole.segments()[len(whole.segments())-1]
	full := whole.fs.entries[name].data
	for size := segmentHeader + 1; size < len(full); size++ {
		l := whole.copyOf(t)
		l.fs.entries[name].data = slices.Clone(full[:size])
		l.open()
		got, damaged := l.read("a")
		require.Zero(t, damaged)
		require.Equal(t, events[:len(got)], got)
		for _, d := range l.damage {
			require.True(t, d.Torn)
			require.Contains(t, d.Error(), "never acknowledged")
		}
		require.NoError(t, l.append("a", "later"))
		l.reopen()
		again, _ := l.read("a")
		require.Equal(t, append(got, "later"), again)
		require.LessOrEqual(t, len(l.damage), 1)
		require.NoError(t, l.Close())
	}
}

func TestFlippedBytes(t *testing.T) {
	t.Parallel()
	whole, events := filled(t)
	name := whole.segments()[1]
	random := rand.New(rand.NewPCG(1, 2))
	size := len(whole.fs.entries[name].data)
	for at := range size {
		l := whole.copyOf(t)
		l.fs.entries[name].data[at] ^= byte(1 + random.IntN(255))
		checkDamaged(t, l, name, events, fmt.Sprintf("byte %d", at))
		require.Len(t, l.damage, 1, "byte %d", at)
		d := l.damage[0]
		require.True(t, d.Offset <= int64(at) && int64(at) < d.Offset+d.Length, "byte %d: %v", at, d)
		aside := l.fs.entries[d.Aside]
		require.NotNil(t, aside)
		flipped := whole.fs.entries[name].data[d.Offset : d.Offset+d.Length]
		require.Len(t, aside.data, len(flipped))
		require.NotEqual(t, flipped, aside.data)
	}
}

func TestZeroedRanges(t *testing.T) {
	t.Parallel()
	whole, events := filled(t)
	name := whole.segments()[1]
	size := len(whole.fs.entries[name].data)
	for start := 0; start < size; start += 7 {
		l := whole.copyOf(t)
		clear(l.fs.entries[name].data[start:min(start+256, size)])
		checkDamaged(t, l, name, events, fmt.Sprintf("zeros from %d on", start))
		require.NotEmpty(t, l.damage)
	}
}

// Unsent events whose frame still tells their stream are in its gap, once, also
// when the damage happens while the store is open.
func TestDamageLeavesGap(t *testing.T) {
	t.Parallel()
	for _, live := range []bool{false, true} {
		t.Run(fmt.Sprint("live ", live), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			l.open()
			require.NoError(t, l.append("a", "first"))
			require.NoError(t, l.append("a", "second", "third"))
			require.NoError(t, l.append("a", "fourth"))
			if !live {
				require.NoError(t, l.Close())
			}
			f := l.fs.entries[l.segments()[0]]
			l.fs.mu.Lock()
			f.data[bytes.Index(f.data, []byte("third"))] ^= 1
			l.fs.mu.Unlock()
			if !live {
				l.open()
			}
			for range 2 {
				c, err := l.Claim(t.Context())
				require.NoError(t, err)
				b, err := c.Batch(t.Context(), store.Limits{Events: 9, Bytes: 99})
				require.NoError(t, err)
				require.Equal(t, []string{"first", "fourth"}, []string{string(b.Events[0].Data), string(b.Events[1].Data)})
				require.Len(t, b.Events, 2)
				state, err := c.State(t.Context())
				require.NoError(t, err)
				require.Len(t, state.Gaps, 1)
				gap := state.Gaps[0]
				want := store.Gap{ID: gap.ID, Reason: store.Damaged, Events: 2, Bytes: 11, First: l.clock.Now(), Last: l.clock.Now()}
				require.Empty(t, cmp.Diff(want, gap))
				require.EqualValues(t, 2, state.Events)
				l.reopen()
			}
			require.Len(t, l.damage, 1)
			require.Equal(t, "a", l.damage[0].Stream)
			require.Equal(t, 2, l.damage[0].Events)
			_, damaged := l.read("a")
			require.Equal(t, 1, damaged)
			require.NoError(t, l.Close())
		})
	}
}

// Damage to the last frames is no torn write if they are known to be durable.
func TestDamagedTailIsNoTornWrite(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	require.NoError(t, l.append("a", "second"))
	_, err := l.Put(t.Context(), "k", nil, 0) // any document tells
	require.NoError(t, err)
	require.NoError(t, l.Close())
	f := l.fs.entries[l.segments()[0]]
	f.data[len(f.data)-1] ^= 1
	l.open()
	require.Len(t, l.damage, 1)
	require.False(t, l.damage[0].Torn)
	require.NoError(t, l.Close())
}

// A segment that becomes shorter while the store is open loses what is cut off,
// and nothing else: what is read before the end stays as it was recorded.
func TestTruncatedWhileOpen(t *testing.T) {
	t.Parallel()
	var events []string
	for i := range 3 {
		events = append(events, strings.Repeat(strconv.Itoa(i), 100))
	}
	filled := newLab(t)
	filled.open()
	for _, e := range events {
		require.NoError(t, filled.append("a", e))
	}
	name := filled.segments()[0]
	require.NoError(t, filled.Close())
	size := len(filled.fs.entries[name].data) // without what was allocated ahead
	for cut := range size - segmentHeader {
		l := filled.copyOf(t)
		l.open()
		f := l.fs.entries[name]
		f.data = f.data[:size-cut]
		claim, err := l.Claim(t.Context())
		require.NoError(t, err)
		batch, err := claim.Batch(t.Context(), store.Limits{Events: 10, Bytes: 1 << 20})
		if !errors.Is(err, store.ErrNoEvents) { // all is lost
			require.NoError(t, err)
		}
		for i, e := range batch.Events {
			require.Equal(t, events[i], string(e.Data), "without the last %d bytes", cut)
		}
		require.Equal(t, cut > 0, len(batch.Events) < len(events), "without the last %d bytes", cut)
		require.Equal(t, cut > 0, len(l.damage) > 0, "without the last %d bytes", cut)
		require.NoError(t, l.Close())
	}
}

func TestMissingSegment(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	_, err := l.Put(t.Context(), "k", nil, 0)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	delete(l.fs.entries, l.segments()[0])
	l.open()
	require.Len(t, l.damage, 1)
	require.ErrorContains(t, l.damage[0], "missing")
	require.NoError(t, l.append("a", "second"))
	require.NoError(t, l.Close())
}

// An event that contains a whole frame is not taken for one behind damage.
func TestFrameInsideEvent(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("b", "victim"))
	inner := l.fs.entries[l.segments()[0]].data[segmentHeader:]
	require.NoError(t, l.append("a", string(inner), "tail"))
	require.NoError(t, l.append("a", "last"))
	require.NoError(t, l.Close())
	// The same frame in another segment, whose salt is another.
	l.open()
	require.NoError(t, l.append("c", strings.Repeat("f", 900)))
	require.NoError(t, l.append("c", string(inner)))
	require.NoError(t, l.append("c", "last"))
	require.NoError(t, l.Close())
	f := l.fs.entries[l.segments()[1]]
	f.data[segmentHeader+9] ^= 1 // the header of the frame around it
	l.open()
	got, _ := l.read("b")
	require.Equal(t, []string{"victim"}, got)
	require.NoError(t, l.Close())
}

func TestUnknownVersion(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	require.NoError(t, l.Close())
	s := mustParse(l.segments()[0])
	head := s.header(nil)
	head[8] = formatVersion + 1
	resum(head)
	copy(l.fs.entries[s.name()].data, head)
	err := l.tryOpen()
	var format *FormatError
	require.ErrorAs(t, err, &format)
	require.EqualValues(t, formatVersion+1, format.Version)
	require.ErrorContains(t, err, s.name())
}

// Whatever fails, Append says so, nothing accepted is hurt, and it goes on.
func TestFaults(t *testing.T) {
	t.Parallel()
	disk := errors.New("input/output error")
	tests := []struct {
		name, op string
		err      error
		full     bool
	}{
		{"no room to write", "write", syscall.ENOSPC, true},
		{"no quota to write", "write", errQuota, true},
		{"a failing write", "write", disk, false},
		{"a failing sync", "sync", disk, false},
		{"no room to sync", "sync", syscall.ENOSPC, true},
		{"a failing creation", "create", disk, false},
		{"no room for a file", "create", syscall.ENOSPC, true},
		{"a failing directory sync", "syncdir", disk, false},
	}
	for _, tt := range tests {
		for _, truncate := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", truncating fails ", truncate), func(t *testing.T) {
				t.Parallel()
				l := newLab(t)
				l.open()
				var want []string
				failed := 0
				for round := range 20 {
					for i := range 3 {
						e := fmt.Sprint(round, "-", i, strings.Repeat("x", 30))
						require.NoError(t, l.append("a", e))
						want = append(want, e)
					}
					l.setFault(func(op string) error {
						if op == tt.op || truncate && op == "truncate" {
							return tt.err
						}
						return nil
					})
					e := fmt.Sprint("failing in ", round, strings.Repeat("x", 100))
					switch err := l.append("a", e); err {
					case nil: // no file had to be created
						want = append(want, e)
					default:
						failed++
						require.ErrorIs(t, err, tt.err)
						require.Equal(t, tt.full, errors.Is(err, store.ErrFull))
					}
					l.setFault(func(string) error { return nil })
				}
				require.Positive(t, failed)
				got, _ := l.read("a")
				require.Equal(t, want, got)
				l.reopen()
				// What nobody could cut off may have been accepted after all.
				got, _ = l.read("a")
				require.Equal(t, want, got[:len(want)])
				if len(got) > len(want) {
					require.True(t, truncate && tt.op == "sync")
					require.Equal(t, "failing in 19"+strings.Repeat("x", 100), strings.Join(got[len(want):], ""))
				}
				for _, d := range l.damage {
					require.True(t, d.Torn, "%v", d)
				}
				require.NoError(t, l.Close())
			})
		}
	}
}

func (l *lab) setFault(fail func(string) error) {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	l.fs.fail = fail
}

// Where even the copy of damage has no room, the damage is still reported.
func TestNoRoomToSetAside(t *testing.T) {
	t.Parallel()
	whole, _ := filled(t)
	name := whole.segments()[1]
	whole.fs.entries[name].data[100] ^= 1
	whole.fs.fail = func(op string) error {
		if op == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	whole.open()
	require.Len(t, whole.damage, 1)
	require.Empty(t, whole.damage[0].Aside)
	require.NoError(t, whole.Close())
}

// An error of the medium is no damage: nothing is given up for it.
func TestReadErrorAtOpen(t *testing.T) {
	t.Parallel()
	l, events := filled(t)
	disk := errors.New("input/output error")
	reads := 0
	l.fs.fail = func(op string) error {
		if op == "read" {
			if reads++; reads > 3 {
				return disk
			}
		}
		return nil
	}
	require.ErrorIs(t, l.tryOpen(), disk)
	require.Empty(t, l.damage)
	l.fs.fail = func(string) error { return nil }
	l.open()
	got, _ := l.read("a")
	require.Equal(t, events, got)
	require.NoError(t, l.Close())
}

func FuzzSegment(f *testing.F) {
	l, _ := filled(f)
	for _, name := range l.segments() {
		f.Add(l.fs.entries[name].data, uint64(0))
		f.Add(l.fs.entries[name].data, mustParse(name).salt)
	}
	f.Fuzz(func(t *testing.T, data []byte, salt uint64) {
		s := scanner{r: bytes.NewReader(data), limit: int64(len(data)), salt: salt, offset: segmentHeader}
		end := int64(segmentHeader)
		for {
			it, err := s.next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			require.Equal(t, end, it.offset, "something was skipped")
			require.Positive(t, it.length)
			end += it.length
			if it.err == nil {
				events, err := it.events(it.data)
				if err == nil {
					require.Len(t, events, it.count)
				}
			}
		}
		require.Equal(t, max(end, int64(len(data))), max(int64(len(data)), segmentHeader))
	})
}
