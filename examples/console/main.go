// Command console shows the page on which audit log webhooks are set up, with
// everything behind it on this machine: an engine that ships events, and a SIEM
// that takes them.
//
//	go run ./examples/console
//
// It prints the page's address. Every second something happens that is worth an
// event. Break the SIEM on the address printed below it, and watch the status
// turn; repair it, and watch the backlog drain. Anybody who reaches the loopback
// address is an administrator here: a service puts its own sessions in place of
// [authenticate] and [webhooks]. What is set up is gone when it ends.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"github.com/seed-6bcf82c5/auditlog/console"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	region        = "eu"
	authorization = "Bearer example-token"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "the `address` to serve the page on")
	readOnly := flag.Bool("read-only", false, "show the page to somebody who may only look")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *readOnly); err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context, listen string, readOnly bool) error {
	siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{Authorization: authorization})
	if err != nil {
		return err
	}
	defer siem.Close()
	history := console.NewHistory(nil)
	s, err := startShipper(siem, history)
	if err != nil {
		return err
	}
	defer func() {
		ended, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = s.Close(ended) // what waits goes with the store, which is in memory
	}()
	_, err = s.Update(ctx, region, webhook.Patch{
		Endpoint:      webhook.Set(siem.URL()),
		Authorization: webhook.Set(webhook.NewSecret(authorization)),
		Enabled:       webhook.Set(true),
	})
	if err != nil {
		return err
	}
	role := console.Admin
	if readOnly {
		role = console.Reader
	}
	page, err := console.New(console.Config{
		Shipper: s, History: history, Authenticate: authenticate, Webhooks: webhooks(role),
	})
	if err != nil {
		return err
	}
	return serve(ctx, listen, s, siem, page)
}

// startShipper starts an engine that may reach the SIEM on the loopback address.
func startShipper(siem *konnecttest.SIEM, history *console.History) (*shipper.Shipper, error) {
	events, err := memstore.Open(memstore.Config{})
	if err != nil {
		return nil, err
	}
	secret := make([]byte, shipper.KeyBytes)
	_, _ = rand.Read(secret) // never fails
	key, err := shipper.NewKey(secret)
	if err != nil {
		return nil, err
	}
	return shipper.New(shipper.Config{
		Store: events, Keys: []shipper.Key{key}, Hooks: []shipper.Hook{history},
		ProbeFirst: 5 * time.Second, ProbeMax: 15 * time.Second, // quick, for those who watch
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Delivery: delivery.Config{
			RootCAs: siem.RootCAs(),
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
	})
}

// authenticate stands where a service looks at its session.
func authenticate(*http.Request) (console.User, error) {
	return console.User{Tenant: "example", Principal: "you", PrincipalName: "You, on this machine"}, nil
}

// webhooks stands where a service looks up what its user may see.
func webhooks(role console.Role) func(context.Context, console.User) ([]console.Webhook, error) {
	return func(context.Context, console.User) ([]console.Webhook, error) {
		return []console.Webhook{{ID: region, Title: "Region EU", Role: role}}, nil
	}
}

// serve serves the page and the SIEM's switch until ctx ends.
func serve(ctx context.Context, listen string, s *shipper.Shipper, siem *konnecttest.SIEM, page http.Handler) error {
	mux := http.NewServeMux()
	mux.Handle("/audit-logs/", page)
	mux.HandleFunc("/siem", func(w http.ResponseWriter, r *http.Request) { serveSwitch(w, r, siem) })
	mux.Handle("/{$}", http.RedirectHandler("/audit-logs/", http.StatusFound))
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.NewCrossOriginProtection().Handler(mux), ReadHeaderTimeout: 10 * time.Second}
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stopped()
	go live(ctx, s)
	fmt.Printf("The page:           http://%s/audit-logs/\n", listener.Addr())
	fmt.Printf("Break the SIEM:     http://%s/siem\n", listener.Addr())
	fmt.Printf("Its endpoint:       %s with %q\n", siem.URL(), authorization)
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// live records an event a second.
func live(ctx context.Context, s *shipper.Shipper) {
	for seed := uint64(1); ; seed++ {
		for _, e := range konnecttest.Events(seed, 1, time.Now()) {
			if err := s.Record(ctx, region, e); err != nil && ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "console:", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// faults are what the SIEM can be told to do.
var faults = []struct {
	name string
	step konnecttest.Step
}{
	{"works", konnecttest.Step{}},
	{"is down (503)", konnecttest.Step{Status: 503, Body: "the indexer is not ready"}},
	{"forgot the token (401)", konnecttest.Step{Status: 401, Body: "invalid token"}},
	{"breaks connections", konnecttest.Step{Break: konnecttest.BreakAfterReading}},
	{"refuses events (422)", konnecttest.Step{Status: 422, Body: "unknown source type"}},
}

// serveSwitch shows the SIEM's switch.
func serveSwitch(w http.ResponseWriter, r *http.Request, siem *konnecttest.SIEM) {
	if r.Method == http.MethodPost {
		for _, f := range faults {
			if f.name == r.PostFormValue("siem") {
				siem.Otherwise(f.step)
			}
		}
		http.Redirect(w, r, "/siem", http.StatusSeeOther)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!DOCTYPE html><html lang=en><meta name=color-scheme content='light dark'><title>SIEM</title><h1>The SIEM …</h1><form method=post>")
	for _, f := range faults {
		fmt.Fprintf(w, "<p><button name=siem value='%s'>… %s</button></p>", f.name, f.name)
	}
	fmt.Fprintf(w, "</form><p>It has taken %d events.</p></html>", len(siem.Events()))
}
