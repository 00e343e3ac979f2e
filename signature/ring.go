package signature

import (
	"context"
	"crypto/ed25519"
	"errors"
	"slices"
	"sync"
	"time"
)

// DefaultRetention is the default of RingConfig.Retention.
const DefaultRetention = 30 * 24 * time.Hour

// Ring is a signer whose key can change. It publishes, as a [Source], the key
// that signs, the one to come, and for a time those that signed before. It is
// safe for concurrent use.
type Ring struct {
	retention time.Duration
	now       func() time.Time

	mu      sync.Mutex
	signer  *Signer
	next    *Signer   // nil if there is none
	start   time.Time // when next begins to sign
	retired []RetiredKey
	keys    KeySet // of all of them
}

// RingConfig says what a [Ring] signs with. Only Signer is required.
type RingConfig struct {
	// Signer signs until Rotate gives another one.
	Signer *Signer

	// Retired are keys that signed before, as Ring.Retired told them; what a
	// Ring knows does not outlive it.
	Retired []RetiredKey

	// Retention is for how long a key is published after it signed last. It
	// must be longer than what was signed may be stored before it is verified.
	// Default: DefaultRetention.
	Retention time.Duration

	// Now tells the time. Default: time.Now.
	Now func() time.Time
}

// RetiredKey is a public key that does not sign any more.
type RetiredKey struct {
	Public ed25519.PublicKey
	Until  time.Time // when it is published no longer
}

// NewRing returns a Ring.
func NewRing(cfg RingConfig) (*Ring, error) {
	if cfg.Signer == nil {
		return nil, errors.New("signature: Signer: is required")
	}
	if cfg.Retention < 0 {
		return nil, errors.New("signature: Retention: is negative")
	}
	if cfg.Retention == 0 {
		cfg.Retention = DefaultRetention
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Ring{
		retention: cfg.Retention,
		now:       cfg.Now,
		signer:    cfg.Signer,
		retired:   slices.Clone(cfg.Retired),
	}
	r.settle()
	if err := r.collect(); err != nil {
		return nil, err
	}
	return r, nil
}

// Rotate publishes the key of next at once, and signs with it from start on, or
// at once if that is past. Until start, receivers have the time to fetch the key;
// those that fetch keys when they meet an unknown one, as a [Remote] does, need
// it only if they have fetched just before. Processes that sign side by side
// rotate together by the same start.
//
// A next key that has not signed yet is replaced. It is an error, and nothing
// changes, if more than [MaxKeys] would be published.
func (r *Ring) Rotate(next *Signer, start time.Time) error {
	if next == nil {
		return errors.New("signature: no signer to rotate to")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
	replaced := r.next
	r.next = next
	if err := r.collect(); err != nil {
		r.next = replaced
		return err
	}
	r.start = start
	if now := r.now(); start.Before(now) {
		r.start = now
	}
	r.settle()
	return nil
}

// settle does what has become due. Callers hold the mutex.
func (r *Ring) settle() {
	if r.next == nil && len(r.retired) == 0 {
		return
	}
	now := r.now()
	if r.next != nil && !now.Before(r.start) {
		r.retired = append(r.retired, RetiredKey{r.signer.public, r.start.Add(r.retention)})
		r.signer, r.next = r.next, nil
	}
	if n := len(r.retired); n > 0 {
		r.retired = slices.DeleteFunc(r.retired, func(k RetiredKey) bool { return !now.Before(k.Until) })
		if len(r.retired) < n {
			_ = r.collect() // of fewer keys than before
		}
	}
}

// collect makes the set of the keys to publish. Callers hold the mutex.
func (r *Ring) collect() error {
	keys := []ed25519.PublicKey{r.signer.public}
	if r.next != nil {
		keys = append(keys, r.next.public)
	}
	for _, k := range r.retired {
		keys = append(keys, k.Public)
	}
	set, err := NewKeySet(keys...)
	if err == nil {
		r.keys = set
	}
	return err
}

// Signer returns the signer whose turn it is.
func (r *Ring) Signer() *Signer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
	return r.signer
}

// Append is [Signer.Append] of the signer whose turn it is.
func (r *Ring) Append(dst, entry []byte) ([]byte, error) { return r.Signer().Append(dst, entry) }

// SignBatch is [Signer.SignBatch] of the signer whose turn it is.
func (r *Ring) SignBatch(id string, at time.Time, body []byte) (string, error) {
	return r.Signer().SignBatch(id, at, body)
}

// Retired returns the keys that do not sign any more but are still published,
// for the [RingConfig] after a restart.
func (r *Ring) Retired() []RetiredKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
	return slices.Clone(r.retired)
}

// Keys returns the keys to publish, which makes it a [Source].
func (r *Ring) Keys(context.Context, time.Time) (KeySet, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settle()
	return r.keys, nil
}
