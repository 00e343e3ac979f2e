package konnecttest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// A Konnect that delivers to a SIEM, configured through the API. In a test,
// NewSIEM and NewKonnect need no error handling and no Close.
func Example() {
	ctx := context.Background()
	siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{Authorization: "Bearer secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer siem.Close()
	konnect, err := konnecttest.StartKonnect(konnecttest.KonnectConfig{RootCAs: siem.RootCAs()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer konnect.Close()

	c, err := client.New(konnect.URL(), konnect.Token())
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := c.Webhook.Update(ctx, webhook.Patch{
		Endpoint:      webhook.Set(siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret("Bearer secret")),
		Enabled:       webhook.Set(true),
	}); err != nil {
		fmt.Println(err)
	}
	if err := konnect.Record(ctx, konnecttest.Events(1, 3, time.Unix(1_750_000_000, 0))...); err != nil {
		fmt.Println(err)
	}
	if err := konnect.Drain(ctx); err != nil {
		fmt.Println(err)
	}
	status, err := c.Webhook.Status(ctx)
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(siem.Events()), "events, with that of the set-up;", status.WebhookStatus)
	// Output: 4 events, with that of the set-up; active
}
