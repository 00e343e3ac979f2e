package client_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	siemID   = "07ec3858-066b-4629-bdc5-d4aa893b424d"
	portalID = "9cb77dc2-ff99-4d47-84ab-7c5c1b3ef939"

	siemJSON  = `{"id":"` + siemID + `","name":"SIEM","endpoint":"https://example.com/audit-logs","log_format":"cef","skip_ssl_verification":false,"created_at":"2023-03-20T09:29:14.52Z","updated_at":"2023-03-21T09:29:14.52Z"}`
	boundJSON = `{"audit_log_destination_id":"` + siemID + `","enabled":true}`
	jobJSON   = `{"start_at":"2023-04-01T00:00:00Z","end_at":"2023-04-02T00:00:00Z","status":"accepted","updated_at":"2023-04-02T00:00:00Z"}`
	lastPage  = `{"next":null,"previous":null,"size":10}`

	authorization = "Splunk s3cr3t-value"
)

func date(day int) time.Time { return time.Date(2023, time.April, day, 0, 0, 0, 0, time.UTC) }

// siem is the destination as the API answers it.
func siem() webhook.Destination {
	return webhook.Destination{
		ID: siemID, Name: "SIEM", Endpoint: "https://example.com/audit-logs", LogFormat: webhook.CEF,
		CreatedAt: time.Date(2023, 3, 20, 9, 29, 14, 520e6, time.UTC), UpdatedAt: time.Date(2023, 3, 21, 9, 29, 14, 520e6, time.UTC),
	}
}

// wanted is the destination as it is asked for.
func wanted() webhook.Destination {
	return webhook.Destination{Name: "SIEM", Endpoint: "https://example.com/audit-logs", Authorization: webhook.NewSecret(authorization)}
}

func bound() webhook.Binding { return webhook.Binding{DestinationID: siemID, Enabled: true} }

func job() webhook.ReplayJob {
	return webhook.ReplayJob{StartAt: date(1), EndAt: date(2), Status: webhook.JobAccepted, UpdatedAt: date(2)}
}

// operation is a call, the request that it must make, and what it must make of
// the answer.
type operation struct {
	name         string
	call         func(ctx context.Context, c *client.Client) (any, error)
	method, path string
	body         string
	code         int
	answer       string
	want         any
	zero         any // in place of the result when the call fails
}

// portal calls the portal's services.
func portal(call func(*client.Portal) (any, error)) func(context.Context, *client.Client) (any, error) {
	return func(_ context.Context, c *client.Client) (any, error) {
		p, err := c.Portal(portalID)
		if err != nil {
			return nil, err
		}
		return call(p)
	}
}

