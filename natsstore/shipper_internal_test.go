package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// instance is a Shipper with a store of its own on the servers that it shares
// with others.
func instance(t *testing.T, cfg Config, siem *konnecttest.SIEM, hooks ...shipper.Hook) *shipper.Shipper {
	t.Helper()
	s, events := instanceOn(t, cfg, siem, hooks...)
	t.Cleanup(func() {
		require.NoError(t, s.Close(context.Background()))
		require.NoError(t, events.Close())
	})
	return s
}

// instanceOn is an instance that the test closes, and its store.
func instanceOn(t *testing.T, cfg Config, siem *konnecttest.SIEM, hooks ...shipper.Hook) (*shipper.Shipper, store.Store) {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	events, err := open(t.Context(), cfg)
	require.NoError(t, err)
	key, err := shipper.NewKey(make([]byte, shipper.KeyBytes))
	require.NoError(t, err)
	s, err := shipper.New(shipper.Config{
		Store:    events,
		Keys:     []shipper.Key{key},
		BatchAge: 20 * time.Millisecond,
		Hooks:    hooks,
		Delivery: delivery.Config{
			RootCAs:        siem.RootCAs(),
			AttemptTimeout: delivery.MaxAttemptTimeout, // an attempt ends by what the test is about
			Guard:          &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
		Logger: cfg.Logger,
	})
	require.NoError(t, err)
	return s, events
}

// deliveries counts the batches that an instance has delivered, by webhook.
type deliveries struct {
	mu sync.Mutex
	n  map[string]int
}

func (d *deliveries) DeliveryFinished(_ context.Context, id string, _ delivery.Result, _ time.Time, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n == nil {
		d.n = map[string]int{}
	}
	if err == nil {
		d.n[id]++
	}
}

func (d *deliveries) webhooks() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.n)
}

// configure switches a webhook on.
func configure(t *testing.T, s *shipper.Shipper, id string, siem *konnecttest.SIEM) {
	t.Helper()
	_, err := s.Update(t.Context(), id, webhook.Patch{
		Endpoint: webhook.Set(siem.URL()), Enabled: webhook.Set(true), LogFormat: webhook.Set(webhook.JSON),
		Authorization: webhook.Set(webhook.NewSecret("Bearer example-token")),
	})
	require.NoError(t, err)
}

// traces returns what tells the events apart.
func traces(events []auditlog.Event) []string {
	var all []string
	for i := range events {
		v, _ := events[i].Get("trace_id")
		all = append(all, fmt.Sprint(v))
	}
	return all
}

// eventually waits for what must become true.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, time.Minute, 5*time.Millisecond)
}

// Two instances and then a third share webhooks: each event arrives once, those
// of a webhook in order, and the third has its part without a restart.
func TestInstancesShare(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	cfg := config(t, single(t), 1)
	var done [3]deliveries
	a, b := instance(t, cfg, siem, &done[0]), instance(t, cfg, siem, &done[1])
	const webhooks, rounds = 40, 6
	id := func(i int) string { return fmt.Sprint("webhook/", i) }
	var want [webhooks][]string
	for i := range webhooks {
		configure(t, a, id(i), siem)
	}
	seed := uint64(0)
	record := func(s *shipper.Shipper) {
		for i := range webhooks {
			seed++
			events := konnecttest.Events(seed, 3, time.Now())
			for j := range events {
				events[j].Name = id(i)
			}
			require.NoError(t, s.Record(t.Context(), id(i), events...))
			want[i] = append(want[i], traces(events)...)
		}
	}
	for range rounds {
		record(a)
		record(b)
	}
	c := instance(t, cfg, siem, &done[2])
	for done[2].webhooks() < 3 { // it takes part
		record(c)
	}
	for i := range webhooks {
		require.NoError(t, b.Drain(t.Context(), id(i)))
	}
	require.Positive(t, done[0].webhooks())
	require.Positive(t, done[1].webhooks())

	byID := map[string][]auditlog.Event{}
	for _, e := range siem.Events() {
		byID[e.Name] = append(byID[e.Name], e)
	}
	for i := range webhooks {
		require.Empty(t, cmp.Diff(want[i], traces(byID[id(i)])), id(i))
	}
}

