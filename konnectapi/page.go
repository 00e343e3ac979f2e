package konnectapi

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// query is the parameters of a list.
type query struct {
	filters []string // names of the list's own
	values  url.Values
}

// paging is the names that all lists have.
var paging = []string{"page[size]", "page[after]", "page[before]"}

// query reads the parameters of a list, which also has the filters given.
// Nothing else is allowed, and nothing twice.
func (c *call) query(filters ...string) (query, error) {
	values, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return query{}, invalidQuery("query", "is malformed", "invalid")
	}
	for name, given := range values {
		if !slices.Contains(paging, name) && !slices.Contains(filters, name) {
			return query{}, invalidQuery("query", "has a parameter that is not known", "unknown_property")
		}
		if len(given) > 1 {
			return query{}, invalidQuery(name, "must not be given twice", "invalid")
		}
	}
	return query{filters, values}, nil
}

func (q query) has(name string) bool { return q.values.Has(name) }

func (q query) get(name string) (string, bool) { return q.values.Get(name), q.has(name) }

func invalidQuery(field, reason, rule string) error {
	return invalid("Invalid query parameter", webhook.InvalidParameter{Field: field, Reason: reason, Source: "query", Rule: rule})
}

// page is which part of a list is asked for.
type page struct {
	size   int
	before bool   // the cursor is that of page[before], otherwise of page[after]
	cursor string // what it was made of, empty if there is none
}

// page reads the parameters of paging. A most of 0 is no bound.
func (h *Handler) page(c *call, q query, size, most int) (page, error) {
	p := page{size: size}
	if text, _ := q.get("page[size]"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		switch least := 1; {
		case err != nil:
			return page{}, invalidQuery("page[size]", "must be an integer", "is_integer")
		case n < 1:
			return page{}, invalid("Invalid query parameter", webhook.InvalidParameter{
				Field: "page[size]", Reason: "must be at least 1", Source: "query", Rule: "min", Minimum: &least,
			})
		case most > 0 && n > int64(most):
			return page{}, invalid("Invalid query parameter", webhook.InvalidParameter{
				Field: "page[size]", Reason: "must be at most " + strconv.Itoa(most), Source: "query", Rule: "max", Maximum: &most,
			})
		}
		p.size = int(n)
	}
	after, _ := q.get("page[after]")
	before, _ := q.get("page[before]")
	if after != "" && before != "" {
		return page{}, invalidQuery("page[before]", "must not be combined with page[after]", "invalid")
	}
	name, text := "page[after]", after
	if before != "" {
		name, text, p.before = "page[before]", before, true
	}
	if text == "" {
		return p, nil
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err == nil {
		sealed, err = h.cfg.Shipper.Open(h.cursorPurpose(c, q, p, name), sealed)
	}
	if err != nil || len(sealed) == 0 {
		return page{}, invalidQuery(name, "is no cursor of this list with these filters and this size", "invalid")
	}
	p.cursor = string(sealed)
	return p, nil
}

// link returns the link to the page beside what the cursor tells: with the
// same filters and size.
func (h *Handler) link(c *call, q query, p page, name, cursor string) (string, error) {
	sealed, err := h.cfg.Shipper.Seal(h.cursorPurpose(c, q, p, name), []byte(cursor))
	if err != nil {
		return "", err
	}
	values := url.Values{}
	for _, filter := range q.filters {
		if value, ok := q.get(filter); ok {
			values.Set(filter, value)
		}
	}
	values.Set("page[size]", strconv.Itoa(p.size))
	values.Set(name, base64.RawURLEncoding.EncodeToString(sealed))
	return c.URL.Path + "?" + values.Encode(), nil
}

// cursorPurpose is what a cursor is good for: the list of a tenant, with its
// filters and size, in one direction.
func (h *Handler) cursorPurpose(c *call, q query, p page, name string) string {
	parts := []string{"cursor", c.op.id, c.caller.Tenant, c.stream, strconv.Itoa(p.size), name}
	for _, filter := range q.filters {
		if value, ok := q.get(filter); ok {
			parts = append(parts, filter, value)
		}
	}
	data, err := json.Marshal(parts)
	if err != nil { // texts always have a JSON form
		panic(err)
	}
	return string(data)
}
