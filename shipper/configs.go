package shipper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const webhookPrefix = "webhook/"

func webhookKey(id string) string { return webhookPrefix + id }

// configs reads and writes the webhooks' configurations, and remembers those
// in use. Changes that other processes make come through a watch.
type configs struct {
	store  store.Documents
	sealer *sealer // nil without a key

	mu      sync.Mutex
	known   map[string]stored
	changes uint64 // counts forget, so that nothing old is remembered
	blind   bool   // the watch has ended: nothing can be remembered
}

// maxKnown bounds the configurations remembered.
const maxKnown = 1 << 16

func newConfigs(docs store.Documents, sealer *sealer) *configs {
	return &configs{store: docs, sealer: sealer, known: map[string]stored{}, blind: true}
}

// get returns what load does, from memory if it is there.
func (c *configs) get(ctx context.Context, id string) (stored, error) {
	c.mu.Lock()
	st, ok := c.known[id]
	before := c.changes
	c.mu.Unlock()
	if ok {
		return st, nil
	}
	st, err := c.load(ctx, id)
	if err != nil {
		return st, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.blind && c.changes == before {
		if len(c.known) >= maxKnown {
			for other := range c.known {
				delete(c.known, other)
				break
			}
		}
		c.known[id] = st
	}
	return st, nil
}

func (c *configs) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.known, id)
}

// see tells whether changes by others are seen from now on.
func (c *configs) see(seen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	clear(c.known)
	c.blind = !seen
}

// document is a webhook as it is stored. With a key, endpoint and
// authorization are sealed; the origin is there to open the authorization by.
type document struct {
	Version       int               `json:"version"`
	Created       string            `json:"created"`
	Change        string            `json:"change"`
	Endpoint      string            `json:"endpoint,omitzero"`
	Sealed        []byte            `json:"sealed_endpoint,omitzero"`
	Origin        string            `json:"origin,omitzero"`
	Authorization []byte            `json:"sealed_authorization,omitzero"`
	Enabled       bool              `json:"enabled"`
	LogFormat     webhook.LogFormat `json:"log_format"`
	SkipVerify    bool              `json:"skip_ssl_verification"`
	UpdatedAt     time.Time         `json:"updated_at"`
	SkipBefore    time.Time         `json:"skip_before,omitzero"`
	Drain         uint64            `json:"drain,omitzero"`
	Label         string            `json:"label,omitzero"`
}

const documentVersion = 1

// load reads a webhook. If it cannot be opened, the error is a *KeyError and
// the rest is there, with the origin for the endpoint.
func (c *configs) load(ctx context.Context, id string) (stored, error) {
	doc, err := c.store.Get(ctx, webhookKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return stored{}, nil
	}
	if err != nil {
		return stored{}, err
	}
	var d document
	if err := json.Unmarshal(doc.Value, &d); err != nil {
		return stored{}, fmt.Errorf("shipper: the configuration of webhook %q is malformed", id) // not err: it may quote
	}
	if d.Version != documentVersion {
		return stored{}, fmt.Errorf("shipper: the configuration of webhook %q has version %d; this program reads %d", id, d.Version, documentVersion)
	}
	st := stored{
		config: webhook.Config{
			Endpoint: d.Endpoint, Enabled: d.Enabled, LogFormat: d.LogFormat,
			SkipSSLVerification: d.SkipVerify, UpdatedAt: d.UpdatedAt,
		},
		revision: doc.Revision, created: d.Created, change: d.Change, label: d.Label, skipBefore: d.SkipBefore, drain: d.Drain,
	}
	if d.Sealed != nil {
		st.config.Endpoint = d.Origin
		endpoint, err := c.open(d.Sealed, sealed{id, "endpoint", d.Origin})
		if err != nil {
			return st, err
		}
		st.config.Endpoint = string(endpoint)
	}
	if originOf(st.config.Endpoint) != d.Origin {
		return st, &KeyError{Webhook: id, Field: "endpoint", Reason: "its origin is not the one that is stored beside it"}
	}
	if d.Authorization != nil {
		authorization, err := c.open(d.Authorization, sealed{id, "authorization", d.Origin})
		if err != nil {
			return st, err
		}
		st.config.Authorization = webhook.NewSecret(string(authorization))
	}
	return st, nil
}

func (c *configs) open(data []byte, context sealed) ([]byte, error) {
	if c.sealer == nil {
		return nil, &KeyError{Webhook: context.webhook, Field: context.field, Reason: "no key was given"}
	}
	return c.sealer.open(data, context)
}

// put stores the webhook if it still has the revision.
func (c *configs) put(ctx context.Context, id string, st stored) error {
	cfg := &st.config
	d := document{
		Version: documentVersion, Created: st.created, Change: st.change, Origin: origin(cfg), Enabled: cfg.Enabled,
		LogFormat: cfg.LogFormat, SkipVerify: cfg.SkipSSLVerification, UpdatedAt: cfg.UpdatedAt,
		SkipBefore: st.skipBefore, Drain: st.drain, Label: st.label,
	}
	if c.sealer == nil {
		d.Endpoint = cfg.Endpoint
	} else {
		d.Sealed = c.sealer.seal(nil, []byte(cfg.Endpoint), sealed{id, "endpoint", d.Origin})
		if !cfg.Authorization.IsZero() {
			d.Authorization = c.sealer.seal(nil, []byte(cfg.Authorization.Reveal()), sealed{id, "authorization", d.Origin})
		}
	}
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	defer c.forget(id)
	_, err = c.store.Put(ctx, webhookKey(id), value, st.revision)
	return err
}

// remove deletes the webhook if it still has the revision.
func (c *configs) remove(ctx context.Context, id string, revision uint64) error {
	defer c.forget(id)
	return c.store.Delete(ctx, webhookKey(id), revision)
}

// watch forgets what others change, until ctx ends; changed is told of it, with
// the document's revision.
func (c *configs) watch(ctx context.Context, changed func(id string, revision uint64, d *document)) error {
	defer c.see(false)
	seen := false // a watch may take some time to begin
	for change, err := range c.store.Watch(ctx, webhookPrefix) {
		if err != nil {
			return err
		}
		if !seen {
			seen = true
			c.see(true)
		}
		id := strings.TrimPrefix(change.Key, webhookPrefix)
		c.forget(id)
		var d document
		_ = json.Unmarshal(change.Value, &d) // of one that is malformed or gone the change has no name
		changed(id, change.Revision, &d)
	}
	return nil
}

func isKeyError(err error) bool {
	var wrong *KeyError
	return errors.As(err, &wrong)
}
