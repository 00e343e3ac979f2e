package client

import (
	"errors"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Portal is what a developer portal has of its own. Its events go to its own
// webhook; the destinations are the organization's.
type Portal struct {
	// Binding is the portal's webhook.
	Binding *BindingService
	// Replay is the portal's job that sends past events again.
	Replay *ReplayService
}

// Portal returns the developer portal of the ID, a UUID. It makes no
// connection: whether there is such a portal the first call tells, by an error
// that matches [ErrNotFound].
func (c *Client) Portal(id string) (*Portal, error) {
	if !webhook.IsID(id) {
		return nil, errors.New("client: the ID of the portal is not a UUID")
	}
	path := c.version + "/portals/" + id
	return &Portal{
		Binding: &BindingService{client: c, path: path + bindingPath},
		Replay:  &ReplayService{client: c, path: path + replayPath},
	}, nil
}
