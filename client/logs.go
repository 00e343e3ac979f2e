package client

import (
	"context"
	"iter"
	"net/url"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const logsPath = v3 + "/audit-logs"

// LogService is the audit log itself, to be pulled instead of delivered.
// [Event] makes an event of an entry.
type LogService struct{ client *Client }

// MaxLogSize is the most entries in a page of the log, after Konnect's OpenAPI
// file.
const MaxLogSize = 1000

// LogListOptions narrows and pages the log. The zero value is the last seven
// days.
type LogListOptions struct {
	// From and To bound the times of entries; both are part of the range. A
	// zero To is now, a zero From seven days before To.
	From, To time.Time
	// Type, if it is not empty, is that of the entries wanted.
	Type webhook.EntryType
	// Size is the most entries in a page, at most [MaxLogSize]. 0 leaves it to
	// the server in List (Konnect's default is 20), and is MaxLogSize in All.
	Size int
	// After and Before are cursors, as a [Page] has them: for the page that
	// follows one, and for that which comes before.
	After, Before string
}

func (o LogListOptions) query() url.Values {
	q := paging(o.Size, o.After, o.Before)
	for name, at := range map[string]time.Time{"filter[ts][gte]": o.From, "filter[ts][lte]": o.To} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339Nano))
		}
	}
	set(q, "filter[type]", string(o.Type))
	return q
}

// List returns one page of the log.
func (s *LogService) List(ctx context.Context, options LogListOptions) (Page[webhook.Entry], error) {
	c := s.client.list(logsPath, options.query())
	list, err := answered[webhook.EntryList](ctx, c)
	if err != nil {
		return Page[webhook.Entry]{}, err
	}
	return newPage(c, list.Data, list.Meta)
}

// All returns the entries from the page that List returns to the last, fetched
// as the loop goes on. After an error, which comes last, there are no more.
// Each range over it starts anew.
func (s *LogService) All(ctx context.Context, options LogListOptions) iter.Seq2[webhook.Entry, error] {
	if options.Size == 0 {
		options.Size = MaxLogSize
	}
	return all(options.After, func(after string) (Page[webhook.Entry], error) {
		page := options
		if after != options.After {
			page.After, page.Before = after, ""
		}
		return s.List(ctx, page)
	})
}
