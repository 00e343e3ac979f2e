package client

import (
	"context"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	webhookPath       = "/v2/audit-log-webhook"
	webhookStatusPath = webhookPath + "/status"
)

// WebhookService is the audit log webhook of a region. Each has exactly one.
type WebhookService struct{ client *Client }

// Get returns the configuration. Of a webhook that was never configured it is
// one for which [webhook.Config.Configured] reports false. The authorization
// is never returned by the API.
func (s *WebhookService) Get(ctx context.Context) (webhook.Config, error) {
	var config webhook.Config
	err := call{
		client: s.client,
		method: http.MethodGet,
		path:   webhookPath,
		masker: s.client.masker(),
	}.do(ctx, &config)
	return config, err
}

// Update changes the fields that are set in patch and returns the resulting
// configuration. A patch that sets nothing is not sent: Update is Get then.
//
// The server judges the values; [webhook.Patch.Validate] does so beforehand.
// An invalid one gives an [*APIError] that matches [ErrBadRequest] and names
// the field in its problem.
func (s *WebhookService) Update(ctx context.Context, patch webhook.Patch) (webhook.Config, error) {
	if patch.IsZero() {
		return s.Get(ctx)
	}
	authorization, _ := patch.Authorization.Get()
	var config webhook.Config
	err := call{
		client: s.client,
		method: http.MethodPatch,
		path:   webhookPath,
		body:   webhook.EncodePatch(patch),
		masker: s.client.masker(authorization.Reveal()),
	}.do(ctx, &config)
	return config, err
}

// Status returns how sending to the webhook goes.
func (s *WebhookService) Status(ctx context.Context) (status.Status, error) {
	var answer status.Status
	err := call{
		client: s.client,
		method: http.MethodGet,
		path:   webhookStatusPath,
		masker: s.client.masker(),
	}.do(ctx, &answer)
	return answer, err
}
