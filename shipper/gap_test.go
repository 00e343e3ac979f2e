package shipper_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
)

// losses keeps what hooks are told of gaps.
type losses struct {
	mu  sync.Mutex
	all []store.Gap
}

func (l *losses) EventsLost(_ context.Context, _ string, gap store.Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, gap)
}

// forAnHour is a memory store that keeps events for an hour.
func forAnHour(t testing.TB) store.Store {
	return memory(t, func(cfg *memstore.Config) { cfg.Retention = time.Hour })
}

// What retention removes unsent is shown, and told in the stream, once: how many
// events, from when to when, and why.
func TestGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := &losses{}
		s := start(t, newEndpoint(t, always(http503)), forAnHour(t), func(cfg *shipper.Config) {
			cfg.Hooks = []shipper.Hook{told}
			cfg.Source = shipper.Source{Host: "host.example", Vendor: "Acme", Product: "Service", Version: "7"}
		})
		s.configure()
		began := time.Now().UTC()
		s.record("1", "2")
		pass(10 * time.Minute)
		s.record("3")
		pass(55 * time.Minute)
		s.record("4")
		pass(20 * time.Minute)
		require.Empty(t, cmp.Diff([]store.Gap{{
			Reason: store.Expired, Events: 3, First: began, Last: began.Add(10 * time.Minute),
		}}, s.report().Gaps, cmpopts.IgnoreFields(store.Gap{}, "ID", "Bytes")))
		require.EqualValues(t, 1, s.report().Unsent.Events)
		require.Empty(t, told.all)
		require.Zero(t, s.snapshot().Lost)

		s.endpoint.set(nil)
		pass(10 * time.Minute)
		require.Equal(t, []string{"4", shipper.GapClass}, s.endpoint.names())
		all := s.endpoint.received()
		got, err := auditlog.CEF.Parse([]byte(all[len(all)-1].lines[0]))
		require.NoError(t, err)
		want := auditlog.Event{Attributes: []auditlog.Attribute{
			auditlog.Int("rt", got.Time.UnixMilli()),
			auditlog.String("reason", "expired"),
			auditlog.String("cnt", "3"),
			auditlog.String("start", fmt.Sprint(began.UnixMilli())),
			auditlog.String("end", fmt.Sprint(began.Add(10*time.Minute).UnixMilli())),
			auditlog.String("msg", "events were not delivered within the retention time and have been removed"),
		}}
		want.Time, want.Host, want.Vendor, want.Product, want.Version = got.Time, "host.example", "Acme", "Service", "7"
		want.ClassID, want.Name, want.Severity = shipper.GapClass, "Audit log events were lost", 10
		require.Empty(t, cmp.Diff(want, got, cmp.AllowUnexported(auditlog.Value{})))
		require.Empty(t, s.report().Gaps)
		require.Len(t, told.all, 1)
		require.EqualValues(t, 3, told.all[0].Events)
		require.EqualValues(t, 3, s.snapshot().Lost)
		require.Contains(t, s.logs.String(), "audit log events were lost unsent")
		pass(24 * time.Hour)
		require.Len(t, s.endpoint.names(), 2)
	})
}

// If nothing is left the gap is told as soon as the endpoint is tried again.
func TestGapAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newEndpoint(t, always(http503)), forAnHour(t))
		s.configure()
		s.record("1")
		pass(2 * time.Hour)
		s.requireStatus(true, status.Inactive, http503)
		s.endpoint.set(nil)
		pass(5 * time.Minute)
		require.Equal(t, []string{shipper.GapClass}, s.endpoint.names())
		s.requireStatus(true, status.Active, 200)
		require.NoError(t, s.Drain(t.Context(), hook))
	})
}

// A gap waits while the webhook is off; Drain waits for it.
func TestGapWhileOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newEndpoint(t, nil), forAnHour(t))
		s.configure()
		s.update(switchOff)
		s.record("1", "2")
		pass(5 * time.Hour)
		require.Empty(t, s.endpoint.received())
		require.EqualValues(t, 2, s.report().Gaps[0].Events)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, s.Drain(ctx, hook), context.DeadlineExceeded)
		s.update(switchOn)
		require.NoError(t, s.Drain(t.Context(), hook))
		require.Equal(t, []string{shipper.GapClass}, s.endpoint.names())
	})
}

// While there is no room for the event of a gap, it waits, and nobody spins.
func TestGapWithoutRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultyStore{Store: forAnHour(t)}
		s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")))
		s.configure()
		s.update(switchOff)
		s.record("1")
		pass(3 * time.Hour)
		f.set(func(method string, _ int) error {
			if method == "Append" {
				return fmt.Errorf("%w: a test", store.ErrFull)
			}
			return nil
		}, nil)
		s.update(switchOn)
		pass(time.Minute)
		require.LessOrEqual(t, f.called("Claim"), 130)
		require.Len(t, s.report().Gaps, 1)
		f.set(nil, nil)
		pass(3 * time.Second)
		require.Equal(t, []string{shipper.GapClass}, s.endpoint.names())
	})
}

// What could not be read any more is told as damaged; what stands behind it is
// sent.
func TestDamageGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := damaged(t, newEndpoint(t, nil))
		pass(2 * time.Second)
		require.Equal(t, []string{"1", "3", shipper.GapClass}, s.endpoint.names())
		e, err := auditlog.CEF.Parse([]byte(s.endpoint.received()[0].lines[2]))
		require.NoError(t, err)
		v, _ := e.Get("reason")
		require.Equal(t, "damaged", v.String())
		v, _ = e.Get("msg")
		require.Equal(t, "events could not be read any more from the store", v.String())
		require.EqualValues(t, 1, s.snapshot().Lost)

		var got []string
		for r, err := range s.Events(t.Context(), hook, store.From{}) {
			if errors.Is(err, store.ErrDamaged) {
				continue
			}
			require.NoError(t, err)
			if v, ok := r.Event.Get("n"); ok {
				got = append(got, v.String())
			}
		}
		require.Equal(t, []string{"1", "3"}, got)
	})
}

// The source of the Shipper's own events must be one that every format carries.
func TestSourceIsChecked(t *testing.T) {
	t.Parallel()
	for name, source := range map[string]shipper.Source{
		"space in the host": {Host: "a b"},
		"CEF in the host":   {Host: "CEF:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := shipper.New(shipper.Config{Store: memory(t), Source: source})
			require.ErrorContains(t, err, "shipper: Source")
		})
	}
}
