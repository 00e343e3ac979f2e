package sdktest_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdkkonnectgo "github.com/Kong/sdk-konnect-go"
	"github.com/Kong/sdk-konnect-go/models/components"
	"github.com/Kong/sdk-konnect-go/models/sdkerrors"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	portalID = "9cb77dc2-ff99-4d47-84ab-7c5c1b3ef939"
	nobodyID = "07ec3858-066b-4629-bdc5-d4aa893b424d"
	token    = "kpat_example"
	viewer   = "kpat_viewer"
)

// server serves the management API of a tenant with a portal on loopback, and
// keeps the bodies that it gets.
type server struct {
	url string

	mu     sync.Mutex
	bodies []string
}

func newServer(t *testing.T) *server {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	events, err := memstore.Open(memstore.Config{Logger: logger})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, events.Close()) })
	cfg := shipper.Config{Store: events, Logger: logger}
	cfg.Delivery.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way out") }
	engine, err := shipper.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.Close(context.Background())) })
	handler, err := konnectapi.New(konnectapi.Config{
		Shipper: engine, Store: events, Logger: logger,
		Authenticate: func(r *http.Request) (konnectapi.Caller, error) {
			switch r.Header.Get("Authorization") {
			case "Bearer " + token:
				return konnectapi.Caller{Tenant: "tenant", Principal: "admin"}, nil
			case "Bearer " + viewer:
				return konnectapi.Caller{Tenant: "tenant", Principal: "viewer"}, nil
			}
			return konnectapi.Caller{}, errors.New("not known")
		},
		Authorize: func(_ context.Context, caller konnectapi.Caller, _ konnectapi.Operation) error {
			if caller.Principal != "admin" {
				return errors.New("not the role")
			}
			return nil
		},
		Portal: func(_ context.Context, _ konnectapi.Caller, id string) (string, error) {
			if id != portalID {
				return "", konnectapi.ErrNotFound
			}
			return "portal", nil
		},
	})
	require.NoError(t, err)
	s := &server{}
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.bodies = append(s.bodies, string(body))
		s.mu.Unlock()
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(listening.Close)
	s.url = listening.URL
	return s
}

// last returns the last body.
func (s *server) last() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bodies[len(s.bodies)-1]
}

func (s *server) sdk(token string) *sdkkonnectgo.SDK {
	return sdkkonnectgo.New(
		sdkkonnectgo.WithServerURL(s.url),
		sdkkonnectgo.WithSecurity(components.Security{PersonalAccessToken: new(token)}),
	)
}

// ours returns our client, and a destination that it has created.
func (s *server) ours(t *testing.T) (konnect *client.Client, destinationID string) {
	t.Helper()
	konnect, err := client.New(s.url, token)
	require.NoError(t, err)
	made, err := konnect.Destinations.Create(t.Context(), webhook.Destination{
		Name: "SIEM", Endpoint: "https://siem.example.com", Authorization: webhook.NewSecret("Bearer x"),
	})
	require.NoError(t, err)
	return konnect, made.ID
}