// alikeInBoth are the operations that both versions offer; their paths are
// without the version.
func alikeInBoth(ctx context.Context) []operation {
	const webhookOf = "/portals/" + portalID + "/audit-log-webhook"
	const jobOf = "/portals/" + portalID + "/audit-log-replay-job"
	return []operation{
		{
			"list destinations",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Destinations.List(ctx, client.DestinationListOptions{Name: "a&b =", Size: 10, After: "c+/=="})
			},
			"GET", "/audit-log-destinations?filter%5Bname%5D%5Beq%5D=a%26b+%3D&page%5Bafter%5D=c%2B%2F%3D%3D&page%5Bsize%5D=10", "",
			200, `{"data":[` + siemJSON + `],"meta":` + lastPage + `}`,
			client.Page[webhook.Destination]{Items: []webhook.Destination{siem()}, Size: 10}, client.Page[webhook.Destination]{},
		},
		{
			"list destinations by a part of the name",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Destinations.List(ctx, client.DestinationListOptions{NameContains: "x", Before: "b"})
			},
			"GET", "/audit-log-destinations?filter%5Bname%5D%5Bcontains%5D=x&page%5Bbefore%5D=b", "",
			200, `{"data":[],"meta":{"next":null}}`, client.Page[webhook.Destination]{Items: []webhook.Destination{}}, client.Page[webhook.Destination]{},
		},
		{
			"create destination",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Destinations.Create(ctx, wanted()) },
			"POST", "/audit-log-destinations",
			`{"name":"SIEM","endpoint":"https://example.com/audit-logs","log_format":"cef","skip_ssl_verification":false,"authorization":"` + authorization + `"}`,
			201, siemJSON, siem(), webhook.Destination{},
		},
		{
			"get destination",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Destinations.Get(ctx, siemID) },
			"GET", "/audit-log-destinations/" + siemID, "", 200, siemJSON, siem(), webhook.Destination{},
		},
		{
			"update destination",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Destinations.Update(ctx, siemID, webhook.DestinationPatch{LogFormat: webhook.Set(webhook.JSON), Authorization: webhook.Set(webhook.NewSecret(authorization))})
			},
			"PATCH", "/audit-log-destinations/" + siemID, `{"log_format":"json","authorization":"` + authorization + `"}`, 200, siemJSON, siem(), webhook.Destination{},
		},
		{
			"update destination, nothing",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Destinations.Update(ctx, siemID, webhook.DestinationPatch{})
			},
			"GET", "/audit-log-destinations/" + siemID, "", 200, siemJSON, siem(), webhook.Destination{},
		},
		{
			"delete destination",
			func(ctx context.Context, c *client.Client) (any, error) {
				return nil, c.Destinations.Delete(ctx, siemID)
			},
			"DELETE", "/audit-log-destinations/" + siemID, "", 204, "", nil, nil,
		},
		{
			"get replay job",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Replay.Get(ctx) },
			"GET", "/audit-log-replay-job", "", 200, jobJSON, job(), webhook.ReplayJob{},
		},
		{
			"start replay job",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Replay.Start(ctx, date(1).In(time.FixedZone("", 7200)), date(2).Add(time.Millisecond))
			},
			"PUT", "/audit-log-replay-job", `{"start_at":"2023-04-01T00:00:00Z","end_at":"2023-04-02T00:00:00.001Z"}`, 202, jobJSON, job(), webhook.ReplayJob{},
		},
		{
			"get portal webhook",
			portal(func(p *client.Portal) (any, error) { return p.Binding.Get(ctx) }),
			"GET", webhookOf, "", 200, boundJSON, bound(), webhook.Binding{},
		},
		{
			"update portal webhook: enabled is not sent",
			portal(func(p *client.Portal) (any, error) {
				return p.Binding.Update(ctx, webhook.BindingPatch{DestinationID: webhook.Set(siemID)})
			}),
			"PATCH", webhookOf, `{"audit_log_destination_id":"` + siemID + `"}`, 200, `{}`, webhook.Binding{}, webhook.Binding{},
		},
		{
			"delete portal webhook",
			portal(func(p *client.Portal) (any, error) { return nil, p.Binding.Delete(ctx) }),
			"DELETE", webhookOf, "", 204, "", nil, nil,
		},
		{
			"portal status",
			portal(func(p *client.Portal) (any, error) { return p.Binding.Status(ctx) }),
			"GET", webhookOf + "/status", "", 200, `{"webhook_enabled":true,"webhook_status":"active"}`,
			status.Status{WebhookEnabled: true, WebhookStatus: status.Active}, status.Status{},
		},
		{
			"get portal replay job",
			portal(func(p *client.Portal) (any, error) { return p.Replay.Get(ctx) }),
			"GET", jobOf, "", 200, `{"status":"unconfigured","start_at":"0001-01-01T00:00:0Z"}`, webhook.ReplayJob{Status: webhook.JobUnconfigured}, webhook.ReplayJob{},
		},
		{
			"start portal replay job",
			portal(func(p *client.Portal) (any, error) { return p.Replay.Start(ctx, date(1), date(2)) }),
			"PUT", jobOf, `{"start_at":"2023-04-01T00:00:00Z","end_at":"2023-04-02T00:00:00Z"}`, 202, jobJSON, job(), webhook.ReplayJob{},
		},
	}
}

// ofOneVersion are the other operations, those of the webhook with an endpoint
// of its own apart, which have tests of their own.
func ofOneVersion() []operation {
	return []operation{
		{
			"get webhook",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Binding.Get(ctx) },
			"GET", "/v3/audit-log-webhook", "", 200, `{"audit_log_destination_id":null,"enabled":false}`, webhook.Binding{}, webhook.Binding{},
		},
		{
			"update webhook",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Binding.Update(ctx, webhook.BindingPatch{Enabled: webhook.Set(true)})
			},
			"PATCH", "/v3/audit-log-webhook", `{"enabled":true}`, 200, boundJSON, bound(), webhook.Binding{},
		},
		{
			"update webhook, nothing",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Binding.Update(ctx, webhook.BindingPatch{})
			},
			"GET", "/v3/audit-log-webhook", "", 200, boundJSON, bound(), webhook.Binding{},
		},
		{
			"delete webhook",
			func(ctx context.Context, c *client.Client) (any, error) { return nil, c.Binding.Delete(ctx) },
			"DELETE", "/v3/audit-log-webhook", "", 204, "", nil, nil,
		},
		{
			"status",
			func(ctx context.Context, c *client.Client) (any, error) { return c.Binding.Status(ctx) },
			"GET", "/v3/audit-log-webhook/status", "", 200, `{"webhook_enabled":false,"webhook_status":"unconfigured"}`, status.Status{WebhookStatus: status.Unconfigured}, status.Status{},
		},
		{
			"pull",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Logs.List(ctx, client.LogListOptions{From: date(1), To: date(2).In(time.FixedZone("", 7200)), Type: webhook.AuthorizationEntry, Size: 50, Before: "b"})
			},
			"GET", "/v3/audit-logs?filter%5Bts%5D%5Bgte%5D=2023-04-01T00%3A00%3A00Z&filter%5Bts%5D%5Blte%5D=2023-04-02T00%3A00%3A00Z&filter%5Btype%5D=authorization&page%5Bbefore%5D=b&page%5Bsize%5D=50", "",
			200, `{"data":[{"type":"authorization","action":"list"}],"meta":{"page":` + lastPage + `}}`,
			client.Page[webhook.Entry]{Items: []webhook.Entry{{Type: "authorization", Action: "list"}}, Size: 10}, client.Page[webhook.Entry]{},
		},
		{
			"pull, nothing asked",
			func(ctx context.Context, c *client.Client) (any, error) {
				return c.Logs.List(ctx, client.LogListOptions{})
			},
			"GET", "/v3/audit-logs", "", 200, `{"data":[],"meta":{"page":{"next":null}}}`, client.Page[webhook.Entry]{Items: []webhook.Entry{}}, client.Page[webhook.Entry]{},
		},
	}
}

