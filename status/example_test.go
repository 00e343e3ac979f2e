package status_test

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/status"
)

// A webhook is set up, its endpoint breaks, and later answers again.
func Example() {
	now := time.Date(2023, time.April, 4, 18, 11, 16, 0, time.UTC)
	show := func(s status.State) {
		document, _ := json.Marshal(s.Status())
		fmt.Printf("%s\n  %s\n", document, s.Status().Meaning())
	}

	var s status.State
	show(s)

	s = s.Configure(now).Enable()
	show(s)

	s = s.AttemptFinished(status.Attempt{At: now, Code: 401, Message: "Unauthorized"})
	s = s.DeliveryFailed(now) // a 401 is not retried
	show(s)

	now = now.Add(time.Hour)
	s = s.AttemptFinished(status.Attempt{At: now, Code: 200})
	s = s.DeliverySucceeded(now)
	show(s)

	// Output:
	// {"webhook_enabled":false,"webhook_status":"unconfigured"}
	//   No webhook has been configured yet.
	// {"webhook_enabled":true,"webhook_status":"active"}
	//   Ready to send events: no attempt has been made yet, or the last delivery succeeded.
	// {"last_attempt_at":"2023-04-04T18:11:16Z","last_response_code":401,"last_response_message":"Unauthorized","webhook_enabled":true,"webhook_status":"inactive"}
	//   The last delivery failed; sending is switched on and will be resumed.
	// {"last_attempt_at":"2023-04-04T19:11:16Z","last_response_code":200,"webhook_enabled":true,"webhook_status":"active"}
	//   Ready to send events: no attempt has been made yet, or the last delivery succeeded.
}
