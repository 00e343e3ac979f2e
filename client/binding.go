package client

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const bindingPath = "/audit-log-webhook"

// BindingService is an audit log webhook that sends to a destination: that of a
// region, as version 3 of the API shows it, or that of a developer portal.
// [BindingService.SetUp] takes all steps from nothing to a webhook that sends.
type BindingService struct {
	client *Client
	path   string
	region bool // a region's, which can have an endpoint of its own
}

// Get returns the webhook. One that was never set up, or was deleted, is an
// error that matches [ErrNotFound], or has no destination.
func (s *BindingService) Get(ctx context.Context) (webhook.Binding, error) {
	return answered[webhook.Binding](ctx, s.client.get(s.path))
}

// Update changes the fields that are set in patch and returns the resulting
// webhook. A patch that sets nothing is not sent: Update is Get then.
func (s *BindingService) Update(ctx context.Context, patch webhook.BindingPatch) (webhook.Binding, error) {
	if patch.IsZero() {
		return s.Get(ctx)
	}
	body, err := json.Marshal(patch)
	if err != nil {
		return webhook.Binding{}, err
	}
	return answered[webhook.Binding](ctx, s.client.write(http.MethodPatch, s.path, body))
}

// Delete takes the webhook off its destination and switches it off. The
// destination stays.
func (s *BindingService) Delete(ctx context.Context) error {
	return s.client.write(http.MethodDelete, s.path, nil).do(ctx, nil)
}

// Status returns how sending to the webhook goes.
func (s *BindingService) Status(ctx context.Context) (status.Status, error) {
	return answered[status.Status](ctx, s.client.get(s.path+statusPath))
}
