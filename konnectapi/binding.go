package konnectapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The webhook as version 3 shows it, and those of portals in any version. It is
// there only while it is bound to a destination.

const webhookResource = "audit-log-webhook"

func (h *Handler) getBinding(c *call) (any, error) {
	w, err := h.cfg.Shipper.Webhook(c.Context(), c.stream)
	if err == nil && w.Label == "" {
		err = notFound()
	}
	return binding(w), err
}

// binding is what is shown of a webhook.
func binding(w shipper.Webhook) webhook.Binding {
	return webhook.Binding{DestinationID: w.Label, Enabled: w.Label != "" && w.Config.Enabled}
}

func (h *Handler) updateBinding(c *call) (any, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	patch, err := webhook.DecodeBindingPatch(body)
	if err == nil {
		err = patch.Validate()
	}
	if err != nil {
		return nil, err
	}
	if id, ok := patch.DestinationID.Get(); ok {
		w, err := h.bind(c.Context(), c, "", strings.ToLower(id), func(shipper.Webhook) webhook.Optional[bool] { return patch.Enabled })
		return binding(w), err
	}
	w, err := h.cfg.Shipper.Change(c.Context(), c.stream, func(old shipper.Webhook) (shipper.Change, error) {
		enabled, _ := patch.Enabled.Get()
		switch {
		case old.Label == "" && enabled:
			return shipper.Change{}, invalid("Required field missing", webhook.InvalidParameter{
				Field: "audit_log_destination_id", Reason: "cannot be blank",
			})
		case old.Label == "" && c.portal == "":
			// An answer must have a destination's id, so that there is none to
			// give but this.
			return shipper.Change{}, notFound()
		case old.Label == "":
			return shipper.Change{}, nil
		}
		change, _, err := h.change(c, old, webhook.Patch{Enabled: patch.Enabled})
		return change, err
	})
	return binding(w), err
}

func (h *Handler) deleteBinding(c *call) (any, error) {
	if c.portal != "" { // those of portals are the only ones that Konnect refuses with a 409
		r, err := h.cfg.Shipper.Replay(c.Context(), c.stream)
		if err != nil {
			return nil, err
		}
		if r.Job.Status == webhook.JobRunning {
			return nil, replayRunning()
		}
	}
	_, err := h.cfg.Shipper.Change(c.Context(), c.stream, func(old shipper.Webhook) (shipper.Change, error) {
		if old.Label == "" {
			return shipper.Change{}, notFound()
		}
		return shipper.Change{Delete: true, Events: h.event(c, "delete", webhookResource, nil, old.Label)}, nil
	})
	return nil, err
}

// Webhook and destination are two documents, and several processes may change
// them at the same time. Three rules keep them together:
//
//   - A destination names a webhook before the webhook's label names it.
//   - Who has bound a webhook writes the destination once more: if that fails, it
//     was changed meanwhile and the webhook gets the new values, or it was
//     deleted and the webhook gets back what it was.
//   - Who has changed a destination gives its values to the webhooks it names
//     whose label names it, until it is the same before and after.

// bind binds the webhook to a destination of the tenant; if from is not empty, only
// as long as it is bound to that one.
func (h *Handler) bind(ctx context.Context, c *call, from, id string, enabled func(old shipper.Webhook) webhook.Optional[bool]) (shipper.Webhook, error) {
	var before *shipper.Webhook
	var bound shipper.Webhook
	finishing := context.WithoutCancel(ctx)
	for {
		d, err := h.destination(ctx, c.caller.Tenant, id)
		switch {
		case before != nil && isNotFound(err):
			if failed := h.restore(ctx, c, *before, bound); failed != nil { // the client is told what it can know
				h.cfg.Logger.ErrorContext(ctx, "a webhook did not get back what it was before it was bound", "webhook", c.stream, "error", failed)
			}
			return shipper.Webhook{}, err
		case err != nil:
			return shipper.Webhook{}, err
		}
		if !slices.Contains(d.webhooks, c.stream) {
			d.webhooks = append(d.webhooks, c.stream)
			err := h.put(ctx, d)
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			if err != nil {
				return shipper.Webhook{}, err
			}
		}
		// From here on it is finished without the client too: what is left halfway
		// sends where no destination says, and nothing mends it.
		ctx = finishing //nolint:fatcontext // it is the same in each round
		earlier := before
		w, err := h.cfg.Shipper.Change(ctx, c.stream, func(old shipper.Webhook) (shipper.Change, error) {
			again := earlier != nil && old.Label == id     // it was bound by this call
			if from != "" && old.Label != from && !again { // somebody else has changed it since
				return shipper.Change{}, nil
			}
			patch := d.patch()
			if !again {
				before = &old
				patch.Enabled = enabled(old)
			}
			change, _, err := h.change(c, old, patch)
			if old.Label != d.ID {
				change.Label = webhook.Set(d.ID)
				change.Events = h.event(c, "update", webhookResource, bindingFields(patch.Enabled, old), d.ID)
			}
			return change, err
		})
		if err != nil {
			return w, err
		}
		if w.Label == d.ID {
			bound = w
		}
		if err = h.put(ctx, d); !errors.Is(err, store.ErrConflict) {
			return w, err
		}
	}
}

