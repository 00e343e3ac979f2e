package shipper

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
)

// KeyBytes is the length of a [Key]: those of AES-256.
const KeyBytes = 32

// Key seals what is stored: AES-256 in Galois/Counter Mode. It prints and logs
// as its id.
type Key struct {
	id     [8]byte
	secret func() []byte // a closure, so that fmt never prints it
}

// NewKey returns the key of the given [KeyBytes] random bytes, which it copies.
// The key's id is derived from them and tells nothing about them.
func NewKey(secret []byte) (Key, error) {
	if len(secret) != KeyBytes {
		return Key{}, fmt.Errorf("shipper: the key has %d bytes, not %d", len(secret), KeyBytes)
	}
	kept := [KeyBytes]byte(secret)
	id := sha256.Sum256(append([]byte("auditlog key id\x00"), kept[:]...))
	return Key{id: [8]byte(id[:8]), secret: func() []byte { return kept[:] }}, nil
}

// processKey seals what is lost with the process: the next Shipper over the same
// store must open it too.
var processKey = sync.OnceValue(func() Key {
	secret := make([]byte, KeyBytes)
	_, _ = rand.Read(secret) // never fails
	key, err := NewKey(secret)
	if err != nil { // its length is right
		panic(err)
	}
	return key
})

// ID returns the key's id: 16 hexadecimal digits, which sealed values name it by.
func (k Key) ID() string { return hex.EncodeToString(k.id[:]) }

// String returns the id.
func (k Key) String() string { return k.ID() }

// Format implements [fmt.Formatter]: every verb prints the id.
func (k Key) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, k.ID()) }

// LogValue implements [slog.LogValuer].
func (k Key) LogValue() slog.Value { return slog.StringValue(k.ID()) }

// MarshalText returns the id.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.ID()), nil }

// A sealed value is, in this order: a version, the key's id, a salt, a counter,
// the ciphertext, and the tag. From key and salt comes the key it is sealed
// with. Each process has a salt of its own, and counts, so that no nonce comes
// twice however many events there are.
const (
	sealVersion = 's' // a stored event that is not sealed begins with eventVersion
	saltBytes   = 16
	sealHeader  = 1 + 8 + saltBytes + 8
)

// sealer seals with the first of its keys and opens with all.
type sealer struct {
	keys    []Key
	salt    [saltBytes]byte
	counter atomic.Uint64

	mu   sync.Mutex
	made map[derived]cipher.AEAD
}

type derived struct {
	id   [8]byte
	salt [saltBytes]byte
}

// maxDerived bounds the keys kept: one for each start of a process of which
// there is still a value.
const maxDerived = 256

func newSealer(keys []Key) *sealer {
	s := &sealer{keys: keys, made: map[derived]cipher.AEAD{}}
	_, _ = rand.Read(s.salt[:]) // never fails
	return s
}

// aead returns the key of the salt.
func (s *sealer) aead(key Key, salt [saltBytes]byte) cipher.AEAD {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := derived{key.id, salt}
	if made := s.made[at]; made != nil {
		return made
	}
	secret, err := hkdf.Key(sha256.New, key.secret(), salt[:], "auditlog sealed value", KeyBytes)
	if err != nil { // only for lengths that are wrong
		panic(err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		panic(err)
	}
	made, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	if len(s.made) >= maxDerived {
		clear(s.made)
	}
	s.made[at] = made
	return made
}

// seal appends the sealed value. It opens for the same context only.
func (s *sealer) seal(dst, value []byte, context sealed) []byte {
	key := s.keys[0]
	dst = append(dst, sealVersion)
	dst = append(dst, key.id[:]...)
	dst = append(dst, s.salt[:]...)
	dst = binary.BigEndian.AppendUint64(dst, s.counter.Add(1))
	return s.aead(key, s.salt).Seal(dst, nonce(dst[len(dst)-8:]), value, context.bytes())
}

// open returns the value. Its error is a *KeyError.
func (s *sealer) open(data []byte, context sealed) ([]byte, error) {
	fail := func(key, reason string) ([]byte, error) {
		return nil, &KeyError{Webhook: context.webhook, Field: context.field, KeyID: key, Reason: reason}
	}
	if len(data) < sealHeader || data[0] != sealVersion {
		return fail("", "it is no sealed value of a version that this program reads")
	}
	at := derived{id: [8]byte(data[1:9]), salt: [saltBytes]byte(data[9:])}
	for _, key := range s.keys {
		if key.id != at.id {
			continue
		}
		value, err := s.aead(key, at.salt).Open(nil, nonce(data[sealHeader-8:sealHeader]), data[sealHeader:], context.bytes())
		if err != nil {
			return fail(key.ID(), "it was changed, or moved from another place")
		}
		return value, nil
	}
	return fail(hex.EncodeToString(at.id[:]), "that key is not among those given")
}

func nonce(counter []byte) []byte {
	return append(make([]byte, 4, 12), counter...)
}

// sealed is where a sealed value belongs: the additional data.
type sealed struct{ webhook, field, origin string }

func (c sealed) bytes() []byte {
	dst := appendText(nil, "auditlog")
	dst = appendText(dst, c.webhook)
	dst = appendText(dst, c.field)
	return appendText(dst, c.origin)
}

// KeyError tells of a sealed value that cannot be opened. It never has the
// value.
type KeyError struct {
	Webhook string // the webhook's id, empty for what Seal has sealed
	Field   string // what was sealed: "authorization", "endpoint" or "event", or the purpose
	KeyID   string // the key it names; empty if it names none
	Reason  string
}

// Error names webhook, field and key.
func (e *KeyError) Error() string {
	if e.Webhook == "" {
		return fmt.Sprintf("shipper: cannot open what was sealed with key %q as %q: %s", e.KeyID, e.Field, e.Reason)
	}
	return fmt.Sprintf("shipper: cannot open the %s of webhook %q, sealed with key %q: %s", e.Field, e.Webhook, e.KeyID, e.Reason)
}
