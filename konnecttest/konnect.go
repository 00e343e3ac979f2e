package konnecttest

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// KonnectConfig says how a Konnect is set up. The zero KonnectConfig is usable.
type KonnectConfig struct {
	// Token is the access token that callers must show. Default: a random one.
	Token string

	// Portals are the ids, UUIDs, of the developer portals that there are.
	Portals []string

	// RootCAs are the authorities that its deliveries trust, such as
	// [SIEM.RootCAs]. Default: the system's.
	RootCAs *x509.CertPool

	// DialContext replaces the dialler of its deliveries, [SIEM.DialContext]
	// for instance.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Clock is for all waits and time stamps. It must really wait, be it in a
	// shorter time. Default: [store.SystemClock].
	Clock store.Clock

	// Hooks are told what deliveries do.
	Hooks []delivery.Hook

	// Logger is told what the API refuses and the engine does. Default: none.
	Logger *slog.Logger
}

// Konnect is a fake of one region of Konnect, on plain HTTP at a loopback port:
// package konnectapi over a Shipper that keeps everything in memory. It serves
// the whole management API for audit logs, versions 2 and 3, and really delivers
// to the webhook configured, also on this machine. It can be told to fail
// ([Konnect.Script]) and keeps every request. It is safe for concurrent use.
type Konnect struct {
	token    string
	portals  []string
	store    store.Store
	shipper  *shipper.Shipper
	api      http.Handler
	server   *http.Server
	listener net.Listener
	serving  sync.WaitGroup

	mu        sync.Mutex
	script    []Step
	otherwise Step
	requests  []APIRequest
}

// regionWebhook is the id under which the fake's Shipper has the region's webhook.
const regionWebhook = "region"

// batchAge is how long events wait for others: not a second as in earnest, for
// tests wait too.
const batchAge = 20 * time.Millisecond

// NewKonnect starts a Konnect for a test, which is closed when the test ends.
func NewKonnect(t TB, config KonnectConfig) *Konnect {
	t.Helper()
	k, err := StartKonnect(config)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(k.Close)
	return k
}

// StartKonnect starts a Konnect. Close it.
func StartKonnect(config KonnectConfig) (*Konnect, error) {
	if config.Token == "" {
		config.Token = "kpat_" + rand.Text()
	}
	if config.Clock == nil {
		config.Clock = store.SystemClock{}
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	k := &Konnect{token: config.Token, portals: slices.Clone(config.Portals)}
	if err := k.start(&config); err != nil {
		k.Close()
		return nil, fmt.Errorf("konnecttest: %w", err)
	}
	return k, nil
}

func (k *Konnect) start(config *KonnectConfig) error {
	var err error
	if k.store, err = memstore.Open(memstore.Config{Clock: config.Clock, Logger: config.Logger}); err != nil {
		return err
	}
	k.shipper, err = shipper.New(shipper.Config{
		Store:    k.store,
		BatchAge: batchAge,
		Source:   shipper.Source{Host: auditlog.KonnectHost, Vendor: auditlog.KonnectVendor, Product: auditlog.KonnectProduct, Version: auditlog.KonnectVersion},
		Delivery: delivery.Config{
			RootCAs: config.RootCAs, DialContext: config.DialContext, Hooks: config.Hooks,
			Guard: &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}},
		},
		Clock:  config.Clock,
		Logger: config.Logger,
	})
	if err != nil {
		return err
	}
	k.api, err = konnectapi.New(konnectapi.Config{
		Shipper:      k.shipper,
		Store:        k.store,
		Authenticate: k.authenticate,
		Authorize:    func(context.Context, konnectapi.Caller, konnectapi.Operation) error { return nil },
		Portal:       k.portal,
		Source:       shipper.Source{Host: auditlog.KonnectHost, Vendor: auditlog.KonnectVendor, Product: auditlog.KonnectProduct, Version: auditlog.KonnectVersion},
		Clock:        config.Clock,
		Logger:       config.Logger,
	})
	if err != nil {
		return err
	}
	if k.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	k.server = &http.Server{Handler: k, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	k.serving.Go(func() {
		if err := k.server.Serve(k.listener); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("konnecttest: %v", err)) // nothing else ends it
		}
	})
	return nil
}

// Close stops the server and the deliveries. What is under way has a second to
// finish.
func (k *Konnect) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if k.server != nil && k.server.Shutdown(ctx) != nil {
		_ = k.server.Close()
	}
	k.serving.Wait()
	if k.shipper != nil {
		_ = k.shipper.Close(ctx)
	}
	if k.store != nil {
		_ = k.store.Close()
	}
}

// URL returns the base URL, for client.New.
func (k *Konnect) URL() string { return "http://" + k.listener.Addr().String() }

// Token returns the access token that callers must show.
func (k *Konnect) Token() string { return k.token }

// Shipper returns the engine, for what the fake has no method for.
func (k *Konnect) Shipper() *shipper.Shipper { return k.shipper }

// WebhookID returns the id under which the Shipper has the webhook of a
// developer portal, or of the region if portal is empty.
func (k *Konnect) WebhookID(portal string) string {
	if portal == "" {
		return regionWebhook
	}
	return "portal/" + strings.ToLower(portal)
}

// Webhook returns the configuration of the region's webhook, authorization and
// all.
func (k *Konnect) Webhook() webhook.Config {
	config, _ := k.shipper.Get(context.Background(), regionWebhook) // it is in memory
	return config
}

// Status returns the status document of the region's webhook.
func (k *Konnect) Status() status.Status {
	document, _ := k.shipper.Status(context.Background(), regionWebhook)
	return document
}

// Record makes the events happen: they are in the region's audit log, and
// delivered as the webhook says, with Konnect's retries. The error is that of
// [shipper.Shipper.Record], for a webhook that was never configured for instance.
func (k *Konnect) Record(ctx context.Context, events ...auditlog.Event) error {
	return k.shipper.Record(ctx, regionWebhook, events...)
}

// Drain waits until everything recorded was delivered.
func (k *Konnect) Drain(ctx context.Context) error { return k.shipper.Drain(ctx, regionWebhook) }

// Script makes the API do what the steps say with the next requests, one each:
// fail, wait, or break the connection. A step without Status and Break is
// answered by the API itself, after its Delay; a Status without Body has a
// problem document. It panics if a step's status is none that ends an answer.
func (k *Konnect) Script(steps ...Step) {
	for _, step := range steps {
		step.check()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.script = append(k.script, steps...)
}

// Otherwise sets the step for requests beyond the script. It panics as Script
// does.
func (k *Konnect) Otherwise(step Step) {
	step.check()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.otherwise = step
}

func (k *Konnect) authenticate(r *http.Request) (konnectapi.Caller, error) {
	given := webhook.NewSecret(r.Header.Get("Authorization"))
	if !given.Equal(webhook.NewSecret("Bearer " + k.token)) {
		return konnectapi.Caller{}, errors.New("wrong token")
	}
	return konnectapi.Caller{Tenant: "organization", Webhook: regionWebhook, Principal: "organization-admin"}, nil
}

func (k *Konnect) portal(_ context.Context, _ konnectapi.Caller, id string) (string, error) {
	if !slices.ContainsFunc(k.portals, func(p string) bool { return strings.EqualFold(p, id) }) {
		return "", konnectapi.ErrNotFound
	}
	return k.WebhookID(id), nil
}
