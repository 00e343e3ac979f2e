package signature

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// MaxKeys is the most keys in a [KeySet]. An entry does not name its key, so
// that each one costs time.
const MaxKeys = 16

// KeySet is a set of public keys, at most [MaxKeys]. It does not change, and is
// safe for concurrent use. The zero KeySet is empty and verifies nothing.
type KeySet struct {
	keys []publicKey

	// The index of the key that verified last: the next line is most likely by
	// the same one.
	last *atomic.Uint32
}

type publicKey struct {
	id     string
	public ed25519.PublicKey
}

// NewKeySet returns the set of the given keys, with [KeyID] as their ids. The
// error names the first key, by its index from 0, that has not 32 bytes or is a
// point of small order, for which anybody can sign. A key that is there twice
// is taken once.
func NewKeySet(keys ...ed25519.PublicKey) (KeySet, error) {
	if len(keys) > MaxKeys {
		return KeySet{}, fmt.Errorf("signature: %w", errTooMany(len(keys)))
	}
	set := newKeySet()
	for i, public := range keys {
		if err := checkKey(public); err != nil {
			return KeySet{}, fmt.Errorf("signature: key %d: %w", i, err)
		}
		set.add(publicKey{KeyID(public), bytes.Clone(public)})
	}
	return set, nil
}

func newKeySet() KeySet { return KeySet{last: new(atomic.Uint32)} }

func (s *KeySet) add(k publicKey) {
	for _, has := range s.keys {
		if has.public.Equal(k.public) {
			return
		}
	}
	s.keys = append(s.keys, k)
}

func errTooMany(n int) error {
	return fmt.Errorf("%d keys, more than %d", n, MaxKeys)
}

// KeyID returns the id of a key that is not given one: its thumbprint (RFC 7638
// and RFC 8037 §2), 43 characters of base64url.
func KeyID(public ed25519.PublicKey) string {
	digest := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + base64url.EncodeToString(public) + `"}`))
	return base64url.EncodeToString(digest[:])
}

// base64url is the encoding of signatures and of JSON Web Keys.
var base64url = base64.RawURLEncoding.Strict()

// jwk is a JSON Web Key (RFC 7517, RFC 8037), its members in Konnect's order.
type jwk struct {
	KeyType   string  `json:"kty"`
	Algorithm *string `json:"alg,omitempty"`
	ID        string  `json:"kid"`
	Curve     string  `json:"crv"`
	X         string  `json:"x"`
}

const (
	keyType   = "OKP"
	algorithm = "EdDSA"
	curve     = "Ed25519"
)

// ParseKeySet reads a JSON Web Key Set, such as Konnect's
// /v2/audit-log-webhook/jwks.json:
//
//	{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"…","crv":"Ed25519","x":"…"}]}
//
// Keys of other types, curves or algorithms are left out (RFC 7517 §5); alg may
// be absent. It is an error if no key is left of some, if an Ed25519 key is not
// 32 bytes or of small order, or if there are more than [MaxKeys], those left
// out included. An id that is not visible ASCII of up to 256 characters is
// replaced by [KeyID].
func ParseKeySet(jwks []byte) (KeySet, error) {
	set, err := parseKeySet(jwks)
	if err != nil {
		return KeySet{}, fmt.Errorf("signature: %w", err)
	}
	return set, nil
}

func parseKeySet(jwks []byte) (KeySet, error) {
	var document struct {
		Keys *[]json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(jwks, &document); err != nil {
		return KeySet{}, fmt.Errorf("the key set is not JSON of its form: %w", err)
	}
	if document.Keys == nil {
		return KeySet{}, errors.New(`the key set has no member "keys"`)
	}
	if n := len(*document.Keys); n > MaxKeys {
		return KeySet{}, errTooMany(n)
	}
	set := newKeySet()
	for i, raw := range *document.Keys {
		k, ours, err := parseKey(raw)
		if err != nil {
			return KeySet{}, fmt.Errorf("key %d: %w", i, err)
		}
		if ours {
			set.add(k)
		}
	}
	if n := len(*document.Keys); n > 0 && len(set.keys) == 0 {
		return KeySet{}, fmt.Errorf("none of the %d keys is for Ed25519", n)
	}
	return set, nil
}

// parseKey reads a key, and reports whether it is one for Ed25519.
func parseKey(raw json.RawMessage) (k publicKey, ours bool, err error) {
	var key jwk
	if err := json.Unmarshal(raw, &key); err != nil {
		return publicKey{}, false, err
	}
	if key.KeyType != keyType || key.Curve != curve || key.Algorithm != nil && *key.Algorithm != algorithm {
		return publicKey{}, false, nil
	}
	public, err := base64url.DecodeString(key.X)
	if err != nil || len(key.X) != base64url.EncodedLen(len(public)) { // line breaks are ignored in decoding
		return publicKey{}, false, errors.New("x is not base64url without padding")
	}
	if err := checkKey(public); err != nil {
		return publicKey{}, false, err
	}
	if !validID(key.ID) {
		key.ID = KeyID(public)
	}
	return publicKey{key.ID, public}, true, nil
}

func validID(id string) bool {
	const longest = 256
	if id == "" || len(id) > longest {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// MarshalJSON writes the JSON Web Key Set that [ParseKeySet] reads.
func (s KeySet) MarshalJSON() ([]byte, error) {
	keys := make([]jwk, len(s.keys))
	eddsa := algorithm
	for i, k := range s.keys {
		keys[i] = jwk{keyType, &eddsa, k.id, curve, base64url.EncodeToString(k.public)}
	}
	return json.Marshal(map[string][]jwk{"keys": keys})
}

// IDs returns the ids of the keys.
func (s KeySet) IDs() []string {
	ids := make([]string, len(s.keys))
	for i, k := range s.keys {
		ids[i] = k.id
	}
	return ids
}

// Keys returns s itself, which makes it a [Source] of keys that never change.
func (s KeySet) Keys(context.Context, time.Time) (KeySet, error) { return s, nil }

// find returns the key that verifies the signature of message.
func (s KeySet) find(message, signature []byte) (publicKey, bool) {
	if len(s.keys) == 0 {
		return publicKey{}, false
	}
	first := int(s.last.Load())
	for n := range s.keys {
		i := (first + n) % len(s.keys)
		if ed25519.Verify(s.keys[i].public, message, signature) {
			if i != first {
				s.last.Store(uint32(i))
			}
			return s.keys[i], true
		}
	}
	return publicKey{}, false
}
