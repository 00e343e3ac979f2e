package konnectapi

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strconv"

	"golang.org/x/time/rate"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Handler serves the management API. It is safe for concurrent use, and starts
// nothing in the background.
type Handler struct {
	cfg     Config
	replays limits
}

var _ http.Handler = (*Handler)(nil)

// New returns a Handler. An error names the field of cfg that is wrong. New reads
// the Store, to finish what the end of a process may have interrupted: a change
// of a destination that not all of its webhooks know.
func New(cfg Config) (*Handler, error) {
	cfg, err := cfg.resolve()
	if err != nil {
		return nil, err
	}
	h := &Handler{cfg: cfg, replays: limits{byID: map[string]*rate.Limiter{}}}
	h.finish(context.Background())
	return h, nil
}

// call is a request on its way.
type call struct {
	*http.Request
	op     *operation
	caller Caller
	id     string // of the destination in the path
	portal string // its id, empty for the tenant's own webhook
	stream string // the webhook's id in the Shipper
	trace  uint64
}

// instance names the request in its problem document and in the log.
func (c *call) instance() string { return "konnect:trace:" + c.traceID() }

func (c *call) traceID() string { return strconv.FormatUint(c.trace, 10) }

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	c := &call{Request: r, op: &operation{}, trace: newTrace()}
	methods := c.match(r.URL.Path)
	if methods == nil {
		h.fail(w, c, notFound())
		return
	}
	if c.op = methods.find(r.Method); c.op == nil {
		c.op = &operation{}
		header.Set("Allow", methods.allowed())
		h.fail(w, c, &failure{status: http.StatusMethodNotAllowed})
		return
	}
	if c.op.public {
		header.Set("Cache-Control", "public, max-age=300")
	}
	answer, err := h.serve(c)
	var body []byte
	if err == nil && c.op.success != http.StatusNoContent {
		body, err = json.Marshal(answer)
	}
	switch {
	case err != nil:
		header.Set("Cache-Control", "no-store")
		h.fail(w, c, err)
	case c.op.success == http.StatusNoContent:
		w.WriteHeader(http.StatusNoContent)
	default:
		write(w, "application/json", c.op.success, body)
	}
}

// serve does what the request asks for, if it may.
func (h *Handler) serve(c *call) (answer any, err error) {
	if c.op.public {
		return c.op.serve(h, c)
	}
	if err := h.cfg.CrossOrigin.Check(c.Request); err != nil {
		return nil, forbidden(err)
	}
	if err := h.admit(c); err != nil {
		return nil, err
	}
	if c.portal != "" {
		if err := h.findPortal(c); err != nil {
			return nil, err
		}
	}
	return c.op.serve(h, c)
}

// admit finds out who calls, and whether they may.
func (h *Handler) admit(c *call) (err error) {
	if h.cfg.Authenticate == nil {
		return unauthorized(errors.New("konnectapi: Config.Authenticate is not set"))
	}
	if c.caller, err = h.cfg.Authenticate(c.Request); err != nil {
		return refusal(err, unauthorized)
	}
	if h.cfg.Authorize == nil {
		return forbidden(errors.New("konnectapi: Config.Authorize is not set"))
	}
	op := Operation{ID: c.op.id, Write: c.op.method != http.MethodGet, PortalID: c.portal}
	if err := h.cfg.Authorize(c.Context(), c.caller, op); err != nil {
		return refusal(err, forbidden)
	}
	if err := store.CheckName("Caller.Tenant", c.caller.Tenant); err != nil {
		return err
	}
	if len(c.caller.Tenant) > shipper.MaxID {
		return errors.New("konnectapi: Caller.Tenant is too long")
	}
	if c.stream = c.caller.Webhook; c.stream == "" {
		c.stream = c.caller.Tenant
	}
	if c.caller.Source == "" {
		c.caller.Source, _, _ = net.SplitHostPort(c.RemoteAddr)
	}
	return nil
}

// refusal keeps an outage from looking like a refusal.
func refusal(err error, otherwise func(error) error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	return otherwise(err)
}

// findPortal looks the portal up in the caller's tenant.
func (h *Handler) findPortal(c *call) (err error) {
	if h.cfg.Portal == nil || !webhook.IsID(c.portal) {
		return notFound()
	}
	c.stream, err = h.cfg.Portal(c.Context(), c.caller, c.portal)
	if errors.Is(err, ErrNotFound) {
		return notFound()
	}
	return err
}
