package diskstore_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// killedEnv is set for the child that TestKills kills, to a life.
const killedEnv = "DISKSTORE_KILLED"

// life is what a child is told about itself.
type life struct {
	Number   int
	Dir      string    // of the store
	Phases   string    // the file that tells which phases the child is in
	Endpoint string    // of the receiver
	CA       []byte    // of the receiver, in PEM
	Epoch    time.Time // of the clock
	Repeat   []call    // those of former lives that were not seen to end

	Aim  string // the site to tell of; empty for none
	Nth  int    // when the site is reached for the nth time, from 1
	Park bool   // and stay there

	Last bool // deliver everything, then end
}

// call is a call of Record.
type call struct {
	Life, Producer, Number int
	Events                 int
	Began                  time.Time // by the fast clock
}

func (c call) key() string { return fmt.Sprintf("%d-%d-%d", c.Life, c.Producer, c.Number) }

// The producers. The last one never repeats a call that was interrupted.
const (
	producers = 4
	forgetful = producers - 1

	killedHook          = "hook"
	killedAuthorization = "Bearer example-token"
)

// killedMain is the child: it records and ships until it is killed.
func killedMain(encoded string) int {
	var l life
	err := json.Unmarshal([]byte(encoded), &l)
	if err == nil {
		err = l.live()
	}
	if err != nil {
		say("failed: " + err.Error())
		return 1
	}
	return 0
}

// say tells the parent something: in one write, so that it arrives as a whole.
func say(line string) { _, _ = os.Stdout.WriteString(line + "\n") }

func (l *life) live() error {
	w, err := newWatch(l)
	if err != nil {
		return err
	}
	w.enter(starting)
	w.At("start begins")
	clock := fastClock(l.Epoch)
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	events, err := diskstore.OpenWatched(diskstore.Config{
		Dir: l.Dir, SegmentBytes: diskstore.MinSegmentBytes, Clock: clock, Logger: slog.New(slog.DiscardHandler),
		OnDamage: func(e *diskstore.DamageError) {
			if !e.Torn {
				say("damage: " + e.Error())
			}
		},
	}, w)
	if err != nil {
		return err
	}
	s, err := l.start(&watchedStore{events, w}, clock, logger, w)
	if err != nil {
		return err
	}
	w.At("start ends")
	w.leave(starting)
	say("started")
	if l.Last {
		if err := s.Drain(context.Background(), killedHook); err != nil {
			return err
		}
		report, err := s.Report(context.Background(), killedHook)
		if err != nil {
			return err
		}
		say(fmt.Sprintf("drained: %d unsent, %d gaps, %d suspects", report.Unsent.Events, len(report.Gaps), report.Suspects))
		return errors.Join(s.Close(context.Background()), events.Close())
	}
	failed := make(chan error)
	for i := range producers {
		go func() { failed <- l.produce(s, clock, i) }()
	}
	return <-failed
}

// start returns a Shipper with a webhook that is switched on.
func (l *life) start(events store.Store, clock store.Clock, logger *slog.Logger, w *watch) (*shipper.Shipper, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(l.CA)
	key, err := shipper.NewKey([]byte(strings.Repeat("k", shipper.KeyBytes)))
	if err != nil {
		return nil, err
	}
	s, err := shipper.New(shipper.Config{
		Store: events, Keys: []shipper.Key{key}, Clock: clock, Logger: logger,
		Batch:      delivery.Limits{Events: 40},
		Limits:     shipper.Limits{Events: 600},
		ProbeFirst: time.Second, ProbeMax: 4 * time.Second,
		Delivery: delivery.Config{
			RootCAs: roots,
			Guard:   &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
			Hooks:   []delivery.Hook{w},
		},
	})
	if err != nil {
		return nil, err
	}
	_, err = s.Update(context.Background(), killedHook, webhook.Patch{
		Endpoint:      webhook.Set(l.Endpoint),
		Authorization: webhook.Set(webhook.NewSecret(killedAuthorization)),
		Enabled:       webhook.Set(true),
	})
	return s, err
}

// produce records events, first those of a call that a former life did not see
// the end of. What it says before and after each call is the parent's ledger.
func (l *life) produce(s *shipper.Shipper, clock store.Clock, producer int) error {
	repeated := slices.IndexFunc(l.Repeat, func(c call) bool { return c.Producer == producer })
	for n := 0; ; n++ {
		c := call{Life: l.Number, Producer: producer, Number: n, Events: 1 + (l.Number+producer+n)%6, Began: clock.Now()}
		if n == 0 && repeated >= 0 {
			c = l.Repeat[repeated]
		}
		dedupID := ""
		if producer != forgetful {
			dedupID = c.key()
		}
		encoded, err := json.Marshal(c)
		if err != nil {
			return err
		}
		say("began " + string(encoded))
		if err := s.RecordOnce(context.Background(), killedHook, dedupID, c.events()...); err != nil {
			return err
		}
		if clock.Now().Sub(c.Began) < store.DedupWindow {
			say("accepted " + c.key())
		} else {
			say("accepted late " + c.key())
		}
		if err := clock.Sleep(context.Background(), time.Duration(n%5)*400*time.Millisecond); err != nil {
			return err
		}
	}
}

