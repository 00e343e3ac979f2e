package signature_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// remoteKey is a key that is somewhere else, and fails after a number of uses.
type remoteKey struct {
	ed25519.PrivateKey

	left int
}

var errKeyGone = errors.New("the key is gone")

func (k *remoteKey) Sign(random io.Reader, message []byte, options crypto.SignerOpts) ([]byte, error) {
	if k.left--; k.left < 0 {
		return nil, errKeyGone
	}
	return k.PrivateKey.Sign(random, message, options)
}

func TestSignerOfAnotherKind(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s, err := signature.NewSigner(&remoteKey{private, 2})
	require.NoError(t, err)
	line, err := s.Append(nil, []byte(`{"a":1}`))
	require.NoError(t, err)
	keys, err := s.Keys(t.Context(), time.Time{})
	require.NoError(t, err)
	require.Equal(t, signature.Valid, keys.Verify(line).Outcome)

	line, err = s.Append([]byte("before"), []byte(`{"a":1}`))
	require.ErrorIs(t, err, errKeyGone)
	require.Equal(t, "before", string(line))
	_, err = s.SignBatch("id", time.Unix(1, 0), nil)
	require.ErrorIs(t, err, errKeyGone)
}

func TestNewSignerRefuses(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, other, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	halves := slices.Concat(private[:32], other[32:])
	elsewhere, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	smallOrder := slices.Concat(private[:32], make([]byte, 32))
	for _, test := range []struct {
		name string
		key  crypto.Signer
		want string
	}{
		{"nothing", nil, "signature: no private key"},
		{"an empty key", ed25519.PrivateKey(nil), "signature: the private key has 0 bytes, not 64"},
		{"half a key", private[:32], "signature: the private key has 32 bytes, not 64"},
		{"halves of two keys", halves, "signature: the public key does not belong to the private key"},
		{"a public key of small order", smallOrder, "signature: key 0: a point of small order, for which anybody can sign"},
		{"another algorithm", elsewhere, "signature: not an Ed25519 key"},
		{"a key that does not sign", &remoteKey{private, 0}, "signature: the key does not sign: the key is gone"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := signature.NewSigner(test.key)
			require.EqualError(t, err, test.want)
		})
	}
}

func TestAppendWhereTheEntryStands(t *testing.T) {
	t.Parallel()
	s, keys := signer(t, "first"), published(t)
	for _, entry := range []string{cefHeader + "a=b", `{"a":1}`, `{"event":{"a":1}}`} {
		apart, err := s.Append(nil, []byte(entry))
		require.NoError(t, err)
		for _, room := range []int{0, 1, 64, 256} {
			buffer := append(make([]byte, 0, len("before ")+len(entry)+room), "before "+entry...)
			n := len("before ")
			buffer, err = s.Append(buffer[:n], buffer[n:])
			require.NoError(t, err)
			require.Equal(t, "before "+string(apart), string(buffer))
			require.Equal(t, signature.Valid, keys.Verify(buffer[n:]).Outcome)
		}
	}
}

// A bit flipped anywhere in a signed line never leaves it valid.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	s, keys := signer(t, "first"), published(t)
	for _, entry := range []string{cefHeader + "a=b", `{"a":1}`, `{"event":{"a":1}}`} {
		line, err := s.Append(nil, []byte(entry))
		require.NoError(t, err)
		for i := range 8 * len(line) {
			line[i/8] ^= 1 << (i % 8)
			require.NotEqual(t, signature.Valid, keys.Verify(line).Outcome, "%q", line)
			line[i/8] ^= 1 << (i % 8)
		}
		require.Equal(t, signature.Valid, keys.Verify(line).Outcome)
	}
}

// Nothing that prints or marshals shows the private key.
func TestSignerIsRedacted(t *testing.T) {
	t.Parallel()
	seed := bytes.Repeat([]byte("secret42"), 4)
	private := ed25519.NewKeyFromSeed(seed)
	s, err := signature.NewSigner(private)
	require.NoError(t, err)
	ring, err := signature.NewRing(signature.RingConfig{Signer: s})
	require.NoError(t, err)
	hidden := struct {
		signer *signature.Signer
		value  signature.Signer
		config signature.RingConfig
	}{s, *s, signature.RingConfig{Signer: s}}

	var texts []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{s, *s, ring, signature.RingConfig{Signer: s}, hidden, &hidden, []*signature.Signer{s}, []any{s, hidden}} {
			texts = append(texts, fmt.Sprintf(verb, value))
		}
	}
	for _, value := range []any{s, *s, map[string]any{"s": s}} {
		text, err := json.Marshal(value)
		require.NoError(t, err)
		texts = append(texts, string(text))
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "signer", s, "value", *s, "hidden", hidden)
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "signer", s, "value", *s, "nested", map[string]any{"s": s})
	texts = append(texts, logged.String(), s.String())

	secret := private.Seed()
	decimal := strings.Trim(fmt.Sprintf("%d", secret[:8]), "[]")
	for _, text := range texts {
		require.NotContains(t, text, "secret42")
		require.NotContains(t, strings.ToLower(text), hex.EncodeToString(secret[:8]))
		require.NotContains(t, text, decimal)
	}
	require.Equal(t, "signature.Signer("+s.KeyID()+")", fmt.Sprintf("%+v", s))
	require.Contains(t, logged.String(), s.KeyID())
}
