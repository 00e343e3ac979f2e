package konnectapi

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const destinationsResource = "audit-log-destinations"

func (h *Handler) createDestination(c *call) (any, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	wanted, err := webhook.DecodeDestination(body)
	if err != nil {
		return nil, err
	}
	if err := wanted.Validate(); err != nil {
		return nil, err
	}
	now := h.cfg.Clock.Now().UTC()
	d := &destination{Destination: wanted, tenant: c.caller.Tenant}
	d.ID, d.CreatedAt, d.UpdatedAt = newID(now), now, now
	if err := h.cfg.Shipper.Check(webhook.Config{}, d.patch()); err != nil {
		return nil, err
	}
	n := 0
	for _, err := range h.destinations(c.Context(), keyPrefix(d.tenant)) {
		if err != nil {
			return nil, err
		}
		n++
	}
	if n >= h.cfg.MaxDestinations {
		return nil, invalid("Too many destinations", webhook.InvalidParameter{
			Field: "body", Reason: "there are as many destinations as are allowed", Source: "body", Rule: "max_items", Maximum: &h.cfg.MaxDestinations,
		})
	}
	if err := h.record(c, h.event(c, "create", destinationsResource, nil, d.ID)); err != nil {
		return nil, err
	}
	if err := h.put(c.Context(), d); err != nil {
		return nil, err
	}
	return d.Destination, nil
}

func (h *Handler) getDestination(c *call) (any, error) {
	d, err := h.destination(c.Context(), c.caller.Tenant, c.id)
	if err != nil {
		return nil, err
	}
	return d.Destination, nil
}

func (h *Handler) updateDestination(c *call) (any, error) {
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	patch, err := webhook.DecodeDestinationPatch(body)
	if err != nil {
		return nil, err
	}
	for recorded := false; ; {
		d, err := h.destination(c.Context(), c.caller.Tenant, c.id)
		if err != nil {
			return nil, err
		}
		next, err := d.Apply(patch, h.cfg.Clock.Now())
		if err != nil {
			return nil, err
		}
		err = h.cfg.Shipper.Check(d.config(), webhook.Patch{
			Endpoint: patch.Endpoint, Authorization: patch.Authorization,
			LogFormat: patch.LogFormat, SkipSSLVerification: patch.SkipSSLVerification,
		})
		if err != nil {
			return nil, err
		}
		changed := *d
		changed.Destination, changed.spreading = next, true
		fields := differences(d.config(), changed.config())
		if d.Name != next.Name {
			fields = append([]string{"name"}, fields...)
		}
		if len(fields) == 0 && !d.spreading {
			return d.Destination, nil
		}
		// Its webhooks get all of it, so that what they refuse must not be stored,
		// also where the patch has nothing of it: the configuration may forbid by
		// now what it allowed.
		if err := h.cfg.Shipper.Check(webhook.Config{}, changed.patch()); err != nil {
			return nil, err
		}
		if !recorded {
			if err := h.record(c, h.event(c, "update", destinationsResource, fields, d.ID)); err != nil {
				return nil, err
			}
			recorded = true
		}
		err = h.put(c.Context(), &changed)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return next, h.spread(c, &changed)
	}
}

func (h *Handler) deleteDestination(c *call) (any, error) {
	for recorded := false; ; {
		d, err := h.destination(c.Context(), c.caller.Tenant, c.id)
		if err != nil {
			return nil, err
		}
		for _, id := range d.webhooks {
			w, err := h.cfg.Shipper.Webhook(c.Context(), id)
			if err != nil {
				return nil, err
			}
			if w.Label == d.ID {
				return nil, &failure{status: http.StatusConflict, detail: "The audit log destination is in use"}
			}
		}
		if !recorded {
			if err := h.record(c, h.event(c, "delete", destinationsResource, nil, d.ID)); err != nil {
				return nil, err
			}
			recorded = true
		}
		// A webhook that was bound to it meanwhile has changed its revision.
		err = h.cfg.Store.Delete(c.Context(), d.key(), d.revision)
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		return nil, err
	}
}

// record records events in the stream of the tenant's own webhook, if there is
// one.
func (h *Handler) record(c *call, events []auditlog.Event) error {
	_, err := h.cfg.Shipper.Change(c.Context(), c.stream, func(shipper.Webhook) (shipper.Change, error) {
		return shipper.Change{Events: events}, nil
	})
	return err
}

// Page sizes of the list of destinations. Konnect documents none.
const (
	defaultDestinations = 100
	maxDestinations     = 1000
)

func (h *Handler) listDestinations(c *call) (any, error) {
	filters := []string{"filter[name][eq]", "filter[name][contains]"}
	if strings.HasPrefix(c.op.path, "/v2/") {
		filters = append(filters, "filter[name]")
	}
	q, err := c.query(filters...)
	if err != nil {
		return nil, err
	}
	wanted := func(string) bool { return true }
	for i, name := range filters {
		value, ok := q.get(name)
		if !ok {
			continue
		}
		if i > 0 && slices.ContainsFunc(filters[:i], q.has) {
			return nil, invalidQuery(name, "must not be combined with another filter on the name", "invalid")
		}
		if name == "filter[name][contains]" {
			wanted = func(name string) bool { return strings.Contains(name, value) }
		} else {
			wanted = func(name string) bool { return name == value }
		}
	}
	p, err := h.page(c, q, defaultDestinations, 0)
	if err != nil {
		return nil, err
	}
	var found []*destination
	for d, err := range h.destinations(c.Context(), keyPrefix(c.caller.Tenant)) {
		if err != nil {
			return nil, err
		}
		if wanted(d.Name) {
			found = append(found, d)
		}
	}
	// The part of the list that the page is: behind the cursor, or before it.
	size := min(p.size, maxDestinations)
	at, after := 0, len(found)
	if p.cursor != "" {
		at, _ = slices.BinarySearchFunc(found, p.cursor, func(d *destination, id string) int { return cmp.Compare(d.ID, id) })
		if p.before {
			at, after = max(at-size, 0), at
		} else if at < len(found) && found[at].ID == p.cursor {
			at++
		}
	}
	after = min(at+size, after)
	list := webhook.DestinationList{Meta: webhook.PageMeta{Size: p.size}}
	for _, d := range found[at:after] {
		if err := h.open(d); err != nil {
			return nil, err
		}
		list.Data = append(list.Data, d.Destination)
	}
	if at > 0 && after > at {
		list.Meta.Previous, err = h.link(c, q, p, "page[before]", found[at].ID)
	}
	if after < len(found) && after > at && err == nil {
		list.Meta.Next, err = h.link(c, q, p, "page[after]", found[after-1].ID)
	}
	return list, err
}
