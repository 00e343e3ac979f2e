package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// Config is that of a [Handler]. Shipper is required, and so are Authenticate and
// Webhooks in practice: without one of them every request is refused. It holds
// no secrets.
type Config struct {
	// Shipper has the webhooks.
	Shipper *shipper.Shipper

	// Authenticate tells who sends a request, by a session's cookie for
	// instance. Any error refuses the request with a 401, except one that
	// wraps [ErrUnavailable]. It must not read the body.
	Authenticate func(r *http.Request) (User, error)

	// Webhooks returns the webhooks that the user may see, in the order in
	// which they are shown; all others do not exist for them. It is called with
	// every request, and a page that is open sends one every two seconds. An
	// error is answered with a 500, or a 503 if it wraps [ErrUnavailable].
	Webhooks func(ctx context.Context, user User) ([]Webhook, error)

	// History is what the picture of the last hour is drawn from. It must be
	// among the Hooks of the Shipper. Default: there is no picture.
	History *History

	// CrossOrigin refuses forms that a browser sends from another origin.
	// Default: one that trusts no other origin.
	CrossOrigin *http.CrossOriginProtection

	// Title stands on top of every page. Default: "Audit logs".
	Title string

	// Source is who speaks in the events that tell of changes. Empty fields are
	// "auditlog" as vendor and "console" as product.
	Source shipper.Source

	// Clock is the source of all time. Give the Shipper the same. Default:
	// [store.SystemClock].
	Clock store.Clock

	// Logger is told of every request that was refused or failed. Default:
	// [slog.Default].
	Logger *slog.Logger
}

// User is who sends a request. All of it is for the events that tell of changes.
type User struct {
	// Tenant is the organization that the user acts for.
	Tenant string

	// Principal and PrincipalName are who it is: an id, and a name if there is
	// one, which the page shows as well.
	Principal     string
	PrincipalName string

	// Source is the user's IP address. Default: that of the connection, which
	// may be a proxy's.
	Source string
}

// Webhook is a webhook that a user may see.
type Webhook struct {
	// ID is the webhook's in the Shipper.
	ID string

	// Title is what people call it, such as the name of a region. Default: ID.
	Title string

	// Role is what the user may do with it.
	Role Role
}

// Role is what a user may do with a webhook.
type Role uint8

// The roles.
const (
	// Reader may look.
	Reader Role = iota
	// Admin may do everything.
	Admin
)

// ErrUnavailable is what the functions of a [Config] wrap if who or what was
// asked cannot answer now. The request is answered with a 503.
var ErrUnavailable = errors.New("console: not available now")

// resolve fills in the defaults and checks the rest.
func (c Config) resolve() (Config, error) {
	if c.Shipper == nil {
		return c, errors.New("console: Shipper is not set")
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Title == "" {
		c.Title = "Audit logs"
	}
	if c.Source.Vendor == "" {
		c.Source.Vendor = "auditlog"
	}
	if c.Source.Product == "" {
		c.Source.Product = "console"
	}
	if c.Clock == nil {
		c.Clock = store.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}
