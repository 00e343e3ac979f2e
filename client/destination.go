package client

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/url"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const destinationsPath = "/audit-log-destinations"

// DestinationService is the endpoints that webhooks are bound to. They belong
// to the organization: every region shows the same.
type DestinationService struct {
	client *Client
	path   string
}

// DestinationListOptions narrows and pages a list. The zero value is all of it.
type DestinationListOptions struct {
	// Name, if it is not empty, is the whole name of those wanted.
	Name string
	// NameContains, if it is not empty, is a part of the name of those wanted.
	// It excludes Name.
	NameContains string
	// Size is the most destinations in a page; 0 leaves it to the server.
	Size int
	// After and Before are cursors, as a [Page] has them: for the page that
	// follows one, and for that which comes before.
	After, Before string
}

func (o DestinationListOptions) query() url.Values {
	q := paging(o.Size, o.After, o.Before)
	set(q, "filter[name][eq]", o.Name)
	set(q, "filter[name][contains]", o.NameContains)
	return q
}

// List returns one page of the destinations.
func (s *DestinationService) List(ctx context.Context, options DestinationListOptions) (Page[webhook.Destination], error) {
	if options.Name != "" && options.NameContains != "" {
		return Page[webhook.Destination]{}, errors.New("client: the list can be narrowed by Name or by NameContains, not by both")
	}
	c := s.client.list(s.path, options.query())
	list, err := answered[webhook.DestinationList](ctx, c)
	if err != nil {
		return Page[webhook.Destination]{}, err
	}
	return newPage(c, list.Data, list.Meta)
}

// All returns the destinations from the page that List returns to the last,
// fetched as the loop goes on. After an error, which comes last, there are no
// more. Each range over it starts anew.
func (s *DestinationService) All(ctx context.Context, options DestinationListOptions) iter.Seq2[webhook.Destination, error] {
	return all(options.After, func(after string) (Page[webhook.Destination], error) {
		page := options
		if after != options.After {
			page.After, page.Before = after, ""
		}
		return s.List(ctx, page)
	})
}

// Create makes a destination of the name, endpoint, authorization, format and
// SkipSSLVerification given, and returns it with its ID, without its
// authorization. The server judges the values; [webhook.Destination.Validate]
// does so beforehand.
func (s *DestinationService) Create(ctx context.Context, destination webhook.Destination) (webhook.Destination, error) {
	c := s.client.write(http.MethodPost, s.path, webhook.EncodeDestination(destination), secretsOf(destination.Endpoint, destination.Authorization)...)
	made, err := answered[webhook.Destination](ctx, c)
	if err == nil && made.ID == "" {
		return webhook.Destination{}, c.errorf("the answer has no ID")
	}
	return made, err
}

// Get returns the destination of the ID, a UUID. Its authorization is never
// returned by the API.
func (s *DestinationService) Get(ctx context.Context, id string) (webhook.Destination, error) {
	path, err := s.pathOf(id)
	if err != nil {
		return webhook.Destination{}, err
	}
	return answered[webhook.Destination](ctx, s.client.get(path))
}

// Update changes the fields that are set in patch and returns the resulting
// destination. The change is one for all webhooks bound to it. A patch that
// sets nothing is not sent: Update is Get then.
func (s *DestinationService) Update(ctx context.Context, id string, patch webhook.DestinationPatch) (webhook.Destination, error) {
	path, err := s.pathOf(id)
	if err != nil {
		return webhook.Destination{}, err
	}
	if patch.IsZero() {
		return s.Get(ctx, id)
	}
	endpoint, _ := patch.Endpoint.Get()
	authorization, _ := patch.Authorization.Get()
	return answered[webhook.Destination](ctx, s.client.write(http.MethodPatch, path, webhook.EncodeDestinationPatch(patch), secretsOf(endpoint, authorization)...))
}

// Delete removes a destination. One that a webhook is bound to stays, and the
// error matches [ErrConflict]; Konnect may take a destination for bound for
// seconds after it is not, and [BindingService.TearDown] waits for that.
func (s *DestinationService) Delete(ctx context.Context, id string) error {
	path, err := s.pathOf(id)
	if err != nil {
		return err
	}
	return s.client.write(http.MethodDelete, path, nil).do(ctx, nil)
}

// pathOf keeps what is no ID out of the path, where it could name something
// else.
func (s *DestinationService) pathOf(id string) (string, error) {
	if !webhook.IsID(id) {
		return "", errors.New("client: the ID of the destination is not a UUID")
	}
	return s.path + "/" + id, nil
}