// Every operation for portals that the SDK has.
func TestPortals(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	_, destinationID := s.ours(t)
	portals := s.sdk(token).PortalAuditLogs

	var missing *sdkerrors.NotFoundError
	_, err := portals.GetPortalAuditLogWebhook(ctx, portalID)
	require.ErrorAs(t, err, &missing)

	status, err := portals.GetPortalAuditLogWebhookStatus(ctx, portalID)
	require.NoError(t, err)
	require.False(t, *status.PortalAuditLogWebhookStatus.WebhookEnabled)

	patched, err := portals.UpdatePortalAuditLogWebhook(ctx, portalID, &components.UpdatePortalAuditLogWebhook{
		Enabled: new(true), AuditLogDestinationID: &destinationID,
	})
	require.NoError(t, err)
	require.True(t, *patched.PortalAuditLogWebhook.Enabled)
	require.Equal(t, destinationID, *patched.PortalAuditLogWebhook.AuditLogDestinationID)
	got, err := portals.GetPortalAuditLogWebhook(ctx, portalID)
	require.NoError(t, err)
	require.Equal(t, patched.PortalAuditLogWebhook, got.PortalAuditLogWebhook)
	status, err = portals.GetPortalAuditLogWebhookStatus(ctx, portalID)
	require.NoError(t, err)
	require.True(t, *status.PortalAuditLogWebhookStatus.WebhookEnabled)
	require.Equal(t, components.WebhookStatusActive, *status.PortalAuditLogWebhookStatus.WebhookStatus)

	job, err := portals.GetPortalAuditLogReplayJob(ctx, portalID)
	require.NoError(t, err)
	require.True(t, job.PortalAuditLogReplayJob.StartAt.IsZero())
	require.Equal(t, components.PortalAuditLogReplayJobStatusUnconfigured, *job.PortalAuditLogReplayJob.Status)
	now := time.Now()
	put, err := portals.UpdatePortalAuditLogReplayJob(ctx, portalID, &components.ReplacePortalAuditLogReplayJob{StartAt: now.Add(-time.Hour), EndAt: now})
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, put.StatusCode)
	require.Equal(t, components.PortalAuditLogReplayJobStatusAccepted, *put.PortalAuditLogReplayJob.Status)
	require.True(t, now.Equal(*put.PortalAuditLogReplayJob.EndAt))

	// The job runs as long as nothing can be delivered.
	running := func() bool {
		job, err := portals.GetPortalAuditLogReplayJob(ctx, portalID)
		return err == nil && *job.PortalAuditLogReplayJob.Status == components.PortalAuditLogReplayJobStatusRunning
	}
	require.Eventually(t, running, time.Minute, time.Millisecond)
	var conflict *sdkerrors.ConflictError
	_, err = portals.UpdatePortalAuditLogReplayJob(ctx, portalID, &components.ReplacePortalAuditLogReplayJob{StartAt: now.Add(-time.Hour), EndAt: now})
	require.ErrorAs(t, err, &conflict)
	_, err = portals.DeletePortalAuditLogWebhook(ctx, portalID)
	require.ErrorAs(t, err, &conflict)

	// Switched off it fails.
	_, err = portals.UpdatePortalAuditLogWebhook(ctx, portalID, &components.UpdatePortalAuditLogWebhook{Enabled: new(false)})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !running() }, time.Minute, time.Millisecond)
	deleted, err := portals.DeletePortalAuditLogWebhook(ctx, portalID)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, deleted.StatusCode)
}

// What the SDK makes of the handler's problems.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	portals := s.sdk(token).PortalAuditLogs

	var bad *sdkerrors.BadRequestError
	_, err := portals.UpdatePortalAuditLogWebhook(ctx, portalID, &components.UpdatePortalAuditLogWebhook{Enabled: new(true)})
	require.ErrorAs(t, err, &bad)
	require.Len(t, bad.InvalidParameters, 1)
	var missing *sdkerrors.NotFoundError
	_, err = portals.GetPortalAuditLogWebhook(ctx, nobodyID)
	require.ErrorAs(t, err, &missing)
	var unknown *sdkerrors.UnauthorizedError
	_, err = s.sdk("another").PortalAuditLogs.GetPortalAuditLogWebhook(ctx, portalID)
	require.ErrorAs(t, err, &unknown)
	var forbidden *sdkerrors.ForbiddenError
	_, err = s.sdk(viewer).PortalAuditLogs.GetPortalAuditLogWebhook(ctx, portalID)
	require.ErrorAs(t, err, &forbidden)
}

// The SDK sends "enabled":false where only another member is set, as the defaults
// of its OpenAPI file have it, and so switches a webhook off that is moved to
// another destination. Our client cannot.
func TestPatchDefect(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	ours, destinationID := s.ours(t)
	portal, err := ours.Portal(portalID)
	require.NoError(t, err)
	on := webhook.BindingPatch{DestinationID: webhook.Set(destinationID), Enabled: webhook.Set(true)}

	_, err = portal.Binding.Update(ctx, on)
	require.NoError(t, err)
	bound, err := portal.Binding.Update(ctx, webhook.BindingPatch{DestinationID: webhook.Set(destinationID)})
	require.NoError(t, err)
	require.JSONEq(t, `{"audit_log_destination_id":"`+destinationID+`"}`, s.last())
	require.True(t, bound.Enabled)

	patched, err := s.sdk(token).PortalAuditLogs.UpdatePortalAuditLogWebhook(ctx, portalID, &components.UpdatePortalAuditLogWebhook{AuditLogDestinationID: &destinationID})
	require.NoError(t, err)
	require.JSONEq(t, `{"audit_log_destination_id":"`+destinationID+`","enabled":false}`, s.last())
	require.False(t, *patched.PortalAuditLogWebhook.Enabled)
}
