package client

import (
	"context"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	webhookPath = v2 + bindingPath
	statusPath  = "/status"
	keysPath    = "/jwks.json"
)

// WebhookService is the audit log webhook of a region, of which each has
// exactly one, as version 2 of the API shows it: with an endpoint of its own.
// [BindingService] is the same webhook bound to a destination.
type WebhookService struct{ client *Client }

// Get returns the configuration. Of a webhook that was never configured it is
// one for which [webhook.Config.Configured] reports false. The authorization
// is never returned by the API.
func (s *WebhookService) Get(ctx context.Context) (webhook.Config, error) {
	return answered[webhook.Config](ctx, s.client.get(webhookPath))
}

// Update changes the fields that are set in patch and returns the resulting
// configuration. A patch that sets nothing is not sent: Update is Get then.
//
// A new endpoint for a webhook that is bound to a destination takes it off the
// destination, which stays as it is.
//
// The server judges the values; [webhook.Patch.Validate] does so beforehand.
// An invalid one gives an [*APIError] that matches [ErrBadRequest] and names
// the field in its problem.
func (s *WebhookService) Update(ctx context.Context, patch webhook.Patch) (webhook.Config, error) {
	if patch.IsZero() {
		return s.Get(ctx)
	}
	endpoint, _ := patch.Endpoint.Get()
	authorization, _ := patch.Authorization.Get()
	return answered[webhook.Config](ctx, s.client.write(http.MethodPatch, webhookPath, webhook.EncodePatch(patch), secretsOf(endpoint, authorization)...))
}

// Status returns how sending to the webhook goes.
func (s *WebhookService) Status(ctx context.Context) (status.Status, error) {
	return answered[status.Status](ctx, s.client.get(webhookPath+statusPath))
}

// Keys returns the public keys that the region's events are signed with. They
// are public: the request does not carry the token. Nothing about the keys is
// checked.
func (s *WebhookService) Keys(ctx context.Context) (webhook.KeySet, error) {
	c := s.client.get(webhookPath + keysPath)
	c.anonymous = true
	return answered[webhook.KeySet](ctx, c)
}
