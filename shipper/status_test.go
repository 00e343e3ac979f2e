package shipper_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The rows of the status table, after each act and each outcome.
func TestStatusTable(t *testing.T) {
	t.Parallel()
	on, off := webhook.Patch{Enabled: webhook.Set(true)}, webhook.Patch{Enabled: webhook.Set(false)}
	other := webhook.Patch{Endpoint: webhook.Set("https://example.com/other")}
	set := webhook.Patch{
		Endpoint:      webhook.Set("https://example.com" + path),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
	}
	half := webhook.Patch{Authorization: set.Authorization, LogFormat: webhook.Set(webhook.JSON)}
	act := func(patch webhook.Patch) func(*setup) { return func(s *setup) { s.update(patch) } }
	ship := func(code int) func(*setup) {
		return func(s *setup) {
			s.endpoint.set(always(code))
			s.record("1")
			pass(20 * time.Second)
		}
	}
	remove := func(s *setup) { require.NoError(s.t, s.Delete(s.t.Context(), hook)) }
	type row struct {
		act       func(*setup)
		enabled   bool
		condition status.Condition
		code      int
		message   string
	}
	tests := []struct {
		name string
		rows []row
	}{
		{"never configured", []row{
			{act(off), false, status.Unconfigured, 0, ""},
			{act(half), false, status.Unconfigured, 0, ""},
			{remove, false, status.Unconfigured, 0, ""},
		}},
		{"configured in two steps", []row{
			{act(half), false, status.Unconfigured, 0, ""},
			{act(set), false, status.Active, 0, ""},
			{act(on), true, status.Active, 0, ""},
			{ship(200), true, status.Active, 200, ""},
			{act(off), false, status.Active, 200, ""},
		}},
		{"fails and recovers", []row{
			{act(set), false, status.Active, 0, ""},
			{act(on), true, status.Active, 0, ""},
			{ship(401), true, status.Inactive, 401, "Unauthorized"},
			{act(other), true, status.Inactive, 401, "Unauthorized"},
			{ship(200), true, status.Active, 200, ""},
		}},
		{"fails and is switched off", []row{
			{act(set), false, status.Active, 0, ""},
			{act(on), true, status.Active, 0, ""},
			{ship(500), true, status.Inactive, 500, "Internal Server Error"},
			{act(off), false, status.Inactive, 500, "Internal Server Error"},
			{act(other), false, status.Inactive, 500, "Internal Server Error"},
			{act(on), true, status.Inactive, 500, "Internal Server Error"},
			{ship(204), true, status.Active, 204, ""},
		}},
		{"no answer", []row{
			{act(set), false, status.Active, 0, ""},
			{act(on), true, status.Active, 0, ""},
			{ship(200), true, status.Active, 200, ""},
			{ship(0), true, status.Inactive, 0, "EOF"},
		}},
		{"removed", []row{
			{act(set), false, status.Active, 0, ""},
			{act(on), true, status.Active, 0, ""},
			{ship(403), true, status.Inactive, 403, "Forbidden"},
			{remove, false, status.Unconfigured, 0, ""},
			{act(set), false, status.Active, 0, ""},
			{act(on), true, status.Active, 0, ""},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := bare(t, newEndpoint(t, nil))
				for i, r := range tt.rows {
					r.act(s)
					got, err := s.Status(t.Context(), hook)
					require.NoError(t, err)
					want := status.Status{
						LastAttemptAt: got.LastAttemptAt, LastResponseCode: r.code, LastResponseMessage: r.message,
						WebhookEnabled: r.enabled, WebhookStatus: r.condition,
					}
					require.Empty(t, cmp.Diff(want, got), "row %d", i)
					synctest.Wait()
				}
			})
		})
	}
}

// The status turns when a delivery has failed for good; the last attempt moves
// with each attempt.
func TestStatusMovesWithAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http503)))
		began := time.Now().UTC()
		s.record("1")
		for _, tt := range []struct {
			after, attempt int // milliseconds
			condition      status.Condition
		}{
			{1500, 1000, status.Active},
			{2500, 2000, status.Active},
			{4500, 4000, status.Active},
			{15500, 8000, status.Active},
			{16500, 16000, status.Inactive},
		} {
			pass(time.Until(began.Add(time.Duration(tt.after) * time.Millisecond)))
			got, err := s.Status(t.Context(), hook)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(status.Status{
				LastAttemptAt: began.Add(time.Duration(tt.attempt) * time.Millisecond), LastResponseCode: http503,
				LastResponseMessage: "Service Unavailable", WebhookEnabled: true, WebhookStatus: tt.condition,
			}, got), "after %d ms", tt.after)
		}
	})
}

// The report has what waits, why, and the delivery log.
func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, always(http.StatusForbidden)))
		require.Empty(t, cmp.Diff(shipper.Report{
			Status: status.Status{WebhookEnabled: true, WebhookStatus: status.Active},
		}, s.report()))
		began := time.Now().UTC()
		s.record("1", "2")
		pass(1500 * time.Millisecond)
		at := began.Add(time.Second)
		got := s.report()
		want := shipper.Report{
			Status: status.Status{
				LastAttemptAt: at, LastResponseCode: 403, LastResponseMessage: "Forbidden",
				WebhookEnabled: true, WebhookStatus: status.Inactive,
			},
			Unsent:    shipper.Backlog{Events: 2, Bytes: got.Unsent.Bytes, Oldest: began},
			HeldSince: at, NextProbe: at.Add(15 * time.Second), HeldReason: "403 Forbidden",
			Attempts: []shipper.Attempt{{
				Time: at, Code: 403, Events: 2, Bytes: got.Attempts[0].Bytes, Batch: s.endpoint.received()[0].id,
				Reason: "403 Forbidden",
			}},
		}
		require.Empty(t, cmp.Diff(want, got))
		require.NotZero(t, got.Unsent.Bytes)
		require.NotZero(t, got.Attempts[0].Bytes)
		require.False(t, got.Attempts[0].OK())
	})
}

// The delivery log has the last hundred attempts, the oldest first.
func TestDeliveryLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		began := time.Now().UTC()
		const n = shipper.MaxAttempts + 30
		for range n {
			s.record("1")
			pass(time.Second)
		}
		all := s.report().Attempts
		require.Len(t, all, shipper.MaxAttempts)
		for i, a := range all {
			require.Equal(t, began.Add(time.Duration(i+31)*time.Second), a.Time)
			require.True(t, a.OK())
			require.Empty(t, a.Reason)
			require.Equal(t, s.endpoint.received()[i+30].id, a.Batch)
		}
	})
}
