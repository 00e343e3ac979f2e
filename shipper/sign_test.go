package shipper_test

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func newSigner(t *testing.T) *signature.Signer {
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s, err := signature.NewSigner(private)
	require.NoError(t, err)
	return s
}

// Lines are signed when they are sent, in each format, with the key whose turn it
// is; a signature that an event has already is kept, and tests are signed too.
func TestSigner(t *testing.T) {
	t.Parallel()
	for _, format := range []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS} {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ring, err := signature.NewRing(signature.RingConfig{Signer: newSigner(t)})
				require.NoError(t, err)
				s := newSetup(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.Signer = ring })
				s.update(webhook.Patch{LogFormat: webhook.Set(format)})
				s.record(numbered(3)...)
				pass(time.Second)
				require.NoError(t, ring.Rotate(newSigner(t), time.Time{}))
				s.record(numbered(3)...)
				signed := events("kept")[0]
				signed.Attributes = append(signed.Attributes, auditlog.String("sig", strings.Repeat("A", 86)))
				require.NoError(t, s.Record(t.Context(), hook, signed))
				pass(time.Second)
				_, err = s.Test(t.Context(), hook)
				require.NoError(t, err)

				keys, err := ring.Keys(t.Context(), time.Time{})
				require.NoError(t, err)
				var outcomes []signature.Outcome
				ids := map[string]bool{}
				for _, r := range s.endpoint.received() {
					for _, line := range r.lines {
						result := keys.Verify([]byte(line))
						outcomes = append(outcomes, result.Outcome)
						ids[result.KeyID] = true
					}
				}
				valid := signature.Valid
				require.Equal(t, []signature.Outcome{valid, valid, valid, valid, valid, valid, signature.Invalid, valid}, outcomes)
				require.Len(t, ids, 3) // two keys, and none
			})
		})
	}
}

// A line that can never be signed is set aside; the others are sent.
func TestUnsignable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.Signer = newSigner(t) })
		all := events(numbered(5)...)
		all[2].Prefix = " begins with a space "
		require.NoError(t, s.Record(t.Context(), hook, all...))
		pass(2 * time.Second)
		require.Equal(t, []string{"0", "1", "3", "4"}, s.endpoint.names())
		require.Equal(t, []string{"2"}, s.letters())
	})
}

// failingSigner fails until it is repaired.
type failingSigner struct {
	*signature.Signer
	repaired atomic.Bool
}

func (f *failingSigner) Append(dst, line []byte) ([]byte, error) {
	if !f.repaired.Load() {
		return nil, errors.New("the key is out of reach")
	}
	return f.Signer.Append(dst, line)
}

// While lines cannot be signed nothing is sent, and nothing is lost.
func TestSignerFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signer := &failingSigner{Signer: newSigner(t)}
		s := newSetup(t, newEndpoint(t, nil), func(cfg *shipper.Config) { cfg.Signer = signer })
		s.record(numbered(5)...)
		pass(time.Minute)
		require.Empty(t, s.endpoint.received())
		require.Contains(t, s.report().HeldReason, "out of reach")
		_, err := s.Test(t.Context(), hook)
		require.ErrorContains(t, err, "out of reach")
		signer.repaired.Store(true)
		pass(5 * time.Minute)
		require.Equal(t, numbered(5), s.endpoint.names())
		require.Empty(t, s.letters())
	})
}
