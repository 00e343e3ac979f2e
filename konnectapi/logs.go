package konnectapi

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	defaultEntries = 20
	maxEntries     = 1000

	// maxScan bounds the events that are read for a page, about: it may then
	// have fewer entries than asked for, or none, and still a next one.
	maxScan = 50_000

	// An event is looked for among those recorded from a little before the time
	// that it says it happened at, since clocks differ, to an hour after. Later
	// ones are found if the filter ends later.
	earliness = 5 * time.Minute
	lateness  = time.Hour

	// firstSpan is how far a page before a cursor is looked for at first. Each
	// further step is four times as long, up to maxSpan, of which a Duration can
	// hold four.
	firstSpan = time.Minute
	maxSpan   = 50 * 365 * 24 * time.Hour
)

// place is what a cursor of the audit log is made of: an event's position and
// when it was recorded, and the bounds of the list, which depend on the time of
// its first page.
type place struct {
	Position store.Position `json:"p"`
	Recorded time.Time      `json:"r"`
	From     time.Time      `json:"f"`
	To       time.Time      `json:"t"`
}

// logs is the list that is asked for.
type logs struct {
	h        *Handler
	c        *call
	kind     webhook.EntryType // empty for all
	size     int
	from, to time.Time
	scanned  int
}

// found is an entry and where it is.
type found struct {
	webhook.Entry
	at place
}

// Names of the filters.
const (
	filterFrom = "filter[ts][gte]"
	filterTo   = "filter[ts][lte]"
	filterType = "filter[type]"
)

func (h *Handler) listLogs(c *call) (any, error) {
	q, err := c.query(filterFrom, filterTo, filterType)
	if err != nil {
		return nil, err
	}
	l := logs{h: h, c: c}
	if err := l.filters(q); err != nil {
		return nil, err
	}
	p, err := h.page(c, q, defaultEntries, maxEntries)
	if err != nil {
		return nil, err
	}
	l.size = p.size
	var at place
	if p.cursor != "" {
		if err := json.Unmarshal([]byte(p.cursor), &at); err != nil { // it was sealed here
			return nil, err
		}
		l.from, l.to = at.From, at.To
	}
	part := l.after
	if p.before {
		part = l.before
	}
	all, previous, next, err := part(at)
	if err != nil {
		return nil, err
	}
	list := webhook.EntryList{Meta: webhook.PageMeta{Size: p.size}}
	for _, f := range all {
		list.Data = append(list.Data, f.Entry)
	}
	if list.Meta.Next, err = l.link(q, p, "page[after]", next); err == nil {
		list.Meta.Previous, err = l.link(q, p, "page[before]", previous)
	}
	return list, err
}

// filters reads what the list is narrowed by.
func (l *logs) filters(q query) error {
	l.to = l.h.cfg.Clock.Now().UTC()
	for _, f := range []struct {
		name string
		into *time.Time
	}{{filterTo, &l.to}, {filterFrom, &l.from}} {
		if f.into == &l.from {
			l.from = l.to.Add(-webhook.ReplayWindow)
		}
		text, ok := q.get(f.name)
		if !ok {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return invalidQuery(f.name, "must be a date and time after RFC 3339", "is_date_time")
		}
		// A cursor is JSON, which has no other years, and an offset may lead to one.
		if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 {
			return invalidQuery(f.name, "must be in the years 0 to 9999 in UTC", "is_date_time")
		}
		*f.into = t
	}
	text, ok := q.get(filterType)
	if !ok {
		return nil
	}
	types := []webhook.EntryType{webhook.AuthorizationEntry, webhook.AuthenticationEntry, webhook.GatewayAccessEntry}
	if l.kind = webhook.EntryType(text); slices.Contains(types, l.kind) {
		return nil
	}
	return invalid("Invalid query parameter", webhook.InvalidParameter{
		Field: filterType, Reason: "must be one of authorization, authentication, gateway_access", Source: "query", Rule: "enum",
		Choices: []any{types[0], types[1], types[2]},
	})
}

func (l *logs) link(q query, p page, name string, at *place) (string, error) {
	if at == nil {
		return "", nil
	}
	data, err := json.Marshal(at)
	if err != nil {
		return "", err
	}
	return l.h.link(l.c, q, p, name, string(data))
}

