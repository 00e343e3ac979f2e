package console

import (
	"net/url"
	"strconv"
	"strings"
)

// list is the page that has all webhooks.
type list struct {
	Search string // what their titles must have in them
	Found  int
	Rows   []row
	Page   int // from 1 on
	Pages  int
}

// listRows bounds the webhooks of a page.
const listRows = 50

// row is a webhook in the list.
type row struct {
	Webhook

	Status *statusView
}

// Link is the address of the webhook's page.
func (r row) Link() string { return (&page{Webhook: r.Webhook}).Link("setup") }

// Link is the address of the page of the list that is so many pages on.
func (l *list) Link(by int) string {
	query := url.Values{"page": {strconv.Itoa(l.Page + by)}}
	if l.Search != "" {
		query.Set("search", l.Search)
	}
	return "./?" + query.Encode()
}

// index lists the webhooks. Where there is only one, it goes there.
func (h *Handler) index(c *call, p *page) error {
	if len(c.webhooks) == 1 {
		p.location = row{Webhook: c.webhooks[0]}.Link()
		return nil
	}
	l := &list{Search: strings.TrimSpace(c.URL.Query().Get("search"))}
	var found []Webhook
	for _, w := range c.webhooks {
		if w.Title == "" {
			w.Title = w.ID
		}
		if strings.Contains(strings.ToLower(w.Title), strings.ToLower(l.Search)) {
			found = append(found, w)
		}
	}
	l.Found = len(found)
	l.Pages = max(1, (len(found)+listRows-1)/listRows)
	l.Page, _ = strconv.Atoi(c.URL.Query().Get("page"))
	l.Page = min(max(l.Page, 1), l.Pages)
	begin := (l.Page - 1) * listRows
	for _, w := range found[begin:min(begin+listRows, len(found))] {
		s, err := h.report(c, w.ID)
		if err != nil {
			return err
		}
		l.Rows = append(l.Rows, row{Webhook: w, Status: s})
	}
	p.List = l
	return nil
}
