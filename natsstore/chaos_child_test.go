//go:build unix

package natsstore_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/natsstore"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The producers of an instance. The last one never repeats a call that was
// interrupted or failed.
const (
	producers = 6
	forgetful = producers - 1
)

const (
	chaosAuthorization = "Bearer example-token"

	// startPatience is how long an instance tries to start, and callPatience
	// how long a call of Record may take until it is repeated.
	startPatience = 30 * time.Second
	callPatience  = 5 * time.Second
)

// ship is an instance: it records and ships until it is killed, or told to end.
func (c *child) ship(hear func(string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startPatience)
	defer cancel()
	before := goleak.IgnoreCurrent()
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	cfg := chaosStore(c.URL, c.Servers)
	cfg.Logger = logger
	events, err := again(ctx, "a store that did not open", func() (store.Store, error) { return natsstore.Open(ctx, cfg) })
	if err != nil {
		return err
	}
	s, err := again(ctx, "a shipper that did not start", func() (*shipper.Shipper, error) { return c.shipper(events, logger) })
	if err != nil {
		return err
	}
	if err := c.configure(ctx, s); err != nil {
		return err
	}
	say("started")
	recording, stop := context.WithCancel(context.Background())
	defer stop()
	var running sync.WaitGroup
	failed := make([]error, producers)
	for i := range producers {
		running.Go(func() { failed[i] = c.produce(recording, s, i) })
	}
	if err := hear("stop recording"); err != nil {
		return err
	}
	stop()
	running.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	say("recorded")
	if err := hear("drain"); err != nil {
		return err
	}
	if err := c.drain(s); err != nil {
		return err
	}
	return errors.Join(s.Close(context.Background()), events.Close(), goleak.Find(before))
}

// again repeats what fails while servers are restarted, until ctx ends.
func again[T any](ctx context.Context, what string, f func() (T, error)) (T, error) {
	for {
		value, err := f()
		if err == nil {
			return value, nil
		}
		say("met " + what)
		if (store.SystemClock{}).Sleep(ctx, 100*time.Millisecond) != nil {
			return value, err
		}
	}
}

func (c *child) shipper(events store.Store, logger *slog.Logger) (*shipper.Shipper, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CA)
	key, err := shipper.NewKey([]byte(strings.Repeat("k", shipper.KeyBytes)))
	if err != nil {
		return nil, err
	}
	return shipper.New(shipper.Config{
		Store: &watchedStore{events}, Keys: []shipper.Key{key}, Logger: logger,
		Batch: delivery.Limits{Events: 40}, BatchAge: 200 * time.Millisecond,
		Workers:    2, // so that one instance does not take everything
		ProbeFirst: 500 * time.Millisecond, ProbeMax: 2 * time.Second,
		Delivery: delivery.Config{
			UserAgent: fmt.Sprint("instance/", c.Instance),
			RootCAs:   roots,
			Guard:     &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		},
	})
}

// configure configures the webhooks, or waits until they are.
func (c *child) configure(ctx context.Context, s *shipper.Shipper) error {
	for _, id := range c.Webhooks {
		_, err := again(ctx, "a webhook that is not configured yet", func() (config webhook.Config, err error) {
			if c.Configure {
				return s.Update(ctx, id, webhook.Patch{
					Endpoint:      webhook.Set(c.Endpoint + "/" + id),
					Authorization: webhook.Set(webhook.NewSecret(chaosAuthorization)),
					Enabled:       webhook.Set(true),
				})
			}
			if config, err = s.Get(ctx, id); err == nil && !config.Enabled {
				err = fmt.Errorf("%s is not configured", id)
			}
			return config, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// produce records events, first those of a call that a former life did not see
// the end of. What it says before and after each call is the parent's ledger.
func (c *child) produce(ctx context.Context, s *shipper.Shipper, producer int) error {
	repeated := slices.IndexFunc(c.Repeat, func(r call) bool { return r.Producer == producer })
	for n := 0; ctx.Err() == nil; n++ {
		r := call{
			Instance: c.Instance, Life: c.Life, Producer: producer, Number: n,
			Webhook: c.Webhooks[rand.IntN(len(c.Webhooks))], Events: 1 + rand.IntN(5), Began: time.Now(),
		}
		if n == 0 && repeated >= 0 {
			r = c.Repeat[repeated]
		}
		encoded, err := json.Marshal(r)
		if err != nil {
			return err
		}
		say("began " + string(encoded))
		if err := record(s, r); err != nil {
			return err
		}
		_ = store.SystemClock{}.Sleep(ctx, time.Duration(rand.IntN(20))*time.Millisecond)
	}
	return nil
}

// record makes a call, and repeats it until it succeeds, unless its producer is
// the forgetful one.
func record(s *shipper.Shipper, r call) error {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), callPatience)
		var err error
		if r.Producer == forgetful {
			err = s.Record(ctx, r.Webhook, r.events()...)
		} else {
			err = s.RecordOnce(ctx, r.Webhook, r.key(), r.events()...)
		}
		cancel()
		if err == nil {
			say(fmt.Sprintf("accepted %d %s", time.Now().UnixNano(), r.key()))
			return nil
		}
		if time.Since(r.Began) > store.DedupWindow {
			return fmt.Errorf("an event is not taken for %v: %w", store.DedupWindow, err)
		}
		fmt.Fprintln(os.Stderr, r.key(), "failed:", err)
		say("met a call of Record that failed")
		if r.Producer == forgetful {
			if errors.Is(err, store.ErrUnavailable) {
				say("refused " + r.key())
			}
			return nil
		}
	}
}

// drain waits until everything is delivered.
func (c *child) drain(s *shipper.Shipper) error {
	if err := s.Drain(context.Background(), c.Webhooks...); err != nil {
		return err
	}
	for _, id := range c.Webhooks {
		report, err := s.Report(context.Background(), id)
		if err != nil {
			return err
		}
		if report.Unsent.Events != 0 || len(report.Gaps) != 0 || report.Suspects != 0 {
			return fmt.Errorf("%s: %d unsent, %d gaps, %d suspects", id, report.Unsent.Events, len(report.Gaps), report.Suspects)
		}
	}
	say("drained")
	return nil
}

// watchedStore tells of claims that were lost.
type watchedStore struct{ store.Store }

func (s *watchedStore) Claim(ctx context.Context) (store.Claim, error) {
	c, err := s.Store.Claim(ctx)
	return &watchedClaim{c}, err
}

type watchedClaim struct{ store.Claim }

func (c *watchedClaim) Ack(ctx context.Context, id string, status []byte, next store.Limits) error {
	err := c.Claim.Ack(ctx, id, status, next)
	if errors.Is(err, store.ErrClaimLost) {
		say("met a late acknowledgement that was refused")
	}
	return err
}

func (c *watchedClaim) Keep(ctx context.Context) error {
	err := c.Claim.Keep(ctx)
	if errors.Is(err, store.ErrClaimLost) {
		say("met a claim that could not be kept")
	}
	return err
}
