package konnectapi_test

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func Example() {
	events, err := memstore.Open(memstore.Config{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = events.Close() }()
	s, err := shipper.New(shipper.Config{Store: events, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		panic(err)
	}
	defer func() { _ = s.Close(context.Background()) }()

	// Whoever shows the token is the admin of the one tenant there is.
	handler, err := konnectapi.New(konnectapi.Config{
		Shipper: s,
		Store:   events,
		Authenticate: func(r *http.Request) (konnectapi.Caller, error) {
			if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer example-token")) == 0 {
				return konnectapi.Caller{}, errors.New("the token is not known")
			}
			return konnectapi.Caller{Tenant: "tenant-1", Principal: "ann"}, nil
		},
		Authorize: func(context.Context, konnectapi.Caller, konnectapi.Operation) error { return nil },
	})
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	konnect, err := client.New(server.URL, "example-token")
	if err != nil {
		panic(err)
	}
	config, err := konnect.Webhook.Update(context.Background(), webhook.Patch{
		Endpoint:      webhook.Set("https://siem.example.com/audit-logs"),
		Authorization: webhook.Set(webhook.NewSecret("Bearer of the SIEM")),
		Enabled:       webhook.Set(true),
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(config.Endpoint, config.Enabled)
	// Output: https://siem.example.com/audit-logs true
}
