package auditlogotel_test

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/seed-6bcf82c5/auditlog/auditlogotel"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// idle is what a Shipper shows that nothing has happened to.
func idle() map[string]int64 {
	return map[string]int64{
		"auditlog.recorded.events":                               0,
		"auditlog.recorded.size":                                 0,
		"auditlog.attempts{auditlog.attempt.class=ok}":           0,
		"auditlog.attempts{auditlog.attempt.class=too_many}":     0,
		"auditlog.attempts{auditlog.attempt.class=client_error}": 0,
		"auditlog.attempts{auditlog.attempt.class=server_error}": 0,
		"auditlog.attempts{auditlog.attempt.class=other}":        0,
		"auditlog.attempts{auditlog.attempt.class=no_answer}":    0,
		"auditlog.delivered.events":                              0,
		"auditlog.delivered.size":                                0,
		"auditlog.dead_lettered.events":                          0,
		"auditlog.lost.events{auditlog.lost.reason=expired}":     0,
		"auditlog.lost.events{auditlog.lost.reason=damaged}":     0,
		"auditlog.queue.events":                                  0,
		"auditlog.queue.size":                                    0,
		"auditlog.queue.age":                                     0,
		"auditlog.webhooks.serving":                              0,
		"auditlog.webhooks.held":                                 0,
		"auditlog.record.blocked":                                0,
		"auditlog.skipped.events":                                0,
		"auditlog.replayed.events":                               0,
	}
}

// with returns idle with other values.
func with(changes map[string]int64) map[string]int64 {
	all := idle()
	maps.Copy(all, changes)
	return all
}

// A delivery with a retry, then an endpoint that takes nothing.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{})
	require.Empty(t, cmp.Diff(idle(), collect(t, s.reader)))

	s.siem.Script(konnecttest.Step{Status: http.StatusServiceUnavailable})
	s.record(webhookID, 2)
	require.NoError(t, s.Drain(t.Context(), webhookID))
	result := s.deliveries(1)[0]
	own, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	want := with(map[string]int64{
		"auditlog.recorded.events":                                                2,
		"auditlog.recorded.size":                                                  own.RecordedBytes,
		"auditlog.record.duration":                                                1,
		"auditlog.attempts{auditlog.attempt.class=server_error}":                  1,
		"auditlog.attempts{auditlog.attempt.class=ok}":                            1,
		"auditlog.attempt.duration{error.type=503,http.response.status_code=503}": 1,
		"auditlog.attempt.duration{http.response.status_code=200}":                1,
		"auditlog.delivered.events":                                               2,
		"auditlog.delivered.size":                                                 int64(result.Bytes),
		"auditlog.delivery.delay":                                                 1,
	})
	got := collect(t, s.reader)
	delete(want, "auditlog.webhooks.serving") // it may not have ended yet
	delete(got, "auditlog.webhooks.serving")
	require.Empty(t, cmp.Diff(want, got))

	s.siem.Otherwise(konnecttest.Step{Status: http.StatusForbidden})
	s.record(webhookID, 1)
	s.deliveries(1)
	got = collect(t, s.reader)
	require.EqualValues(t, 1, got["auditlog.webhooks.held"])
	require.EqualValues(t, 1, got["auditlog.queue.events"])
	require.Positive(t, got["auditlog.queue.size"])
	require.Positive(t, got["auditlog.queue.age"]) // it waited for others
	require.Eventually(t, func() bool {
		return collect(t, s.reader)["auditlog.webhooks.serving"] == 0
	}, time.Minute, time.Millisecond)
}

// What the hook counts is what the Shipper counts itself, with a dead letter
// among it, whatever order the events are tried in.
func TestFiguresAgree(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{})
	refusal := konnecttest.Step{Status: http.StatusRequestEntityTooLarge}
	s.siem.Script(refusal, refusal) // both events, then the first alone
	s.record(webhookID, 2)
	require.NoError(t, s.Drain(t.Context(), webhookID))
	require.NoError(t, s.Close(t.Context())) // hooks are told last
	own, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, own.Delivered+own.DeadLettered)
	got := collect(t, s.reader)
	for name, want := range map[string]int64{
		"auditlog.recorded.events":                               own.Recorded,
		"auditlog.recorded.size":                                 own.RecordedBytes,
		"auditlog.delivered.events":                              own.Delivered,
		"auditlog.delivered.size":                                own.DeliveredBytes,
		"auditlog.dead_lettered.events":                          own.DeadLettered,
		"auditlog.attempts{auditlog.attempt.class=ok}":           own.Attempts.OK,
		"auditlog.attempts{auditlog.attempt.class=client_error}": own.Attempts.ClientError,
	} {
		require.Equal(t, want, got[name], name)
	}
}

// ahead is a clock that is ahead of the store's.
type ahead struct{ store.SystemClock }

