package konnectapi

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// destination is what is stored of a destination.
type destination struct {
	webhook.Destination
	tenant   string
	revision uint64
	sealed   []byte // endpoint and authorization, while they are not opened

	// webhooks is the ids of those that may be bound to it: all that are, and
	// perhaps some that are no more. Whether one is, its label tells.
	webhooks []string

	// spreading tells that not all of the webhooks have its values yet.
	spreading bool
}

// destinationDocument is its stored form, under a key of its tenant and its
// id. Endpoint and authorization are sealed together, so that neither can be
// combined with another's.
type destinationDocument struct {
	Version    int               `json:"version"`
	Name       string            `json:"name"`
	Sealed     []byte            `json:"sealed"`
	LogFormat  webhook.LogFormat `json:"log_format"`
	SkipVerify bool              `json:"skip_ssl_verification"`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
	Webhooks   []string          `json:"webhooks,omitempty"`
	Spreading  bool              `json:"spreading,omitzero"`
}

const destinationVersion = 1

// target is what is sealed of a destination.
type target struct {
	Endpoint      string `json:"endpoint"`
	Authorization string `json:"authorization"`
}

const destinationPrefix = "destination/"

// keyPrefix is what the keys of a tenant's destinations begin with. The length
// keeps the prefix of one tenant from being that of another.
func keyPrefix(tenant string) string {
	return destinationPrefix + strconv.Itoa(len(tenant)) + "/" + tenant + "/"
}

func (d *destination) key() string { return keyPrefix(d.tenant) + d.ID }

// newID returns a new id for a destination: a UUID of version 7 with 12 more
// bits of time (RFC 9562 §5.7 and §6.2, method 3), so that ids sort as they were
// made, at least those of one process.
func newID(now time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	const fractions = 1 << 12
	fraction := int64(now.Nanosecond()) % int64(time.Millisecond) * fractions / int64(time.Millisecond)
	binary.BigEndian.PutUint64(b[:], uint64(now.UnixMilli())<<16|7<<12|uint64(fraction))
	b[8] = b[8]&0x3f | 0x80
	text := hex.EncodeToString(b[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// destination looks a destination up in a tenant.
func (h *Handler) destination(ctx context.Context, tenant, id string) (*destination, error) {
	if !webhook.IsID(id) {
		return nil, notFound()
	}
	doc, err := h.cfg.Store.Get(ctx, keyPrefix(tenant)+strings.ToLower(id))
	if errors.Is(err, store.ErrNotFound) {
		return nil, notFound()
	}
	if err != nil {
		return nil, err
	}
	d, err := parseDestination(doc)
	if err != nil {
		return nil, err
	}
	return d, h.open(d)
}

// parseDestination reads a document, but for what is sealed in it.
func parseDestination(doc store.Document) (*destination, error) {
	var stored destinationDocument
	if json.Unmarshal(doc.Value, &stored) != nil || stored.Version != destinationVersion {
		return nil, fmt.Errorf("konnectapi: the document %q is malformed, or of a version that this program does not read", doc.Key)
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(doc.Key, destinationPrefix), "/")
	slash := strings.LastIndexByte(rest, '/')
	if slash < 0 {
		return nil, fmt.Errorf("konnectapi: the document %q has no key of a destination", doc.Key)
	}
	return &destination{
		Destination: webhook.Destination{
			ID: rest[slash+1:], Name: stored.Name, LogFormat: stored.LogFormat, SkipSSLVerification: stored.SkipVerify,
			CreatedAt: stored.CreatedAt, UpdatedAt: stored.UpdatedAt,
		},
		tenant: rest[:slash], revision: doc.Revision, sealed: stored.Sealed,
		webhooks: stored.Webhooks, spreading: stored.Spreading,
	}, nil
}

// open opens what is sealed.
func (h *Handler) open(d *destination) error {
	value, err := h.cfg.Shipper.Open(d.key(), d.sealed)
	if err != nil {
		return err
	}
	var t target
	if json.Unmarshal(value, &t) != nil { // its error may quote
		return fmt.Errorf("konnectapi: what is sealed in the document %q is malformed", d.key())
	}
	d.Endpoint, d.Authorization = t.Endpoint, webhook.NewSecret(t.Authorization)
	return nil
}

// put stores the destination if it still has the revision.
func (h *Handler) put(ctx context.Context, d *destination) error {
	value, err := json.Marshal(target{d.Endpoint, d.Authorization.Reveal()})
	if err != nil {
		return err
	}
	sealed, err := h.cfg.Shipper.Seal(d.key(), value)
	if err != nil {
		return err
	}
	value, err = json.Marshal(destinationDocument{
		Version: destinationVersion, Name: d.Name, Sealed: sealed, LogFormat: d.LogFormat, SkipVerify: d.SkipSSLVerification,
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, Webhooks: d.webhooks, Spreading: d.spreading,
	})
	if err != nil {
		return err
	}
	revision, err := h.cfg.Store.Put(ctx, d.key(), value, d.revision)
	if err == nil {
		d.revision = revision
	}
	return err
}

// destinations yields those under a prefix of keys, not opened, or in the place
// of one the error that keeps it from being read.
func (h *Handler) destinations(ctx context.Context, prefix string) iter.Seq2[*destination, error] {
	return func(yield func(*destination, error) bool) {
		for doc, err := range h.cfg.Store.List(ctx, prefix) {
			if err != nil {
				yield(nil, err)
				return
			}
			if d, err := parseDestination(doc); !yield(d, err) {
				return
			}
		}
	}
}

// config is what a webhook is configured with that is bound to d, switched off.
func (d *destination) config() webhook.Config {
	return webhook.Config{
		Endpoint: d.Endpoint, Authorization: d.Authorization, LogFormat: d.LogFormat, SkipSSLVerification: d.SkipSSLVerification,
	}
}

// patch is what makes a webhook send to d.
func (d *destination) patch() webhook.Patch {
	return webhook.Patch{
		Endpoint: webhook.Set(d.Endpoint), Authorization: webhook.Set(d.Authorization),
		LogFormat: webhook.Set(d.LogFormat), SkipSSLVerification: webhook.Set(d.SkipSSLVerification),
	}
}

// Reseal seals all destinations with the first key of the Shipper, whose own
// Reseal does the webhooks. Its error tells of all that could not be resealed.
func (h *Handler) Reseal(ctx context.Context) error {
	var errs []error
	for d, err := range h.destinations(ctx, destinationPrefix) {
		for ; err == nil; d, err = h.destination(ctx, d.tenant, d.ID) {
			if err = h.open(d); err == nil {
				err = h.put(ctx, d)
			}
			if !errors.Is(err, store.ErrConflict) {
				break
			}
		}
		if err != nil && !isNotFound(err) { // deleted meanwhile
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
