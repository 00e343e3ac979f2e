package webhook_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// A server keeps a Config and applies the bodies of PATCH requests to it.
func Example() {
	now := time.Date(2023, time.April, 1, 0, 0, 1, 0, time.UTC)
	var config webhook.Config

	update := func(body string) {
		patch, err := webhook.DecodePatch([]byte(body))
		if err == nil {
			config, err = config.Apply(patch, now)
		}
		var answer any = config
		if invalid, ok := errors.AsType[*webhook.ValidationError](err); ok {
			answer = invalid.Problem("konnect:trace:6644808935508571943")
		}
		data, _ := json.Marshal(answer)
		fmt.Printf("%s\n", data)
	}

	update(`{"enabled":false}`)
	update(`{"endpoint":"https://example.com/audit-logs","enabled":true}`)
	update(`{"endpoint":"https://example.com/audit-logs","enabled":true,"authorization":"Bearer example-token","log_format":"cef"}`)

	// Output:
	// {"endpoint":"unconfigured","log_format":"cef","enabled":false,"skip_ssl_verification":false,"updated_at":"0001-01-01T00:00:00Z"}
	// {"status":400,"title":"Bad Request","instance":"konnect:trace:6644808935508571943","detail":"Required field missing","invalid_parameters":[{"field":"authorization","reason":"cannot be blank"}]}
	// {"endpoint":"https://example.com/audit-logs","log_format":"cef","enabled":true,"skip_ssl_verification":false,"updated_at":"2023-04-01T00:00:01Z"}
}

// Only what was set is sent: switching the format leaves the rest alone.
func ExampleEncodePatch() {
	body := webhook.EncodePatch(webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
	fmt.Printf("%s\n", body)
	// Output: {"log_format":"json"}
}

func ExampleSecret() {
	authorization := webhook.NewSecret("Bearer example-token")
	fmt.Printf("%v %q\n", authorization, authorization)
	fmt.Println(authorization.Equal(webhook.NewSecret("Bearer example-token")))
	// Output:
	// [redacted] [redacted]
	// true
}

// A server that creates destinations decodes the body, checks it, and answers
// with the result.
func ExampleDecodeDestination() {
	create := func(body string) {
		destination, err := webhook.DecodeDestination([]byte(body))
		if err == nil {
			err = destination.Validate()
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		destination.ID = "07ec3858-066b-4629-bdc5-d4aa893b424d"
		data, _ := json.Marshal(destination)
		fmt.Printf("%s\n", data)
	}

	create(`{"name":"SIEM","endpoint":"https://example.com/audit-logs"}`)
	create(`{"name":"SIEM","endpoint":"https://example.com/audit-logs","log_format":"cef","authorization":"Bearer example-token"}`)
	// Output:
	// webhook: authorization: cannot be blank; log_format: cannot be blank
	// {"id":"07ec3858-066b-4629-bdc5-d4aa893b424d","name":"SIEM","endpoint":"https://example.com/audit-logs","log_format":"cef","skip_ssl_verification":false,"created_at":"0001-01-01T00:00:00Z","updated_at":"0001-01-01T00:00:00Z"}
}

// A replay reaches seven days back.
func ExampleValidateReplay() {
	now := time.Date(2023, time.April, 10, 0, 0, 0, 0, time.UTC)
	fmt.Println(webhook.ValidateReplay(now.AddDate(0, 0, -7), now, now))
	fmt.Println(webhook.ValidateReplay(now.AddDate(0, 0, -8), now, now))
	// Output:
	// <nil>
	// webhook: start_at: must be within the last 7 days
}
