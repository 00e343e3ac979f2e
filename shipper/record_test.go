package shipper_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/cef"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// What no format can carry, or is too large, is refused with its place; the
// others of the call are not taken either.
func TestRecordRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		with := func(a ...auditlog.Attribute) []auditlog.Event {
			all := events("good", "bad")
			all[1].Attributes = append(all[1].Attributes, a...)
			return all
		}
		for name, test := range map[string]struct {
			events []auditlog.Event
			field  bool
		}{
			"key that CEF cannot carry":      {with(auditlog.String("a key", "x")), true},
			"key that JSON cannot carry":     {with(auditlog.String("n", "twice")), true},
			"key of the header in JSON":      {with(auditlog.String("severity", "x")), true},
			"number that is none":            {with(auditlog.Number("x", "1x")), true},
			"event that is larger than most": {with(auditlog.String("x", strings.Repeat("x", shipper.MaxEventBytes))), false},
		} {
			err := s.Record(t.Context(), hook, test.events...)
			var at *shipper.EventError
			require.ErrorAs(t, err, &at, name)
			require.Equal(t, 1, at.Index, name)
			var field *cef.FieldError
			require.Equal(t, test.field, errors.As(err, &field), "%s: %v", name, err)
		}
		var size *store.SizeError
		require.ErrorAs(t, s.Record(t.Context(), hook, make([]auditlog.Event, shipper.MaxRecordEvents+1)...), &size)
		large := events(strings.Repeat("x", 900_000))[0]
		require.ErrorAs(t, s.Record(t.Context(), hook, large, large, large, large, large), &size)
		require.NoError(t, s.Record(t.Context(), hook))
		pass(time.Minute)
		require.Empty(t, s.endpoint.names())

		err := s.Record(t.Context(), "unknown", events("x")...)
		var unconfigured *shipper.UnconfiguredError
		require.ErrorAs(t, err, &unconfigured)
		require.Equal(t, "unknown", unconfigured.ID)
		require.ErrorIs(t, err, shipper.ErrUnconfigured)
	})
}

func TestRecordOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		for range 3 {
			require.NoError(t, s.RecordOnce(t.Context(), hook, "key", events("1")...))
		}
		pass(time.Second)
		require.Equal(t, []string{"1"}, s.endpoint.names())
	})
}

// Each key that the store would take is one of its own, whatever it looks like.
func TestRecordOnceKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		keys := []string{"key", "$", "$key", "$key/", "$redrive/", strings.Repeat("$", store.MaxName), strings.Repeat("k", store.MaxName)}
		for range 2 {
			for i, key := range keys {
				require.NoError(t, s.RecordOnce(t.Context(), hook, key, events(strconv.Itoa(i))...))
			}
		}
		pass(time.Second)
		require.Equal(t, numbered(len(keys)), s.endpoint.names())
		for _, key := range []string{strings.Repeat("$", store.MaxName+1), strings.Repeat("k", store.MaxName+1), "$\n", "$\xff"} {
			var wrong *store.NameError
			require.ErrorAs(t, s.RecordOnce(t.Context(), hook, key, events("1")...), &wrong, "%q", key)
		}
	})
}

// A batch whose lines are longer than what is stored of them is split.
func TestBatchBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.Batch = delivery.Limits{Bytes: 5_000} })
		s.update(webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
		s.record(numbered(300)...)
		pass(2 * time.Second)
		require.Equal(t, numbered(300), s.endpoint.names())
		for _, r := range s.endpoint.received() {
			require.LessOrEqual(t, len(strings.Join(r.lines, "\n")), 5_000)
		}
	})
}

// The limits of what waits: for each webhook and for all, by number, bytes and
// age; calls fail at once, or wait for room.
func TestLimits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*shipper.Config)
		id     string
		limit  string
	}{
		"events":        {func(c *shipper.Config) { c.Limits.Events = 10 }, hook, "events"},
		"bytes":         {func(c *shipper.Config) { c.Limits.Bytes = 400 }, hook, "bytes"},
		"age":           {func(c *shipper.Config) { c.Limits.Age = time.Minute }, hook, "age"},
		"events of all": {func(c *shipper.Config) { c.TotalLimits.Events = 10 }, "", "events"},
		"bytes of all":  {func(c *shipper.Config) { c.TotalLimits.Bytes = 400 }, "", "bytes"},
		"age of all":    {func(c *shipper.Config) { c.TotalLimits.Age = time.Minute }, "", "age"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				e := newEndpoint(t, always(http.StatusServiceUnavailable))
				s := newSetup(t, e, test.change, func(c *shipper.Config) { c.FailWhenFull = true })
				s.record(numbered(8)...)
				pass(2 * time.Minute)
				err := s.Record(t.Context(), hook, events(numbered(8)...)...)
				var full *shipper.FullError
				require.ErrorAs(t, err, &full)
				require.ErrorIs(t, err, shipper.ErrFull)
				require.Equal(t, test.limit, full.Limit)
				require.Equal(t, test.id, full.ID)
				e.set(nil)
				pass(10 * time.Minute)
				s.record("more")
				pass(time.Second)
				require.Equal(t, append(numbered(8), "more"), e.names())
			})
		})
	}
}

