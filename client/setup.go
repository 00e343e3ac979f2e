package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	// undoTime bounds the undoing of a set-up, which goes on after the context
	// of the set-up has ended.
	undoTime = 30 * time.Second

	// A destination may be taken for bound for a while after it is not. These
	// are the first wait for that, which doubles, the longest, and all of them
	// together.
	firstInUse   = 250 * time.Millisecond
	longestInUse = 5 * time.Second
	inUseTime    = time.Minute
)

// SetUp makes events flow to a destination: it creates the destination, binds
// the webhook to it and switches the webhook on. It returns the destination
// with its ID.
//
// Where there is a destination of that name with the same endpoint, format and
// SkipSSLVerification, it is used; an authorization that is given becomes its
// own, since what it has cannot be read. One that differs is an error and stays
// as it is: other webhooks may be bound to it. So does a webhook of the region
// that has an endpoint of its own ([WebhookService]), because its authorization
// could not be restored; [BindingService.Delete] removes it. A webhook that is
// bound to another destination moves to this one.
//
// When a step fails, or ctx ends, what was done before is undone in reverse
// order: the webhook gets back what it was bound to, and a destination that was
// created is deleted, also one whose creation was never confirmed. Undoing has
// 30 seconds of its own. If that fails as well the error tells both, and a
// further SetUp with the same values goes on from there. An authorization that
// was replaced is not restored.
func (s *BindingService) SetUp(ctx context.Context, destination webhook.Destination) (webhook.Destination, error) {
	if strings.TrimSpace(destination.Name) == "" {
		return webhook.Destination{}, errors.New("client: the destination has no name to find it by")
	}
	before, err := s.replaceable(ctx)
	if err != nil {
		return webhook.Destination{}, err
	}
	var undo []func(context.Context) error
	made, err := s.provide(ctx, destination, &undo)
	if err == nil {
		_, err = s.Update(ctx, webhook.BindingPatch{DestinationID: webhook.Set(made.ID), Enabled: webhook.Set(true)})
		if err != nil && !refused(ctx, err) {
			undo = append(undo, func(ctx context.Context) error { return s.restore(ctx, before) })
		}
	}
	if err == nil {
		return made, nil
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	for _, step := range slices.Backward(undo) {
		if failed := step(ctx); failed != nil {
			return webhook.Destination{}, fmt.Errorf("%w; and the set-up could not be undone: %w", err, failed)
		}
	}
	return webhook.Destination{}, err
}

// TearDown undoes [BindingService.SetUp]: where the webhook is bound to the
// destination of that name it is switched off and taken off it, and then the
// destination is deleted. While the destination is in use, as it may be taken
// for some time after, the deletion is tried again for up to a minute; after
// that the error matches [ErrConflict]. What is gone already is no error, so
// that a TearDown that failed can be repeated.
func (s *BindingService) TearDown(ctx context.Context, name string) error {
	destination, found, err := s.client.Destinations.find(ctx, name)
	if err != nil || !found {
		return err
	}
	binding, err := s.current(ctx)
	if err != nil {
		return err
	}
	if strings.EqualFold(binding.DestinationID, destination.ID) {
		_, err = s.Update(ctx, webhook.BindingPatch{Enabled: webhook.Set(false)})
		if err = unlessGone(err); err == nil {
			err = unlessGone(s.Delete(ctx))
		}
		if err != nil {
			return err
		}
	}
	return s.client.Destinations.deleteUnused(ctx, destination.ID)
}

// current returns the webhook, an empty one where there is none.
func (s *BindingService) current(ctx context.Context) (webhook.Binding, error) {
	binding, err := s.Get(ctx)
	return binding, unlessGone(err)
}

// replaceable returns the webhook as it is, if it can be restored.
func (s *BindingService) replaceable(ctx context.Context) (webhook.Binding, error) {
	binding, err := s.current(ctx)
	if err != nil || binding.DestinationID != "" || !s.region {
		return binding, err
	}
	config, err := s.client.Webhook.Get(ctx)
	if unlessGone(err) != nil {
		return webhook.Binding{}, err
	}
	if config.Configured() {
		return webhook.Binding{}, errors.New("client: the webhook has an endpoint of its own, which binding it to a destination would replace for good: delete it first")
	}
	return binding, nil
}

// restore gives the webhook back what it was bound to.
func (s *BindingService) restore(ctx context.Context, before webhook.Binding) error {
	if before.DestinationID == "" {
		return unlessGone(s.Delete(ctx))
	}
	_, err := s.Update(ctx, webhook.BindingPatch{DestinationID: webhook.Set(before.DestinationID), Enabled: webhook.Set(before.Enabled)})
	return err
}

// provide returns the destination to bind to, and adds to undo what takes it
// away again, if it was made here.
func (s *BindingService) provide(ctx context.Context, want webhook.Destination, undo *[]func(context.Context) error) (webhook.Destination, error) {
	destinations := s.client.Destinations
	have, found, err := destinations.find(ctx, want.Name)
	switch {
	case err != nil:
		return webhook.Destination{}, err
	case found && !alike(have, want):
		return webhook.Destination{}, errors.New("client: there is a destination of that name with another endpoint, format or certificate check")
	case found && want.Authorization.IsZero():
		return have, nil
	case found:
		_, err = destinations.Update(ctx, have.ID, webhook.DestinationPatch{Authorization: webhook.Set(want.Authorization)})
		return have, err
	}
	made, err := destinations.Create(ctx, want)
	switch {
	case err == nil:
		*undo = append(*undo, func(ctx context.Context) error { return destinations.deleteUnused(ctx, made.ID) })
	case !refused(ctx, err):
		*undo = append(*undo, func(ctx context.Context) error { return destinations.deleteAlike(ctx, want) })
	}
	return made, err
}

// find returns the one destination of a name.
func (s *DestinationService) find(ctx context.Context, name string) (found webhook.Destination, ok bool, err error) {
	for destination, err := range s.All(ctx, DestinationListOptions{Name: name}) {
		switch {
		case err != nil:
			return webhook.Destination{}, false, err
		case destination.Name != name: // a server that does not filter
		case ok:
			return webhook.Destination{}, false, errors.New("client: several destinations have that name")
		default:
			found, ok = destination, true
		}
	}
	return found, ok, nil
}

// alike reports whether two destinations differ in nothing that can be read.
func alike(a, b webhook.Destination) bool {
	format := func(d webhook.Destination) webhook.LogFormat {
		if d.LogFormat == "" {
			return webhook.CEF
		}
		return d.LogFormat
	}
	return a.Endpoint == b.Endpoint && format(a) == format(b) && a.SkipSSLVerification == b.SkipSSLVerification
}

// deleteAlike deletes the destination that was made by a request without an
// answer, if it was.
func (s *DestinationService) deleteAlike(ctx context.Context, made webhook.Destination) error {
	have, found, err := s.find(ctx, made.Name)
	if err != nil || !found || !alike(have, made) {
		return err
	}
	return s.deleteUnused(ctx, have.ID)
}

// deleteUnused deletes a destination as soon as no webhook is bound to it.
func (s *DestinationService) deleteUnused(ctx context.Context, id string) error {
	var waited time.Duration
	for wait := firstInUse; ; wait = min(2*wait, longestInUse) {
		err := unlessGone(s.Delete(ctx, id))
		if !errors.Is(err, ErrConflict) || waited >= inUseTime {
			return err
		}
		if stopped := s.client.clock.Sleep(ctx, wait); stopped != nil {
			return fmt.Errorf("%w; the wait for it was stopped: %w", err, withContextError(ctx, stopped))
		}
		waited += wait
	}
}

// unlessGone returns the error unless it tells that there is no such thing.
func unlessGone(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// refused reports whether an error tells for sure that a change was not made.
// When the context has ended the error may be that of an attempt before the
// last.
func refused(ctx context.Context, err error) bool {
	refusal, ok := errors.AsType[*APIError](err)
	return ok && ctx.Err() == nil && refusal.StatusCode/100 == 4 && refusal.StatusCode != http.StatusRequestTimeout
}
