package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// konnect is a server that answers each path with a fixed document, which may
// be one for a method.
func konnect(status int, documents map[string]string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		document, ok := documents[r.Method+" "+r.URL.Path]
		if !ok {
			document = documents[r.URL.Path]
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, document)
	}))
}

// Set up the webhook of a region and look at its status. With Konnect the
// target is a region, such as "eu".
func Example() {
	server := konnect(http.StatusOK, map[string]string{
		"/v2/audit-log-webhook":        `{"endpoint":"https://example.com/audit-logs","log_format":"cef","enabled":true,"skip_ssl_verification":false,"updated_at":"2023-04-01T00:00:01Z"}`,
		"/v2/audit-log-webhook/status": `{"webhook_enabled":true,"webhook_status":"active"}`,
	})
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(server.URL, "kpat_example")
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := c.Webhook.Update(ctx, webhook.Patch{
		Endpoint:      webhook.Set("https://example.com/audit-logs"),
		Authorization: webhook.Set(webhook.NewSecret("Bearer example-token")),
		LogFormat:     webhook.Set(webhook.CEF),
		Enabled:       webhook.Set(true),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(config.Endpoint, config.LogFormat, config.Enabled)

	current, err := c.Webhook.Status(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(current.WebhookStatus, "-", current.Meaning())
	// Output:
	// https://example.com/audit-logs cef true
	// active - Ready to send events: no attempt has been made yet, or the last delivery succeeded.
}

// From nothing to a webhook that sends, and back. A step that fails undoes those
// before it.
func ExampleBindingService_SetUp() {
	const destination = `{"id":"07ec3858-066b-4629-bdc5-d4aa893b424d","name":"SIEM","endpoint":"https://siem.example.com/audit-logs","log_format":"cef"}`
	server := konnect(http.StatusOK, map[string]string{
		"/v3/audit-log-webhook":           `{"audit_log_destination_id":null,"enabled":false}`,
		"/v2/audit-log-webhook":           `{"endpoint":"unconfigured","enabled":false}`,
		"GET /v3/audit-log-destinations":  `{"data":[],"meta":{"next":null,"previous":null,"size":10}}`,
		"POST /v3/audit-log-destinations": destination,
		"/v3/audit-log-webhook/status":    `{"webhook_enabled":true,"webhook_status":"active"}`,
	})
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(server.URL, "kpat_example")
	if err != nil {
		fmt.Println(err)
		return
	}
	made, err := c.Binding.SetUp(ctx, webhook.Destination{
		Name:          "SIEM",
		Endpoint:      "https://siem.example.com/audit-logs",
		Authorization: webhook.NewSecret("Bearer example-token"),
		LogFormat:     webhook.CEF,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	current, err := c.Binding.Status(ctx)
	fmt.Println(made.ID, current.WebhookStatus, err)
	fmt.Println(c.Binding.TearDown(ctx, "SIEM"))
	// Output:
	// 07ec3858-066b-4629-bdc5-d4aa893b424d active <nil>
	// <nil>
}

// All fetches page after page while the loop goes on.
func ExampleDestinationService_All() {
	server := konnect(http.StatusOK, map[string]string{
		"/v3/audit-log-destinations": `{"data":[{"id":"07ec3858-066b-4629-bdc5-d4aa893b424d","name":"SIEM","log_format":"cef"},` +
			`{"id":"e4374fdc-1f15-4da9-b2e8-7f13d822efe8","name":"SIEM, second site","log_format":"json"}],"meta":{"next":null,"previous":null,"size":10}}`,
	})
	defer server.Close()

	c, err := client.New(server.URL, "kpat_example")
	if err != nil {
		fmt.Println(err)
		return
	}
	for destination, err := range c.Destinations.All(context.Background(), client.DestinationListOptions{NameContains: "SIEM"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(destination.ID, destination.LogFormat, destination.Name)
	}
	// Output:
	// 07ec3858-066b-4629-bdc5-d4aa893b424d cef SIEM
	// e4374fdc-1f15-4da9-b2e8-7f13d822efe8 json SIEM, second site
}

// Send the events of an outage again.
func ExampleReplayService_Wait() {
	const job = `{"start_at":"2023-04-04T18:00:00Z","end_at":"2023-04-04T19:00:00Z","updated_at":"2023-04-05T08:00:00Z","status":`
	server := konnect(http.StatusOK, map[string]string{
		"PUT /v3/audit-log-replay-job": job + `"accepted"}`,
		"GET /v3/audit-log-replay-job": job + `"completed"}`,
	})
	defer server.Close()

	ctx := context.Background()
	c, err := client.New(server.URL, "kpat_example")
	if err != nil {
		fmt.Println(err)
		return
	}
	from := time.Date(2023, time.April, 4, 18, 0, 0, 0, time.UTC)
	if _, err := c.Replay.Start(ctx, from, from.Add(time.Hour)); err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Replay.Wait(ctx, func(job webhook.ReplayJob) { fmt.Println(job.Status) })
	fmt.Println(err)
	// Output:
	// completed
	// <nil>
}

// Pull the log and print it as CEF. What was pulled cannot be verified, and does
// not look as if it could.
func ExampleLogService_All() {
	server := konnect(http.StatusOK, map[string]string{
		"/v3/audit-logs": `{"data":[{"type":"authorization","ts":"2023-03-21T09:29:14.52Z","signature":"MEUCIQDf","service":"servicehub",` +
			`"resource":"krn:kong:gateway:us","action":"list","granted":true,"org_id":"6945c4c4","principal_id":"user_1"}],` +
			`"meta":{"page":{"next":null,"previous":null,"size":1000}}}`,
	})
	defer server.Close()

	c, err := client.New(server.URL, "kpat_example")
	if err != nil {
		fmt.Println(err)
		return
	}
	for entry, err := range c.Logs.All(context.Background(), client.LogListOptions{Type: webhook.AuthorizationEntry}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		event := client.Event(entry)
		line, err := auditlog.CEF.Append(nil, &event)
		fmt.Println(string(line), err)
	}
	// Output:
	// 2023-03-21T09:29:14Z konghq.com CEF:0|KongInc|Konnect|1.0|servicehub|Authz.krn:kong:gateway:us|1|rt=1679390954520 src= action=list granted=true org_id=6945c4c4 principal_id=user_1 trace_id= user_agent= unverified_signature=MEUCIQDf <nil>
}

// A developer portal has a webhook of its own; the destinations are the same.
func ExampleClient_Portal() {
	server := konnect(http.StatusOK, map[string]string{
		"/v3/portals/9cb77dc2-ff99-4d47-84ab-7c5c1b3ef939/audit-log-webhook": `{"enabled":true,"audit_log_destination_id":"07ec3858-066b-4629-bdc5-d4aa893b424d"}`,
	})
	defer server.Close()

	c, err := client.New(server.URL, "kpat_example")
	if err != nil {
		fmt.Println(err)
		return
	}
	portal, err := c.Portal("9cb77dc2-ff99-4d47-84ab-7c5c1b3ef939")
	if err != nil {
		fmt.Println(err)
		return
	}
	binding, err := portal.Binding.Get(context.Background())
	fmt.Println(binding.DestinationID, binding.Enabled, err)
	// Output: 07ec3858-066b-4629-bdc5-d4aa893b424d true <nil>
}

// Errors match a sentinel by their status, and an APIError tells the rest.
func ExampleAPIError() {
	server := konnect(http.StatusBadRequest, map[string]string{
		"/v2/audit-log-webhook": `{"status":400,"title":"Bad Request","instance":"konnect:trace:6644808935508571943","detail":"Required field missing",` +
			`"invalid_parameters":[{"field":"authorization","reason":"cannot be blank"}]}`,
	})
	defer server.Close()

	c, err := client.New(server.URL, "kpat_example")
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = c.Webhook.Update(context.Background(), webhook.Patch{Enabled: webhook.Set(true)})
	fmt.Println(err)
	fmt.Println("bad request:", errors.Is(err, client.ErrBadRequest))
	if answered, ok := errors.AsType[*client.APIError](err); ok {
		for _, p := range answered.Problem.InvalidParameters {
			fmt.Println("field:", p.Field)
		}
	}
	// Output:
	// client: PATCH /v2/audit-log-webhook: 400 Bad Request: Required field missing; authorization: cannot be blank (konnect:trace:6644808935508571943)
	// bad request: true
	// field: authorization
}
