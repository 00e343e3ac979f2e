package main

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
)

const tenant = "example-tenant"

// key seals the authorization on disk. A real one comes from a vault.
var key = rand.Text() + rand.Text()

// service is what embeds the SDK: a store, a Shipper over it, and the management
// API over that.
type service struct {
	store   store.Store
	shipper *shipper.Shipper
	server  *http.Server
	api     *client.Client
}

// openService opens what is in the folder, and goes on from there.
func openService(ctx context.Context, dir string, rootCAs *x509.CertPool) (*service, error) {
	clock := fastClock{}
	events, err := diskstore.Open(diskstore.Config{Dir: dir, Clock: clock})
	if err != nil {
		return nil, err
	}
	sealing, err := shipper.NewKey([]byte(key)[:shipper.KeyBytes])
	if err != nil {
		return nil, err
	}
	s := &service{store: events}
	s.shipper, err = shipper.New(shipper.Config{
		Store: events,
		Keys:  []shipper.Key{sealing},
		Clock: clock,
		Delivery: delivery.Config{
			RootCAs: rootCAs,
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
		Hooks:  []shipper.Hook{printer{}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	token := rand.Text()
	handler, err := konnectapi.New(konnectapi.Config{
		Shipper: s.shipper,
		Store:   events,
		Authenticate: func(r *http.Request) (konnectapi.Caller, error) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				return konnectapi.Caller{}, errors.New("wrong token")
			}
			return konnectapi.Caller{Tenant: tenant, Principal: "the-admin"}, nil
		},
		Authorize: func(context.Context, konnectapi.Caller, konnectapi.Operation) error { return nil },
		Clock:     clock,
	})
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.server = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(listener) }() // until it is closed
	s.api, err = client.New("http://"+listener.Addr().String(), token)
	return s, err
}

// close stops everything in its order: nothing more is accepted, attempts under
// way end, and the rest stays for the next start.
func (s *service) close(ctx context.Context) {
	_ = s.server.Close()
	_ = s.shipper.Close(ctx)
	_ = s.store.Close()
}

// abandon takes the files away from everything, as a crash does: nobody is asked
// to finish or to save anything.
func (s *service) abandon() {
	_ = s.store.Close()
	_ = s.server.Close()
}

// turnedInactive waits for the status to say so.
func (s *service) turnedInactive(ctx context.Context) error {
	for {
		current, err := s.api.Webhook.Status(ctx)
		if err != nil {
			return err
		}
		if current.WebhookStatus == status.Inactive {
			return s.showStatus(ctx)
		}
		if err := (fastClock{}).Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// printer prints each attempt.
type printer struct{}

// AttemptFinished implements [shipper.AttemptFinishedHook].
func (printer) AttemptFinished(_ context.Context, _ string, result delivery.Result) {
	last := result.Last()
	fmt.Printf("  attempt %d of %d events to %s: %v", len(result.Attempts), result.Events, result.Endpoint, last)
	if last.Wait > 0 {
		fmt.Printf(", next in %v", last.Wait)
	}
	fmt.Println()
}

// fastClock runs ten times as fast as the system's.
type fastClock struct{}

const speed = 10

var start = time.Now()

// Now implements [store.Clock].
func (fastClock) Now() time.Time { return start.Add(time.Since(start) * speed) }

// Sleep implements [store.Clock].
func (fastClock) Sleep(ctx context.Context, d time.Duration) error {
	return store.SystemClock{}.Sleep(ctx, d/speed)
}
