package konnectapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// DefaultMaxDestinations is the default of [Config].
const DefaultMaxDestinations = 1000

// Config is that of a [Handler]. Shipper and Store are required, and so are
// Authenticate and Authorize in practice: without one of them every call is
// refused. It holds no secrets.
type Config struct {
	// Shipper has the webhooks. It must have a key if its store is durable,
	// which also seals the destinations and the cursors of lists.
	Shipper *shipper.Shipper

	// Store is the Shipper's. Destinations are kept there, in documents whose
	// keys begin with "destination/".
	Store store.Documents

	// Authenticate tells who sends a request, by its credentials. Any error
	// refuses the request with a 401, except one that wraps [ErrUnavailable].
	// Nothing of the request but its header has been read.
	Authenticate func(r *http.Request) (Caller, error)

	// Authorize tells whether the caller may do what they ask for: Konnect
	// wants an organization's admin, or the role Audit Logs Admin. Any error
	// refuses the request with a 403, except one that wraps [ErrUnavailable].
	Authorize func(ctx context.Context, caller Caller, op Operation) error

	// Portal returns the id under which the Shipper has the webhook of a
	// developer portal of the caller's tenant. For a portal that is unknown
	// or another tenant's it returns an error that wraps [ErrNotFound]. The id
	// of the portal is a UUID in lower case. Default: there are no portals.
	Portal func(ctx context.Context, caller Caller, portalID string) (webhook string, err error)

	// Keys returns the JSON Web Key Set by which receivers verify signatures,
	// as it stands on the wire: each key with kty, alg, kid, crv and x, as
	// Konnect's have. It is served to everybody. Default: a set without keys.
	Keys func(ctx context.Context) ([]byte, error)

	// CrossOrigin refuses writes that a browser sends from another origin.
	// Default: one that trusts no other origin.
	CrossOrigin *http.CrossOriginProtection

	// MaxDestinations bounds the destinations of a tenant. Default:
	// DefaultMaxDestinations.
	MaxDestinations int

	// Source is who speaks in the events that tell of changes, see the
	// documentation of the package. Empty fields are "auditlog" as vendor and
	// "konnectapi" as product.
	Source shipper.Source

	// Clock is the source of all time. Give the Shipper the same. Default:
	// [store.SystemClock].
	Clock store.Clock

	// Logger is told of every request that was refused or failed, under the
	// instance that its answer names. Default: [slog.Default].
	Logger *slog.Logger
}

// Caller is who sends a request.
type Caller struct {
	// Tenant is whose webhook and destinations the request is about, an
	// organization in Konnect's terms: 1 to [shipper.MaxID] bytes of UTF-8
	// without control characters.
	Tenant string

	// Webhook is the id under which the Shipper has the tenant's webhook,
	// where that is not the same as Tenant: a tenant can have one in each of
	// several regions, all of which share its destinations.
	Webhook string

	// Principal and PrincipalName are who it is, for the events that tell of
	// changes: an id, and a name if there is one.
	Principal     string
	PrincipalName string

	// Source is the caller's IP address, for the same events. Default: that of
	// the connection, which may be a proxy's.
	Source string
}

// Operation is what a request asks for.
type Operation struct {
	// ID is the operationId in the OpenAPI document that the Handler serves,
	// such as "update-webhook-v2".
	ID string

	// Write tells that it may change something.
	Write bool

	// PortalID is the portal that it is about, in lower case, empty for the
	// tenant itself. Whether there is such a portal has not been looked up yet.
	PortalID string
}

// Errors that the functions of a [Config] return. Match with errors.Is.
var (
	// ErrUnavailable tells that who or what was asked cannot answer now. The
	// request is answered with a 503, which clients repeat.
	ErrUnavailable = errors.New("konnectapi: not available now")

	// ErrNotFound tells that there is no such portal.
	ErrNotFound = errors.New("konnectapi: not found")
)

// resolve fills in the defaults and checks the rest.
func (c Config) resolve() (Config, error) {
	switch {
	case c.Shipper == nil:
		return c, errors.New("konnectapi: Shipper is not set")
	case c.Store == nil:
		return c, errors.New("konnectapi: Store is not set")
	case c.MaxDestinations < 0:
		return c, errors.New("konnectapi: MaxDestinations is negative")
	}
	if _, err := c.Shipper.Seal("konnectapi", nil); err != nil {
		return c, fmt.Errorf("konnectapi: Shipper: %w", err)
	}
	if c.MaxDestinations == 0 {
		c.MaxDestinations = DefaultMaxDestinations
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	if c.Source.Vendor == "" {
		c.Source.Vendor = "auditlog"
	}
	if c.Source.Product == "" {
		c.Source.Product = "konnectapi"
	}
	if c.Clock == nil {
		c.Clock = store.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}
