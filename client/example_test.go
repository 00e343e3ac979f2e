package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// konnect is a server that answers each path with a fixed document.
func konnect(status int, documents map[string]string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, documents[r.URL.Path])
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