// bindingFields names the members of version 3 that a binding changes.
func bindingFields(enabled webhook.Optional[bool], old shipper.Webhook) []string {
	fields := []string{"audit_log_destination_id"}
	if on, ok := enabled.Get(); ok && on != old.Config.Enabled {
		fields = append(fields, "enabled")
	}
	return fields
}

// restore gives a webhook back what it was before it was bound to a destination
// that was deleted just then: its own configuration, or the destination it was
// bound to as that is by now. Where it cannot, the webhook is switched off and
// bound to nothing, so that it does not send on to what is gone.
func (h *Handler) restore(ctx context.Context, c *call, before, bound shipper.Webhook) error {
	id := bound.Label
	enabled := func(old shipper.Webhook) webhook.Optional[bool] {
		if old.Config.Enabled != bound.Config.Enabled { // somebody has switched it since
			return webhook.Set(old.Config.Enabled)
		}
		return webhook.Set(before.Config.Enabled)
	}
	release := func(old shipper.Webhook) (shipper.Change, error) {
		if old.Label != id {
			return shipper.Change{}, nil
		}
		change, _, err := h.change(c, old, webhook.Patch{Enabled: webhook.Set(false)})
		change.Label = webhook.Set("")
		return change, err
	}
	if before.Label != "" {
		_, err := h.bind(ctx, c, id, before.Label, enabled)
		if err == nil {
			return nil
		}
		if isNotFound(err) {
			err = nil
		}
		_, failed := h.cfg.Shipper.Change(ctx, c.stream, release)
		return errors.Join(err, failed)
	}
	_, err := h.cfg.Shipper.Change(ctx, c.stream, func(old shipper.Webhook) (shipper.Change, error) {
		switch {
		case old.Label != id: // somebody else has changed it since
			return shipper.Change{}, nil
		case !before.Config.Configured():
			return shipper.Change{Delete: true, Events: h.event(c, "delete", webhookResource, nil, id)}, nil
		case before.Config.Authorization.IsZero():
			// No patch takes the destination's authorization away again, and the
			// endpoint of before must not get it. It was off without one anyway.
			return release(old)
		}
		cfg := before.Config
		change, _, err := h.change(c, old, webhook.Patch{
			Endpoint: webhook.Set(cfg.Endpoint), Authorization: webhook.Set(cfg.Authorization), Enabled: enabled(old),
			LogFormat: webhook.Set(cfg.LogFormat), SkipSSLVerification: webhook.Set(cfg.SkipSSLVerification),
		})
		change.Label = webhook.Set("")
		return change, err
	})
	if err == nil {
		return nil
	}
	_, failed := h.cfg.Shipper.Change(ctx, c.stream, release) // what it was may be forbidden by now
	return errors.Join(err, failed)
}

// spread gives the webhooks that are bound to the destination its values. One that
// cannot have them keeps them from none of the others.
func (h *Handler) spread(c *call, d *destination) error {
	ctx := context.WithoutCancel(c.Context()) // it was accepted
	for {
		var bound []string
		var errs []error
		for _, id := range d.webhooks {
			w, err := h.cfg.Shipper.Change(ctx, id, func(old shipper.Webhook) (shipper.Change, error) {
				if old.Label != d.ID {
					return shipper.Change{}, nil
				}
				change := shipper.Change{Patch: d.patch()}
				next := d.config()
				next.Enabled = old.Config.Enabled
				if fields := differences(old.Config, next); id != c.stream && len(fields) > 0 {
					change.Events = h.event(c, "update", destinationsResource, fields, d.ID)
				}
				return change, nil
			})
			if err != nil {
				errs = append(errs, err)
			} else if w.Label == d.ID {
				bound = append(bound, id)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		d.webhooks, d.spreading = bound, false
		err := h.put(ctx, d)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		if d, err = h.destination(ctx, d.tenant, d.ID); isNotFound(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// finish spreads the destinations that an end of the process has kept from it.
// What fails is left to the next start, or to the next change.
func (h *Handler) finish(ctx context.Context) {
	for d, err := range h.destinations(ctx, destinationPrefix) {
		if err == nil && !d.spreading {
			continue
		}
		if err == nil {
			err = h.open(d)
		}
		if err == nil {
			r := (&http.Request{}).WithContext(ctx)
			err = h.spread(&call{Request: r, trace: newTrace(), caller: Caller{Tenant: d.tenant}}, d)
		}
		if err != nil {
			h.cfg.Logger.ErrorContext(ctx, "a change of a destination could not be finished", "error", err)
		}
	}
}

func isNotFound(err error) bool {
	f, ok := errors.AsType[*failure](err)
	return ok && f.status == http.StatusNotFound
}
