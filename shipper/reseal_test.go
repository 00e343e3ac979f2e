package shipper_test

import (
	"encoding/base64"
	"encoding/hex"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// requireSealedWith asserts which key a member of the document names.
func (s *setup) requireSealedWith(key shipper.Key, members ...string) {
	s.t.Helper()
	d := s.document(hook)
	for _, member := range members {
		text, _ := d.members[member].(string)
		sealed, err := base64.StdEncoding.DecodeString(text)
		require.NoError(s.t, err)
		require.Equal(s.t, key.ID(), hex.EncodeToString(sealed[1:9]), member)
	}
}

// The first key seals, all open; after Reseal the old one is not needed.
func TestReseal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, refusing(400, "bad")), memory(t)
		old, latest := keyOf(t, "o"), keyOf(t, "n")
		events := func(cfg *shipper.Config) { cfg.SealEvents = true }
		s := start(t, e, st, sealing(old), events)
		s.configure()
		s.requireSealedWith(old, "sealed_endpoint", "sealed_authorization")
		s.record("bad", "good")
		pass(2 * time.Second)
		require.Equal(t, []string{"bad"}, s.letters())
		s.stop()

		s = start(t, e, st, sealing(latest, old), events)
		s.update(webhook.Patch{LogFormat: webhook.Set(webhook.JSON)})
		s.requireSealedWith(latest, "sealed_endpoint", "sealed_authorization")
		s.stop()

		s = start(t, e, st, sealing(old, latest), events)
		require.NoError(t, s.Reseal(t.Context()))
		s.requireSealedWith(old, "sealed_endpoint", "sealed_authorization")
		s.stop()

		s = start(t, e, st, sealing(latest, old), events)
		require.NoError(t, s.Reseal(t.Context()))
		s.stop()

		s = start(t, e, st, sealing(latest), events)
		got, err := s.Get(t.Context(), hook)
		require.NoError(t, err)
		require.Equal(t, authorization, got.Authorization.Reveal())
		require.Equal(t, "https://example.com"+path, got.Endpoint)
		require.Equal(t, []string{"bad"}, s.letters())
	})
}

// What cannot be opened does not keep the rest from being sealed anew.
func TestResealWithoutAKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, nil), memory(t)
		lost, old, latest := keyOf(t, "l"), keyOf(t, "o"), keyOf(t, "n")
		patch := webhook.Patch{Authorization: webhook.Set(webhook.NewSecret(authorization))}
		s := start(t, e, st, sealing(lost))
		for _, id := range []string{"a", "b"} {
			_, err := s.Update(t.Context(), id, patch)
			require.NoError(t, err)
		}
		s.stop()
		s = start(t, e, st, sealing(old))
		s.configure()
		s.stop()

		s = start(t, e, st, sealing(latest, old))
		err := s.Reseal(t.Context())
		var wrong *shipper.KeyError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "a", wrong.Webhook)
		require.Equal(t, lost.ID(), wrong.KeyID)
		require.ErrorContains(t, err, "2 values")
		s.requireSealedWith(latest, "sealed_endpoint", "sealed_authorization")
	})
}

// A document that was stored without a key is sealed when there is one.
func TestResealOpen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, st := newEndpoint(t, nil), disk(t, t.TempDir())
		s := start(t, e, st)
		s.update(webhook.Patch{Endpoint: webhook.Set("https://example.com" + path)})
		s.stop()
		s = start(t, e, st, sealing(keyOf(t, "k")))
		require.NoError(t, s.Reseal(t.Context()))
		s.requireSealedWith(keyOf(t, "k"), "sealed_endpoint")
		require.NotContains(t, string(s.document(hook).doc.Value), path)
		got, err := s.Get(t.Context(), hook)
		require.NoError(t, err)
		require.Equal(t, "https://example.com"+path, got.Endpoint)
	})
}

// Reseal is no change: a webhook that is held stays so, with its suspects, and
// an attempt under way goes on.
func TestResealDisturbsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, refusing(400, "bad")))
		s.record("bad")
		pass(2 * time.Second)
		before := s.report()
		require.Equal(t, 1, before.Suspects)
		require.NotZero(t, before.HeldSince)
		require.NoError(t, s.Reseal(t.Context()))
		synctest.Wait()
		require.Equal(t, before, s.report())
		s.record("good")
		pass(20 * time.Second)
		require.Equal(t, []string{"bad"}, s.letters())

		s.endpoint.set(always(hang))
		s.record("1")
		pass(5 * time.Second)
		n := len(s.endpoint.received())
		require.NoError(t, s.Reseal(t.Context()))
		pass(5 * time.Second)
		require.Len(t, s.endpoint.received(), n)
	})
}

// Reseal and Update at the same time lose no change.
func TestResealBesideUpdates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSetup(t, newEndpoint(t, nil))
		var wg sync.WaitGroup
		wg.Go(func() {
			for range 200 {
				if err := s.Reseal(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		for i := range 200 {
			format := []webhook.LogFormat{webhook.CEF, webhook.JSON}[i%2]
			require.Equal(t, format, s.update(webhook.Patch{LogFormat: webhook.Set(format)}).LogFormat)
			got, err := s.Get(t.Context(), hook)
			require.NoError(t, err)
			require.Equal(t, format, got.LogFormat)
		}
		wg.Wait()
	})
}

// Documents that are not dead letters, though their names begin alike, are left
// alone.
func TestResealStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := bare(t, newEndpoint(t, nil))
		for _, key := range []string{"dead/", "dead/x", "dead/x/y", "dead/-1/y", "dead/9/short", "dead/1/a/l"} {
			_, err := s.store.Put(t.Context(), key, []byte("{}\nany"), 0)
			require.NoError(t, err, key)
		}
		_, err := s.store.Put(t.Context(), "dead/1/b/l", []byte("{}\nsealed?"), 0)
		require.NoError(t, err)
		err = s.Reseal(t.Context())
		var wrong *shipper.KeyError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, "b", wrong.Webhook)
	})
}