// moved is a place beside another one, with nothing between: 1 behind it, or -1
// before it.
func (p place) moved(by int) *place {
	p.Position.Index += by
	return &p
}

// scan calls fn for the events from there on, with the entry if it is one of
// the list, until it returns false or the list can have no more.
func (l *logs) scan(from store.From, fn func(at place, e *webhook.Entry) bool) error {
	for r, err := range l.h.cfg.Shipper.Events(l.c.Context(), l.c.stream, from) {
		if errors.Is(err, store.ErrDamaged) { // nobody can have it any more
			l.h.cfg.Logger.WarnContext(l.c.Context(), "events of an audit log cannot be read", "webhook", l.c.stream, "error", err)
			continue
		}
		if err != nil {
			return err
		}
		if r.Time.After(l.to.Add(lateness)) {
			return nil
		}
		l.scanned++
		at := place{Position: r.Position, Recorded: r.Time, From: l.from, To: l.to}
		if !fn(at, l.wanted(&r)) {
			return nil
		}
	}
	return nil
}

// wanted returns the entry of an event if it is one of the list.
func (l *logs) wanted(r *shipper.Recorded) *webhook.Entry {
	kind, ok := entryTypes[r.Event.Kind()]
	if at := happened(r); !ok || l.kind != "" && kind != l.kind || at.Before(l.from) || at.After(l.to) {
		return nil
	}
	e := entry(r)
	return &e
}

// after returns the page behind a place, the zero one for the first, and what
// the pages beside it are before and behind, if there may be any.
func (l *logs) after(at place) (all []found, previous, next *place, err error) {
	from := store.From{Time: l.earliest()}
	if at != (place{}) {
		previous = at.moved(1)
		from.Position = previous.Position
	}
	err = l.scan(from, func(at place, e *webhook.Entry) bool {
		switch {
		case e == nil && l.scanned >= maxScan:
			next = &at
		case e != nil && len(all) == l.size:
			next = &all[l.size-1].at
		case e != nil:
			all = append(all, found{*e, at})
		}
		return next == nil
	})
	if previous != nil && len(all) > 0 {
		previous = &all[0].at
	}
	return all, previous, next, err
}

// earliest returns the time from which on what is wanted may have been recorded.
func (l *logs) earliest() time.Time {
	from, epoch := l.from.Add(-earliness), time.Unix(0, 0)
	if from.Before(epoch) { // nothing was, and not every store takes such times
		return epoch
	}
	return from
}

// before returns the page before a place, and the same as after. The store reads
// forward only, so steps are taken back that grow.
func (l *logs) before(at place) (all []found, previous, next *place, err error) {
	end, upper := at, at.Recorded
	first := l.earliest()
	for span := firstSpan; ; span = min(4*span, maxSpan) {
		lower, last := upper.Add(-span), false
		if !lower.After(first) {
			lower, last = first, true
		}
		step, start, err := l.step(lower, end)
		if err != nil {
			return nil, nil, nil, err
		}
		all, end, upper = append(step, all...), start, lower
		if len(all) > l.size {
			all = all[len(all)-l.size:]
			previous = &all[0].at
		} else if l.scanned >= maxScan && !last {
			previous = &end
		}
		if previous != nil || last {
			break
		}
	}
	next = at.moved(-1)
	if len(all) > 0 {
		next = &all[len(all)-1].at
	}
	return all, previous, next, nil
}

// step returns the last entries among the events recorded from the time on that
// are before the end, as many as can be wanted, and where the first of all those
// events is.
func (l *logs) step(from time.Time, end place) (entries []found, start place, err error) {
	start = end
	err = l.scan(store.From{Time: from}, func(at place, e *webhook.Entry) bool {
		if at.Position.Compare(end.Position) >= 0 {
			return false
		}
		if start == end {
			start = at
		}
		if e == nil {
			return true
		}
		if len(entries) > 2*l.size {
			entries = append(entries[:0], entries[len(entries)-l.size:]...)
		}
		entries = append(entries, found{*e, at})
		return true
	})
	return entries, start, err
}