// events returns the events of the call.
func (c call) events() []auditlog.Event {
	var all []auditlog.Event
	for i := range c.Events {
		e := auditlog.Event{Attributes: []auditlog.Attribute{
			auditlog.String("n", eventName(c.key(), i)),
			auditlog.String("msg", strings.Repeat("x", 50*i)),
		}}
		e.Vendor, e.Product, e.Version, e.ClassID, e.Name = "Acme", "Test", "1", "class", "name"
		all = append(all, e)
	}
	return all
}

// fastClock runs many times as fast as the system's, from the time that it is
// on, in every life.
type fastClock time.Time

const speed = 200

func (c fastClock) Now() time.Time {
	epoch := time.Time(c)
	return epoch.Add(time.Since(epoch) * speed)
}

func (c fastClock) Sleep(ctx context.Context, d time.Duration) error {
	return store.SystemClock{}.Sleep(ctx, d/speed)
}

// phase is what the child does when it is killed. It can be in several.
type phase int

const (
	starting phase = iota
	accepting
	freezing
	attempting
	acking
	rotating
	phases
)

func (p phase) String() string {
	return [...]string{"start", "accept", "freeze", "attempt", "ack", "rotation"}[p]
}

// watch tells the parent what the child does, through a file that outlives it:
// a byte for each phase, which counts how many times the child is in it.
type watch struct {
	life *life
	file *os.File

	mu      sync.Mutex
	in      [phases]byte
	reached int
}

func newWatch(l *life) (*watch, error) {
	f, err := os.OpenFile(l.Phases, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	return &watch{life: l, file: f}, err
}

func (w *watch) enter(p phase) { w.count(p, 1) }
func (w *watch) leave(p phase) { w.count(p, -1) }

func (w *watch) count(p phase, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in[p] += byte(n)
	if _, err := w.file.WriteAt(w.in[:], 0); err != nil {
		panic(err)
	}
}

// At is where the child may be killed.
func (w *watch) At(site string) {
	if site != w.life.Aim {
		return
	}
	w.mu.Lock()
	w.reached++
	reached := w.reached == w.life.Nth
	w.mu.Unlock()
	if reached {
		say("reached")
		if w.life.Park {
			select {}
		}
	}
}

// Rotating implements diskstore.FileWatch.
func (w *watch) Rotating(begins bool) {
	if begins {
		w.enter(rotating)
	} else {
		w.leave(rotating)
	}
}

// AttemptStarted implements delivery.AttemptStartedHook.
func (w *watch) AttemptStarted(context.Context, delivery.Result) {
	w.enter(attempting)
	w.At("attempt begins")
}

// AttemptFinished implements delivery.AttemptFinishedHook.
func (w *watch) AttemptFinished(context.Context, delivery.Result) {
	w.At("attempt ends")
	w.leave(attempting)
}

// watchedStore tells of accepting.
type watchedStore struct {
	store.Store
	watch *watch
}

func (s *watchedStore) Append(ctx context.Context, stream, dedupID string, block store.Block) (uint64, error) {
	s.watch.enter(accepting)
	defer s.watch.leave(accepting)
	s.watch.At("accept begins")
	seq, err := s.Store.Append(ctx, stream, dedupID, block)
	s.watch.At("accept ends")
	return seq, err
}

func (s *watchedStore) Claim(ctx context.Context) (store.Claim, error) {
	c, err := s.Store.Claim(ctx)
	return &watchedClaim{c, s.watch}, err
}

// watchedClaim tells of freezing and acknowledging.
type watchedClaim struct {
	store.Claim
	watch *watch
}

func (c *watchedClaim) Batch(ctx context.Context, limits store.Limits) (store.Batch, error) {
	c.watch.enter(freezing)
	defer c.watch.leave(freezing)
	c.watch.At("freeze begins")
	b, err := c.Claim.Batch(ctx, limits)
	c.watch.At("freeze ends")
	return b, err
}

func (c *watchedClaim) Ack(ctx context.Context, id string, status []byte, next store.Limits) error {
	c.watch.enter(acking)
	defer c.watch.leave(acking)
	c.watch.At("ack begins")
	err := c.Claim.Ack(ctx, id, status, next)
	c.watch.At("ack ends")
	return err
}
