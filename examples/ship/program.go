package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// webhookID names the one webhook that there is.
const webhookID = "ship"

// How long it takes at most, after a signal, to accept what was read, and then to
// finish attempts under way: less than ten seconds together. What was read has
// been accepted when nothing more has come for quietTime.
const (
	acceptingTime = 3 * time.Second
	quietTime     = 300 * time.Millisecond
	closingTime   = 5 * time.Second
)

// errStopped is why standard input was not read to its end.
var errStopped = errors.New("stopped by a signal")

// program is a Shipper over a store on disk.
type program struct {
	store   store.Store
	shipper *shipper.Shipper
	tally   *tally
}

// open begins to ship what an earlier run has left.
func open(ctx context.Context, opts *options, t *tally) (p *program, err error) {
	var level slog.LevelVar
	level.Set(slog.LevelWarn)
	logger := slog.New(slog.NewTextHandler(t.screen, &slog.HandlerOptions{Level: &level}))
	events, err := diskstore.Open(diskstore.Config{Dir: opts.dir, Logger: logger})
	if err != nil {
		return nil, err
	}
	// Whatever the store knows of the authorization is sealed with a key that
	// ends with the process: every run is given the authorization anew, so that
	// nobody has to read it in the store, nor to keep a key. That what is there
	// cannot be opened is not worth a message.
	level.Set(slog.LevelError + 1)
	secret := make([]byte, shipper.KeyBytes)
	_, _ = rand.Read(secret) // never fails
	key, err := shipper.NewKey(secret)
	if err != nil {
		return nil, errors.Join(err, events.Close())
	}
	guard := &delivery.Guard{}
	if opts.allowPrivate {
		guard.Allow = private
	}
	s, err := shipper.New(shipper.Config{
		Store: events, Keys: []shipper.Key{key}, Logger: logger, Hooks: []shipper.Hook{t},
		Signer:   opts.signer,
		Delivery: delivery.Config{RootCAs: opts.roots, Guard: guard},
	})
	if err != nil {
		return nil, errors.Join(err, events.Close())
	}
	p = &program{store: events, shipper: s, tally: t}
	if err := p.configure(ctx, opts); err != nil {
		return nil, errors.Join(err, p.close())
	}
	level.Set(slog.LevelWarn)
	return p, p.redrive(ctx)
}

// private is the networks that -allow-private opens.
var private = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("fc00::/7"),
}

// configure replaces the configuration of an earlier run.
func (p *program) configure(ctx context.Context, opts *options) error {
	if err := p.shipper.Delete(ctx, webhookID); err != nil {
		return err
	}
	_, err := p.shipper.Update(ctx, webhookID, webhook.Patch{
		Endpoint:      webhook.Set(opts.endpoint),
		Authorization: webhook.Set(opts.authorization),
		LogFormat:     webhook.Set(webhook.LogFormat(opts.format)),
		Enabled:       webhook.Set(true),
	})
	return err
}

// redrive gives what the endpoint refused in an earlier run another chance.
func (p *program) redrive(ctx context.Context) error {
	for letter, err := range p.shipper.DeadLetters(ctx, webhookID) {
		if err == nil {
			err = p.shipper.Redrive(ctx, webhookID, letter.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ship accepts the lines of in and returns when everything is delivered, or ctx
// has ended.
func (p *program) ship(ctx context.Context, in io.Reader) error {
	if err := p.accept(ctx, newInput(in, p.tally.badLine)); err != nil {
		return err
	}
	if err := p.shipper.Drain(ctx, webhookID); err != nil {
		if ctx.Err() != nil {
			return errStopped
		}
		return err
	}
	return nil
}

// accept records the events of in. When ctx ends, what can be read without
// waiting is still accepted, so that no line is lost on the way.
func (p *program) accept(ctx context.Context, in *input) error {
	recording, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	unwatch := context.AfterFunc(ctx, func() {
		time.AfterFunc(acceptingTime, func() { cancel(errStopped) })
	})
	defer unwatch()
	groups := make(chan group)
	go in.read(groups)
	stopped := ctx.Done()
	for {
		var quiet <-chan time.Time
		if stopped == nil {
			quiet = time.After(quietTime)
		}
		select {
		case g, more := <-groups:
			if !more {
				return in.err
			}
			if err := p.record(recording, g); err != nil {
				return err
			}
		case <-stopped:
			stopped = nil
		case <-quiet:
			return errStopped
		}
	}
}

// record accepts the events, but for those that cannot be sent in every format.
func (p *program) record(ctx context.Context, g group) error {
	if len(g.events) == 0 {
		return nil
	}
	err := p.shipper.Record(ctx, webhookID, g.events...)
	if bad, ok := errors.AsType[*shipper.EventError](err); ok {
		if err := p.record(ctx, g.part(0, bad.Index)); err != nil {
			return err
		}
		p.tally.badLine(g.lines[bad.Index], bad.Err)
		return p.record(ctx, g.part(bad.Index+1, len(g.events)))
	}
	if err != nil {
		return fmt.Errorf("line %d and what follows was not accepted: %w", g.lines[0], err)
	}
	p.tally.accept(len(g.events))
	return nil
}

// close ends the program and tells what it leaves.
func (p *program) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	err := p.shipper.Close(ctx)
	if errors.Is(err, context.DeadlineExceeded) { // an attempt was cut off; it is made again
		err = nil
	}
	left, leftErr := p.store.Total(context.Background())
	if left.Events > 0 {
		leftErr = fmt.Errorf("%d events wait in the store for the next run", left.Events)
	}
	return errors.Join(err, leftErr, p.store.Close())
}
