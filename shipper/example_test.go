package shipper_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func Example() {
	siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{Authorization: "Bearer example-token"})
	if err != nil {
		panic(err)
	}
	defer siem.Close()
	dir, err := os.MkdirTemp("", "audit-log-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()

	events, err := diskstore.Open(diskstore.Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	defer func() { _ = events.Close() }()
	key, err := shipper.NewKey([]byte("32 random bytes from your vault!"))
	if err != nil {
		panic(err)
	}
	s, err := shipper.New(shipper.Config{
		Store:  events,
		Keys:   []shipper.Key{key},
		Logger: slog.New(slog.DiscardHandler),
		Delivery: delivery.Config{
			RootCAs: siem.RootCAs(),
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = s.Close(ctx) }()

	_, err = s.Update(ctx, "tenant-1", webhook.Patch{
		Endpoint:      webhook.Set(siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret("Bearer example-token")),
		Enabled:       webhook.Set(true),
	})
	if err != nil {
		panic(err)
	}
	event := auditlog.Authorization{Time: time.Now(), Service: "billing", Resource: "invoices", Action: "delete", Granted: true}
	if err := s.Record(ctx, "tenant-1", event.Event()); err != nil {
		panic(err)
	}
	if err := s.Drain(ctx, "tenant-1"); err != nil {
		panic(err)
	}
	status, err := s.Status(ctx, "tenant-1")
	if err != nil {
		panic(err)
	}
	fmt.Println(status.WebhookStatus, status.LastResponseCode)
	fmt.Println(siem.Events()[0].Name)
	// Output:
	// active 200
	// Authz.invoices
}
