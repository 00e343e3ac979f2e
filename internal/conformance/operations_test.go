package conformance_test

import (
	"context"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/internal/conformance"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

type call = func(context.Context, *client.Client) error

// operations are those of a version.
func operations(version string) []operation {
	all := append(destinations(version), replay(version, "/audit-log-replay-job", func(c *client.Client) (*client.ReplayService, error) { return c.Replay, nil })...)
	all = append(all, portals(version)...)
	if version == "/v2" {
		return append(all, ownEndpoint()...)
	}
	all = append(all, binding(version, "/audit-log-webhook", func(c *client.Client) (*client.BindingService, error) { return c.Binding, nil })...)
	return append(all, logs()...)
}

// ignore makes a call of one that also returns a result.
func ignore[T any](call func(context.Context, *client.Client) (T, error)) call {
	return func(ctx context.Context, c *client.Client) error {
		_, err := call(ctx, c)
		return err
	}
}

func destinations(version string) []operation {
	path := version + "/audit-log-destinations"
	list := func(options client.DestinationListOptions) call {
		return ignore(func(ctx context.Context, c *client.Client) (client.Page[webhook.Destination], error) {
			return c.Destinations.List(ctx, options)
		})
	}
	create := func(d webhook.Destination) call {
		return ignore(func(ctx context.Context, c *client.Client) (webhook.Destination, error) {
			return c.Destinations.Create(ctx, d)
		})
	}
	update := func(p webhook.DestinationPatch) call {
		return ignore(func(ctx context.Context, c *client.Client) (webhook.Destination, error) {
			return c.Destinations.Update(ctx, destinationID, p)
		})
	}
	return []operation{
		{
			conformance.Operation{Method: http.MethodGet, Path: path},
			[]call{
				list(client.DestinationListOptions{}),
				list(client.DestinationListOptions{Name: "SIEM & co", Size: 10, After: "YQ=="}),
				list(client.DestinationListOptions{NameContains: "I", Before: "a/+"}),
			},
			200,
			[]any{
				webhook.DestinationList{},
				webhook.DestinationList{Data: []webhook.Destination{destination(), {ID: destinationID}}, Meta: webhook.PageMeta{Next: path + "?page[after]=x", Size: 2}},
				webhook.DestinationList{Meta: webhook.PageMeta{Previous: "b", First: "f", Last: "l"}},
			},
		},
		{
			conformance.Operation{Method: http.MethodPost, Path: path},
			[]call{create(destination()), create(webhook.Destination{Name: "n", Endpoint: "e", Authorization: webhook.NewSecret("a"), SkipSSLVerification: true})},
			201, []any{destination()},
		},
		{
			conformance.Operation{Method: http.MethodGet, Path: path + "/{auditLogDestinationId}"},
			[]call{ignore(func(ctx context.Context, c *client.Client) (webhook.Destination, error) {
				return c.Destinations.Get(ctx, destinationID)
			})},
			200, []any{destination(), webhook.Destination{ID: destinationID}},
		},
		{
			conformance.Operation{Method: http.MethodPatch, Path: path + "/{auditLogDestinationId}"},
			[]call{
				update(webhook.DestinationPatch{Name: webhook.Set("n")}),
				update(webhook.DestinationPatch{Endpoint: webhook.Set("e")}),
				update(webhook.DestinationPatch{Authorization: webhook.Set(webhook.NewSecret("a"))}),
				update(webhook.DestinationPatch{LogFormat: webhook.Set(webhook.JSON)}),
				update(webhook.DestinationPatch{SkipSSLVerification: webhook.Set(true)}),
			},
			200, []any{destination()},
		},
		{
			conformance.Operation{Method: http.MethodDelete, Path: path + "/{auditLogDestinationId}"},
			[]call{func(ctx context.Context, c *client.Client) error { return c.Destinations.Delete(ctx, destinationID) }},
			204, []any{nil},
		},
	}
}

func replay(version, path string, of func(*client.Client) (*client.ReplayService, error)) []operation {
	return []operation{
		{
			conformance.Operation{Method: http.MethodGet, Path: version + path},
			[]call{ignore(func(ctx context.Context, c *client.Client) (webhook.ReplayJob, error) {
				service, err := of(c)
				if err != nil {
					return webhook.ReplayJob{}, err
				}
				return service.Get(ctx)
			})},
			200, jobs(),
		},
		{
			conformance.Operation{Method: http.MethodPut, Path: version + path},
			[]call{ignore(func(ctx context.Context, c *client.Client) (webhook.ReplayJob, error) {
				service, err := of(c)
				if err != nil {
					return webhook.ReplayJob{}, err
				}
				return service.Start(ctx, at(), at())
			})},
			202, jobs(),
		},
	}
}

func binding(version, path string, of func(*client.Client) (*client.BindingService, error)) []operation {
	with := func(do func(context.Context, *client.BindingService) error) call {
		return func(ctx context.Context, c *client.Client) error {
			service, err := of(c)
			if err != nil {
				return err
			}
			return do(ctx, service)
		}
	}
	update := func(p webhook.BindingPatch) call {
		return with(func(ctx context.Context, s *client.BindingService) error {
			_, err := s.Update(ctx, p)
			return err
		})
	}
	bound := webhook.Binding{DestinationID: destinationID, Enabled: true}
	return []operation{
		{
			conformance.Operation{Method: http.MethodGet, Path: version + path},
			[]call{with(func(ctx context.Context, s *client.BindingService) error {
				_, err := s.Get(ctx)
				return err
			})},
			200, []any{bound},
		},
		{
			conformance.Operation{Method: http.MethodPatch, Path: version + path},
			[]call{
				update(webhook.BindingPatch{DestinationID: webhook.Set(destinationID)}),
				update(webhook.BindingPatch{Enabled: webhook.Set(false)}),
				update(webhook.BindingPatch{DestinationID: webhook.Set(destinationID), Enabled: webhook.Set(true)}),
			},
			200, []any{bound},
		},
		{
			conformance.Operation{Method: http.MethodDelete, Path: version + path},
			[]call{with(func(ctx context.Context, s *client.BindingService) error { return s.Delete(ctx) })},
			204, []any{nil},
		},
		{
			conformance.Operation{Method: http.MethodGet, Path: version + path + "/status"},
			[]call{with(func(ctx context.Context, s *client.BindingService) error {
				_, err := s.Status(ctx)
				return err
			})},
			200, statuses(),
		},
	}
}

func portals(version string) []operation {
	const path = "/portals/{portalId}"
	all := binding(version, path+"/audit-log-webhook", func(c *client.Client) (*client.BindingService, error) {
		p, err := c.Portal(portalID)
		if err != nil {
			return nil, err
		}
		return p.Binding, nil
	})
	all[0].answers = append(all[0].answers, webhook.Binding{}) // which those of regions cannot be
	return append(all, replay(version, path+"/audit-log-replay-job", func(c *client.Client) (*client.ReplayService, error) {
		p, err := c.Portal(portalID)
		if err != nil {
			return nil, err
		}
		return p.Replay, nil
	})...)
}

// ownEndpoint are the operations that only version 2 has.
func ownEndpoint() []operation {
	const path = "/v2/audit-log-webhook"
	update := func(p webhook.Patch) call {
		return ignore(func(ctx context.Context, c *client.Client) (webhook.Config, error) { return c.Webhook.Update(ctx, p) })
	}
	configs := []any{webhook.Config{}, webhook.Config{Endpoint: "https://example.com", Enabled: true, LogFormat: webhook.JSON, UpdatedAt: at()}}
	return []operation{
		{
			conformance.Operation{Method: http.MethodGet, Path: path},
			[]call{ignore(func(ctx context.Context, c *client.Client) (webhook.Config, error) { return c.Webhook.Get(ctx) })},
			200, configs,
		},
		{
			conformance.Operation{Method: http.MethodPatch, Path: path},
			[]call{
				update(webhook.Patch{Endpoint: webhook.Set("https://example.com")}),
				update(webhook.Patch{Authorization: webhook.Set(webhook.NewSecret("Bearer x"))}),
				update(webhook.Patch{Enabled: webhook.Set(false)}),
				update(webhook.Patch{LogFormat: webhook.Set(webhook.CPS)}),
				update(webhook.Patch{SkipSSLVerification: webhook.Set(true)}),
			},
			200, configs,
		},
		{
			conformance.Operation{Method: http.MethodGet, Path: path + "/status"},
			[]call{func(ctx context.Context, c *client.Client) error {
				_, err := c.Webhook.Status(ctx)
				return err
			}},
			200, statuses(),
		},
		{
			conformance.Operation{Method: http.MethodGet, Path: path + "/jwks.json"},
			[]call{ignore(func(ctx context.Context, c *client.Client) (webhook.KeySet, error) { return c.Webhook.Keys(ctx) })},
			200,
			[]any{
				webhook.KeySet{Keys: []webhook.Key{}},
				webhook.KeySet{Keys: []webhook.Key{{Type: "OKP", Algorithm: "EdDSA", ID: "k", Curve: "Ed25519", X: "XWxGtApfcqmKI7p0OKnF5JSEWMVoLsytFXLEP7xZ_l8"}}},
			},
		},
	}
}

// logs are the operations that only version 3 has, the webhook's apart.
func logs() []operation {
	list := func(options client.LogListOptions) call {
		return ignore(func(ctx context.Context, c *client.Client) (client.Page[webhook.Entry], error) {
			return c.Logs.List(ctx, options)
		})
	}
	return []operation{{
		conformance.Operation{Method: http.MethodGet, Path: "/v3/audit-logs"},
		[]call{
			list(client.LogListOptions{}),
			list(client.LogListOptions{From: at(), To: at(), Type: webhook.GatewayAccessEntry, Size: client.MaxLogSize, After: "YQ=="}),
			list(client.LogListOptions{From: at(), Type: webhook.AuthorizationEntry, Before: "b"}),
			list(client.LogListOptions{To: at(), Type: webhook.AuthenticationEntry}),
		},
		200,
		[]any{
			webhook.EntryList{},
			webhook.EntryList{Data: entries(), Meta: webhook.PageMeta{Next: "/v3/audit-logs?page[after]=x", Previous: "/v3/audit-logs?page[before]=x", Size: 20}},
		},
	}}
}