func (a ahead) Now() time.Time { return a.SystemClock.Now().Add(2 * time.Second) }

// While a call waits for room it is shown; what is passed over is, too.
func TestBlockedAndSkipped(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{}, func(cfg *shipper.Config) {
		cfg.Limits.Events = 1
		cfg.ResumeFromNow = true
		cfg.Clock = ahead{} // or what was recorded within the last second would be sent
	})
	s.update(webhookID, webhook.Patch{Enabled: webhook.Set(false)})
	s.record(webhookID, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Record(ctx, webhookID, konnecttest.Events(2, 1, time.Now())...) }()
	require.Eventually(t, func() bool {
		return collect(t, s.reader)["auditlog.record.blocked"] == 1
	}, time.Minute, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, shipper.ErrFull)
	require.Zero(t, collect(t, s.reader)["auditlog.record.blocked"])

	s.update(webhookID, webhook.Patch{Enabled: webhook.Set(true)})
	require.NoError(t, s.Drain(t.Context(), webhookID))
	require.EqualValues(t, 1, collect(t, s.reader)["auditlog.skipped.events"])
}

// By choice what happens is told apart by webhook.
func TestWebhookID(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{WebhookID: true})
	s.update("tenant-2", webhook.Patch{
		Endpoint:      webhook.Set(s.siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret("Bearer wrong")),
		Enabled:       webhook.Set(true),
	})
	s.record(webhookID, 3)
	require.NoError(t, s.Drain(t.Context(), webhookID))
	s.record("tenant-2", 1)
	s.deliveries(2)

	got := collect(t, s.reader)
	for _, observed := range []string{"queue.events", "queue.size", "queue.age", "webhooks.serving", "webhooks.held", "record.blocked", "skipped.events", "replayed.events"} {
		require.Contains(t, got, "auditlog."+observed)
		delete(got, "auditlog."+observed)
	}
	for _, size := range []string{"recorded", "delivered"} {
		require.Positive(t, got["auditlog."+size+".size{auditlog.webhook.id=tenant-1}"])
		delete(got, "auditlog."+size+".size{auditlog.webhook.id=tenant-1}")
	}
	require.Positive(t, got["auditlog.recorded.size{auditlog.webhook.id=tenant-2}"])
	delete(got, "auditlog.recorded.size{auditlog.webhook.id=tenant-2}")
	require.Empty(t, cmp.Diff(map[string]int64{
		"auditlog.recorded.events{auditlog.webhook.id=tenant-1}":                                               3,
		"auditlog.recorded.events{auditlog.webhook.id=tenant-2}":                                               1,
		"auditlog.record.duration{auditlog.webhook.id=tenant-1}":                                               1,
		"auditlog.record.duration{auditlog.webhook.id=tenant-2}":                                               1,
		"auditlog.attempts{auditlog.attempt.class=ok,auditlog.webhook.id=tenant-1}":                            1,
		"auditlog.attempts{auditlog.attempt.class=client_error,auditlog.webhook.id=tenant-2}":                  1,
		"auditlog.attempt.duration{auditlog.webhook.id=tenant-1,http.response.status_code=200}":                1,
		"auditlog.attempt.duration{auditlog.webhook.id=tenant-2,error.type=401,http.response.status_code=401}": 1,
		"auditlog.delivered.events{auditlog.webhook.id=tenant-1}":                                              3,
		"auditlog.delivery.delay{auditlog.webhook.id=tenant-1}":                                                1,
	}, got))
	for _, span := range s.spans.Ended() {
		if span.Name() == "auditlog.deliver" {
			require.Contains(t, attributes(span), "auditlog.webhook.id")
		}
	}
}

// A store that is closed has no figures, which is no reason for errors each
// time that metrics are collected. Others are told.
func TestRegisterAfterClose(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.reader.Collect(ctx, new(metricdata.ResourceMetrics)), context.Canceled)

	require.NoError(t, s.Close(t.Context()))
	require.Contains(t, collect(t, s.reader), "auditlog.queue.events") // what waits is still known
	require.NoError(t, s.store.Close())
	require.NotContains(t, collect(t, s.reader), "auditlog.queue.events")
}

// Events that are sent again are counted apart, and their attempts with all.
func TestReplayed(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{})
	began := s.clock.Now()
	s.record(webhookID, 2)
	require.NoError(t, s.Drain(t.Context(), webhookID))
	_, err := s.StartReplay(t.Context(), webhookID, began, s.clock.Now())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return collect(t, s.reader)["auditlog.replayed.events"] == 2
	}, time.Minute, time.Millisecond)
	got := collect(t, s.reader)
	require.EqualValues(t, 2, got["auditlog.delivered.events"])
	require.EqualValues(t, 2, got["auditlog.attempts{auditlog.attempt.class=ok}"])
}
