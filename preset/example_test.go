package preset_test

import (
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/preset"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Hold what somebody entered against what the receiver takes.
func ExamplePreset_Check() {
	splunk, _ := preset.Get("splunk-cloud")
	fmt.Println(splunk.Check("https://http-inputs-acme.splunkcloud.com/services/collector/event", webhook.NewSecret("Bearer example-token"), webhook.CEF))

	sentinel, _ := preset.Get("sentinel")
	fmt.Println(sentinel.Refusal)
	// Output:
	// webhook: authorization: must be the word Splunk, a space and the token; endpoint: must be of the form https://http-inputs-acme.splunkcloud.com/services/collector/raw
	// wants an array of JSON that matches a data collection rule, and a token of Microsoft Entra that expires: put Logstash with Microsoft's Sentinel output plug-in in between, or a syslog server with the Azure Monitor Agent
}

// Say what a replay would lose before it starts.
func ExamplePreset_CheckReplay() {
	now := time.Date(2026, time.January, 8, 0, 0, 0, 0, time.UTC)
	datadog, _ := preset.Get("datadog")
	fmt.Println(datadog.CheckReplay(now.AddDate(0, 0, -7), now))
	// Output: webhook: start_at: must not be more than 18 hours ago: Datadog Logs drops older events, or stores them under another time
}
