package signature

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Signer signs lines and batches with one key. It is safe for concurrent use if
// its key is. It prints, logs and marshals as its key's id.
type Signer struct {
	// A closure: fmt prints unexported fields by reflection, but cannot look
	// into a function.
	sign func(message []byte) ([]byte, error)

	public ed25519.PublicKey
	id     string
	keys   KeySet
}

// NewSigner returns a Signer for an [ed25519.PrivateKey], or for any other
// signer with an Ed25519 key, such as one in a key management service. It signs
// a constant text, no entry, and verifies it, to see that the key's halves
// belong together. No error holds anything of the private key.
func NewSigner(private crypto.Signer) (*Signer, error) {
	if private == nil {
		return nil, errors.New("signature: no private key")
	}
	if k, ok := private.(ed25519.PrivateKey); ok && len(k) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("signature: the private key has %d bytes, not %d", len(k), ed25519.PrivateKeySize)
	}
	public, ok := private.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("signature: not an Ed25519 key")
	}
	keys, err := NewKeySet(public)
	if err != nil {
		return nil, err
	}
	s := &Signer{
		sign: func(message []byte) ([]byte, error) {
			return private.Sign(rand.Reader, message, crypto.Hash(0))
		},
		public: keys.keys[0].public,
		id:     keys.keys[0].id,
		keys:   keys,
	}
	probe := []byte("auditlog signature probe")
	if made, err := s.sign(probe); err != nil {
		return nil, fmt.Errorf("signature: the key does not sign: %w", err)
	} else if !ed25519.Verify(s.public, probe, made) {
		return nil, errors.New("signature: the public key does not belong to the private key")
	}
	return s, nil
}

// Append appends the entry with its signature to dst: behind a space in CEF,
// and as the last member of the object in JSON, of the inner object in CPS. The
// entry has no line break. It may be what follows dst in its memory, so that a
// line can be signed where it stands:
//
//	line, err = signer.Append(line[:0], line)
//
// Append signs what [Split] finds to be unsigned, and no empty object. Anything
// else is an error, a [*SyntaxError] where a verifier would refuse it, and dst
// is returned as it was. What Append returns, Split takes apart into the entry
// (its inner object in CPS) and the signature.
func (s *Signer) Append(dst, entry []byte) ([]byte, error) {
	p, err := split(entry)
	switch {
	case err != nil:
		return dst, err
	case p.signed:
		return dst, errors.New("signature: the entry is signed already")
	case p.empty:
		return dst, errors.New("signature: an object without members cannot be signed")
	}
	made, err := s.sign(p.head)
	if err != nil {
		return dst, fmt.Errorf("signature: %w", err)
	}
	dst = append(dst, entry[:len(entry)-len(p.closing)]...)
	if p.closing == "" {
		return base64url.AppendEncode(append(dst, cefOpen...), made), nil
	}
	dst = base64url.AppendEncode(append(dst, ","+sigOpen...), made)
	return append(append(dst, sigClose...), p.closing...), nil
}

// Public returns the public key.
func (s *Signer) Public() ed25519.PublicKey { return bytes.Clone(s.public) }

// KeyID returns the id of the key: see [KeyID].
func (s *Signer) KeyID() string { return s.id }

// Keys returns the set of its public key alone, which makes it a [Source].
func (s *Signer) Keys(context.Context, time.Time) (KeySet, error) { return s.keys, nil }

// String returns the id of the key.
func (s *Signer) String() string { return "signature.Signer(" + s.id + ")" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (s *Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue implements [slog.LogValuer].
func (s *Signer) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (s *Signer) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var (
	_ fmt.Formatter          = (*Signer)(nil)
	_ slog.LogValuer         = (*Signer)(nil)
	_ encoding.TextMarshaler = (*Signer)(nil)
)