// Far from its limits the store is seldom asked how much waits; near them it is
// asked each time.
func TestMeasuresSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &faultyStore{Store: memory(t)}
		s := start(t, newEndpoint(t, always(http.StatusServiceUnavailable)), f, sealing(keyOf(t, "k")), func(c *shipper.Config) {
			c.Limits.Events, c.FailWhenFull = 1000, true
		})
		s.configure()
		s.update(switchOff)
		asked := func() int { return f.called("State") + f.called("Total") }
		for _, step := range []struct {
			calls, asked int
			wait         time.Duration
		}{
			{calls: 490, asked: 2},                        // of the webhook and of all
			{calls: 10, asked: 1},                         // twice as many would be too many
			{calls: 10, asked: 2, wait: 11 * time.Second}, // others may have recorded
			{calls: 10, asked: 2, wait: 100 * time.Hour},
			{calls: 480, asked: 480, wait: time.Hour}, // each time where there is little room
		} {
			pass(step.wait)
			before := asked()
			for range step.calls {
				s.record("x")
			}
			require.LessOrEqual(t, asked()-before, step.asked)
		}
		require.ErrorIs(t, s.Record(t.Context(), hook, events("x")...), shipper.ErrFull)
	})
}

func TestBlocksUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEndpoint(t, always(http.StatusServiceUnavailable))
		s := newSetup(t, e, func(c *shipper.Config) { c.Limits.Events = 10 })
		s.record(numbered(10)...)
		pass(time.Minute)
		given := make(chan error, 2)
		go func() { given <- s.Record(t.Context(), hook, events("waits")...) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() { given <- s.Record(ctx, hook, events("gives up")...) }()
		pass(59 * time.Second)
		require.Empty(t, given)
		figures, err := s.Snapshot(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 2, figures.Blocked)
		pass(time.Second)
		err = <-given
		require.ErrorIs(t, err, shipper.ErrFull)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		e.set(nil)
		pass(5 * time.Minute)
		require.NoError(t, <-given)
		pass(time.Second)
		require.Equal(t, append(numbered(10), "waits"), e.names())
	})
}

// A call larger than a limit is taken when nothing waits.
func TestLargerThanTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(c *shipper.Config) { c.Limits.Events, c.FailWhenFull = 5, true })
		s.record(numbered(20)...)
		pass(time.Second)
		require.Equal(t, numbered(20), s.endpoint.names())
	})
}

// While the store is out of reach calls wait for it, or fail at once.
func TestStoreOutOfReach(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := &faultyStore{Store: memory(t)}
			s := start(t, newEndpoint(t, nil), f, sealing(keyOf(t, "k")), func(c *shipper.Config) { c.FailWhenFull = fails })
			s.configure()
			f.set(func(method string, _ int) error {
				if method == "Append" {
					return fmt.Errorf("%w: a test", store.ErrUnavailable)
				}
				return nil
			}, nil)
			given := make(chan error, 2)
			go func() { given <- s.Record(t.Context(), hook, events("waits")...) }()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() { given <- s.Record(ctx, hook, events("gives up")...) }()
			if fails {
				require.ErrorIs(t, <-given, store.ErrUnavailable)
				require.ErrorIs(t, <-given, store.ErrUnavailable)
				return
			}
			pass(59 * time.Second)
			require.Empty(t, given)
			pass(time.Second)
			err := <-given
			require.ErrorIs(t, err, store.ErrUnavailable)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			f.set(nil, nil)
			pass(2 * time.Second)
			require.NoError(t, <-given)
			pass(time.Second)
			require.Equal(t, []string{"waits"}, s.endpoint.names())
		})
	}
}

func TestBlockedCallsEndWithClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http.StatusServiceUnavailable)), func(c *shipper.Config) { c.Limits.Events = 1 })
		s.record("1")
		given := make(chan error, 2)
		go func() { given <- s.Record(t.Context(), hook, events("2")...) }()
		go func() { given <- s.Drain(t.Context(), hook) }()
		pass(time.Minute)
		require.NoError(t, s.Close(t.Context()))
		require.ErrorIs(t, <-given, shipper.ErrClosed)
		require.ErrorIs(t, <-given, shipper.ErrClosed)
		require.ErrorIs(t, s.Record(t.Context(), hook, events("3")...), shipper.ErrClosed)
		_, err := s.Report(t.Context(), hook)
		require.ErrorIs(t, err, shipper.ErrClosed)
		require.NoError(t, s.Close(t.Context()))
	})
}
