package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/rpc"
	"os"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/natsstore"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	instanceEnv   = "CLUSTER_INSTANCE" // its settings make an instance of the program
	lease         = 3 * time.Second    // a minute, if nothing is said
	authorization = "Bearer example-token"
)

// settings are what an instance is told in its environment.
type settings struct {
	Name      string `json:"name"`
	NATS      string `json:"nats"` // the servers' addresses
	Key       []byte `json:"key"`  // seals authorizations; all instances have the same
	Endpoint  string `json:"endpoint"`
	Authority []byte `json:"authority"` // of the endpoint's certificate, in PEM
}

// instance is a service that embeds the SDK. Its exported methods are what it can
// be asked for; a real one has an HTTP API here.
type instance struct {
	settings settings
	shipper  *shipper.Shipper
}

// serveInstance runs an instance until standard input ends.
func serveInstance(ctx context.Context, environment string) error {
	in := &instance{}
	if err := json.Unmarshal([]byte(environment), &in.settings); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})).With("instance", in.settings.Name)

	// On one machine alone this would be diskstore.Open; the rest stays as it is.
	events, err := natsstore.Open(ctx, natsstore.Config{URL: in.settings.NATS, Replicas: replicas, Lease: lease, Logger: logger})
	if err != nil {
		return fmt.Errorf("%s: %w", in.settings.Name, err)
	}
	defer func() { _ = events.Close() }()
	key, err := shipper.NewKey(in.settings.Key)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(in.settings.Authority)
	in.shipper, err = shipper.New(shipper.Config{
		Store: events,
		Keys:  []shipper.Key{key},
		Delivery: delivery.Config{
			UserAgent: in.settings.Name,
			RootCAs:   roots,
			Guard:     &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
		Logger: logger,
	})
	if err != nil {
		return err
	}
	requests := rpc.NewServer()
	err = requests.RegisterName("Instance", in)
	if err == nil {
		requests.ServeConn(pipes{os.Stdin, os.Stdout})
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // for attempts under way
	defer cancel()
	return errors.Join(err, in.shipper.Close(ctx))
}

// Configure configures a webhook, for all instances.
func (in *instance) Configure(id string, _ *struct{}) error {
	_, err := in.shipper.Update(context.Background(), id, webhook.Patch{
		Endpoint:      webhook.Set(in.settings.Endpoint),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		Enabled:       webhook.Set(true),
	})
	return err
}

// Call asks for events to be recorded, which are numbered from First on.
type Call struct {
	Webhook       string
	First, Events int
}

// Record returns when the events are on the servers. The call may be repeated, at
// any instance: by its key it is accepted once.
func (in *instance) Record(c Call, _ *struct{}) error {
	var events []auditlog.Event
	for i := range c.Events {
		events = append(events, auditlog.Authorization{
			Time: time.Now(), Service: "billing", Resource: "invoices", Action: "delete", Granted: true, OrgID: c.Webhook,
			TraceID: traceID(c.Webhook, c.First+i),
		}.Event())
	}
	return in.shipper.RecordOnce(context.Background(), c.Webhook, traceID(c.Webhook, c.First), events...)
}

// Drain returns when nothing waits to be delivered, by whatever instance.
func (in *instance) Drain(ids []string, _ *struct{}) error {
	return in.shipper.Drain(context.Background(), ids...)
}

// traceID tells events apart.
func traceID(id string, number int) string { return fmt.Sprintf("%s/%d", id, number) }