// What one instance changes the others know within a second, and whoever asks
// sees the status that another has found.
func TestInstancesAgree(t *testing.T) {
	t.Parallel()
	first := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	second := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	cfg := config(t, single(t), 1)
	a, b := instance(t, cfg, first), instance(t, cfg, first)
	configure(t, a, "w", first)
	eventually(t, func() bool {
		got, err := b.Get(t.Context(), "w")
		return err == nil && got.Endpoint == first.URL()
	})
	began := time.Now()
	_, err := a.Update(t.Context(), "w", webhook.Patch{Enabled: webhook.Set(false)})
	require.NoError(t, err)
	eventually(t, func() bool {
		got, err := b.Get(t.Context(), "w")
		return err == nil && !got.Enabled
	})
	t.Logf("a change was seen after %v", time.Since(began))

	// Recorded while it is off; switched on by the other instance.
	require.NoError(t, a.Record(t.Context(), "w", konnecttest.Events(1, 5, time.Now())...))
	_, err = b.Update(t.Context(), "w", webhook.Patch{Enabled: webhook.Set(true)})
	require.NoError(t, err)
	_, err = first.WaitEvents(t.Context(), 5)
	require.NoError(t, err)

	// An outage that one of them meets is what both tell, and its end.
	first.Otherwise(konnecttest.Step{Status: http.StatusUnauthorized})
	require.NoError(t, b.Record(t.Context(), "w", konnecttest.Events(2, 5, time.Now())...))
	for _, s := range []*shipper.Shipper{a, b} {
		eventually(t, func() bool {
			got, err := s.Status(t.Context(), "w")
			return err == nil && got.WebhookStatus == status.Inactive
		})
	}
	_, err = a.Update(t.Context(), "w", webhook.Patch{Endpoint: webhook.Set(second.URL())})
	require.NoError(t, err)
	// Its certificate is not trusted: the webhook stays inactive.
	first.Otherwise(konnecttest.Step{})
	_, err = b.Update(t.Context(), "w", webhook.Patch{Endpoint: webhook.Set(first.URL())})
	require.NoError(t, err)
	eventually(t, func() bool {
		got, err := a.Status(t.Context(), "w")
		return err == nil && got.WebhookStatus == status.Active
	})
	require.NoError(t, a.Drain(t.Context(), "w"))
}