func TestOperations(t *testing.T) {
	t.Parallel()
	all := map[string][]operation{"": ofOneVersion()}
	for _, version := range []string{"/v2", "/v3"} {
		for _, o := range alikeInBoth(t.Context()) {
			o.path = version + o.path
			all[version] = append(all[version], o)
		}
	}
	for version, operations := range all {
		for _, o := range operations {
			t.Run(version+" "+o.name, func(t *testing.T) {
				t.Parallel()
				var options []client.Option
				if version == "/v2" {
					options = append(options, client.WithVersion2())
				}
				api := serve(t, answer(o.code, o.answer))
				got, err := o.call(t.Context(), api.newClient(t, options...))
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(o.want, got))
				requireRequest(t, api.requests(), o.method, o.path, o.body)

				// Another success will do.
				api = serve(t, answer(207, o.answer))
				got, err = o.call(t.Context(), api.newClient(t, options...))
				require.NoError(t, err)
				require.Empty(t, cmp.Diff(o.want, got))

				api = serve(t, answer(http.StatusForbidden, `{"detail":"not for you, `+token+`, nor `+authorization+`"}`))
				got, err = o.call(t.Context(), api.newClient(t, options...))
				require.ErrorIs(t, err, client.ErrForbidden)
				require.Empty(t, cmp.Diff(o.zero, got))
				requireNoToken(t, err.Error())
				if strings.Contains(o.body, authorization) {
					require.NotContains(t, err.Error(), "s3cr3t")
				}
			})
		}
	}
}

// TestOperationsThatDecode shows that a document which is none leaves nothing
// half read behind.
func TestOperationsThatDecode(t *testing.T) {
	t.Parallel()
	for _, o := range append(ofOneVersion(), alikeInBoth(t.Context())...) {
		if o.want == nil {
			continue
		}
		for _, body := range []string{``, `null`, `[]`, `<html>`, `{"enabled":true,"webhook_enabled":1,"audit_log_destination_id":1,"id":1,"status":1,"data":1}`} {
			t.Run(o.name+" "+body, func(t *testing.T) {
				t.Parallel()
				api := serve(t, answer(200, body))
				got, err := o.call(t.Context(), api.client)
				require.ErrorContains(t, err, "decoding the answer: ")
				require.Empty(t, cmp.Diff(o.zero, got))
			})
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(200, `{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"k","crv":"Ed25519","x":"XWxG"}]}`))
	keys, err := api.client.Webhook.Keys(t.Context())
	require.NoError(t, err)
	require.Equal(t, webhook.KeySet{Keys: []webhook.Key{{Type: "OKP", Algorithm: "EdDSA", ID: "k", Curve: "Ed25519", X: "XWxG"}}}, keys)
	require.Len(t, api.requests(), 1)
	require.Equal(t, "/v2/audit-log-webhook/jwks.json", api.requests()[0].URI)
	require.Empty(t, api.requests()[0].Header.Values("Authorization"), "the keys are public")
}

// TestIDsAreChecked shows that what is no ID never becomes a part of a path.
func TestIDsAreChecked(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(200, siemJSON))
	for _, id := range []string{"", ".", "..", "../audit-log-webhook", "SIEM", siemID + "?", siemID + "/", siemID[:35] + "%"} {
		_, err := api.client.Destinations.Get(t.Context(), id)
		require.EqualError(t, err, "client: the ID of the destination is not a UUID")
		_, err = api.client.Destinations.Update(t.Context(), id, webhook.DestinationPatch{})
		require.ErrorContains(t, err, "not a UUID")
		require.ErrorContains(t, api.client.Destinations.Delete(t.Context(), id), "not a UUID")
		p, err := api.client.Portal(id)
		require.EqualError(t, err, "client: the ID of the portal is not a UUID")
		require.Nil(t, p)
	}
	require.Empty(t, api.requests())
}

func TestCreateWithoutID(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(201, `{"name":"SIEM"}`))
	got, err := api.client.Destinations.Create(t.Context(), wanted())
	require.EqualError(t, err, "client: POST /v3/audit-log-destinations: the answer has no ID")
	require.Empty(t, cmp.Diff(webhook.Destination{}, got))
}

func TestListByBothNames(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(200, `{}`))
	_, err := api.client.Destinations.List(t.Context(), client.DestinationListOptions{Name: "a", NameContains: "b"})
	require.ErrorContains(t, err, "by Name or by NameContains")
	require.Empty(t, api.requests())
}