// What one instance changes another breaks off an attempt for, wherever it is under
// way: the events go where they should by then.
func TestChangeBreaksOff(t *testing.T) {
	t.Parallel()
	slow := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	cfg := config(t, three(t), 3)
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	all := []*shipper.Shipper{instance(t, cfg, slow), instance(t, cfg, slow), instance(t, cfg, slow)}
	direct := opened(t, cfg)
	configure(t, all[0], "w", slow)
	slow.Script(konnecttest.Step{Delay: konnecttest.Hang})
	events := konnecttest.Events(1, 3, time.Now())
	require.NoError(t, all[0].Record(t.Context(), "w", events...))
	eventually(t, func() bool { // the batch is frozen, and so under way at once
		state, err := direct.State(t.Context(), "w")
		return err == nil && len(state.Frozen) == 1
	})
	began := time.Now()
	for _, s := range all[:2] { // one of them, at least, is not the one that has it
		_, err := s.Update(t.Context(), "w", webhook.Patch{LogFormat: webhook.Set(webhook.CEF)})
		require.NoError(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := slow.WaitEvents(ctx, len(events))
	require.NoError(t, err)
	t.Logf("delivered anew %v after the change", time.Since(began))
	require.Empty(t, cmp.Diff(traces(events), traces(got)))
	eventually(t, func() bool {
		for _, s := range all {
			got, err := s.Status(t.Context(), "w")
			if err != nil || got.WebhookStatus != status.Active || got.LastResponseCode != http.StatusOK {
				return false
			}
		}
		return true
	})
}

// A replay job goes on in another instance when the one that runs it ends, and what
// it has sent is not sent again.
func TestReplayGoesOn(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	cfg := config(t, single(t), 1)
	first, events := instanceOn(t, cfg, siem)
	configure(t, first, "w", siem)
	start := time.Now().Add(-time.Minute)
	const n = 1200
	require.NoError(t, first.Record(t.Context(), "w", konnecttest.Events(1, n, time.Now())...))
	require.NoError(t, first.Drain(t.Context(), "w"))
	before := len(siem.Requests())
	siem.Otherwise(konnecttest.Step{Delay: 300 * time.Millisecond})
	_, err := first.StartReplay(t.Context(), "w", start, time.Now().Add(time.Minute))
	require.NoError(t, err)
	eventually(t, func() bool { return len(siem.Requests()) > before })
	require.NoError(t, first.Close(t.Context()))
	require.NoError(t, events.Close())
	sent := len(siem.Requests())
	siem.Otherwise(konnecttest.Step{})
	second := instance(t, cfg, siem)
	eventually(t, func() bool {
		job, err := second.Replay(t.Context(), "w")
		return err == nil && job.Job.Status == webhook.JobCompleted && job.Sent == n
	})
	require.Greater(t, len(siem.Requests()), sent, "the second has sent the rest")
	got := siem.Events()
	require.Len(t, got, 2*n)
	require.Empty(t, cmp.Diff(traces(got[:n]), traces(got[n:])))
}

// A replay job runs once, in whichever instance.
func TestReplayOnce(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	cfg := config(t, single(t), 1)
	all := []*shipper.Shipper{instance(t, cfg, siem), instance(t, cfg, siem), instance(t, cfg, siem)}
	configure(t, all[0], "w", siem)
	start := time.Now().Add(-time.Minute)
	const n = 1200
	require.NoError(t, all[0].Record(t.Context(), "w", konnecttest.Events(1, n, time.Now())...))
	require.NoError(t, all[1].Drain(t.Context(), "w"))
	_, err := all[1].StartReplay(t.Context(), "w", start, time.Now().Add(time.Minute))
	require.NoError(t, err)
	eventually(t, func() bool {
		job, err := all[2].Replay(t.Context(), "w")
		return err == nil && job.Job.Status == webhook.JobCompleted && job.Sent == n
	})
	got := siem.Events()
	require.Len(t, got, 2*n)
	require.Empty(t, cmp.Diff(traces(got[:n]), traces(got[n:])))
}

// While the server is away, calls fail clearly or wait, a batch that is under way
// is delivered, and when it is back everything goes on and nothing was sent twice.
func TestConnectionLoss(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	server, err := natstest.Start(t.TempDir(), 1, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	cfg := config(t, server, 1)
	cfg.Lease = 30 * time.Second
	cfg.Options = []nats.Option{nats.ReconnectWait(50 * time.Millisecond)}
	s := instance(t, cfg, siem)
	direct, err := open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, direct.Close()) })
	configure(t, s, "w", siem)
	siem.Script(konnecttest.Step{Delay: 2 * time.Second})
	events := konnecttest.Events(1, 30, time.Now())
	require.NoError(t, s.Record(t.Context(), "w", events[:10]...))
	eventually(t, func() bool { // the batch is frozen, and so under way at once
		state, err := direct.State(t.Context(), "w")
		return err == nil && len(state.Frozen) == 1
	})

	server.StopOne(0)
	_, err = direct.Append(t.Context(), "x", "", store.Block{[]byte("x")})
	eventually(t, func() bool { // a call may meet the connection while it breaks
		_, err = direct.Append(t.Context(), "x", "", store.Block{[]byte("x")})
		return errors.Is(err, store.ErrUnavailable)
	})
	waiting := make(chan error, 1)
	go func() { waiting <- s.Record(t.Context(), "w", events[10:20]...) }()
	_, err = siem.WaitEvents(t.Context(), 10)
	require.NoError(t, err)
	require.NoError(t, server.StartOne(0))
	require.NoError(t, <-waiting)
	require.NoError(t, s.Record(t.Context(), "w", events[20:]...))
	require.NoError(t, s.Drain(t.Context(), "w"))
	require.Empty(t, cmp.Diff(traces(events), traces(siem.Events())))
	var seq uint64
	eventually(t, func() bool { // it connects again by itself, at its own time
		seq, err = direct.Append(t.Context(), "x", "", store.Block{[]byte("x")})
		return !errors.Is(err, store.ErrUnavailable)
	})
	require.NoError(t, err)
	require.Positive(t, seq)
}
