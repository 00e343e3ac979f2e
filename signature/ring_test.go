package signature_test

import (
	"crypto/ed25519"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock {
	return &clock{now: time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)}
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newSigner(t testing.TB) *signature.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	s, err := signature.NewSigner(private)
	require.NoError(t, err)
	return s
}

// ids returns the ids of the keys of a source.
func ids(t testing.TB, source signature.Source) []string {
	t.Helper()
	keys, err := source.Keys(t.Context(), time.Time{})
	require.NoError(t, err)
	return keys.IDs()
}

func TestRing(t *testing.T) {
	t.Parallel()
	clock := newClock()
	a, b, c := newSigner(t), newSigner(t), newSigner(t)
	ring, err := signature.NewRing(signature.RingConfig{Signer: a, Retention: time.Hour, Now: clock.Now})
	require.NoError(t, err)
	require.Same(t, a, ring.Signer())
	require.Equal(t, []string{a.KeyID()}, ids(t, ring))
	require.Empty(t, ring.Retired())

	// The next key is published before it signs.
	start := clock.Now().Add(10 * time.Minute)
	require.NoError(t, ring.Rotate(b, start))
	require.Same(t, a, ring.Signer())
	require.Equal(t, []string{a.KeyID(), b.KeyID()}, ids(t, ring))
	require.Empty(t, ring.Retired())

	// Its turn comes by the time, whenever the ring is asked.
	clock.add(30 * time.Minute)
	require.Same(t, b, ring.Signer())
	require.ElementsMatch(t, []string{a.KeyID(), b.KeyID()}, ids(t, ring))
	require.Equal(t, []signature.RetiredKey{{Public: a.Public(), Until: start.Add(time.Hour)}}, ring.Retired())

	// At once, as the start is past.
	require.NoError(t, ring.Rotate(c, time.Time{}))
	require.Same(t, c, ring.Signer())
	require.ElementsMatch(t, []string{a.KeyID(), b.KeyID(), c.KeyID()}, ids(t, ring))

	// The first is retired since twenty minutes, the second since none.
	clock.add(40*time.Minute - 1)
	require.Len(t, ids(t, ring), 3)
	clock.add(1)
	require.ElementsMatch(t, []string{b.KeyID(), c.KeyID()}, ids(t, ring))
	clock.add(20 * time.Minute)
	require.Equal(t, []string{c.KeyID()}, ids(t, ring))
	require.Empty(t, ring.Retired())
}

// What was signed at any time verifies with the keys that the ring publishes
// after the retention.
func TestRingSigns(t *testing.T) {
	t.Parallel()
	clock := newClock()
	ring, err := signature.NewRing(signature.RingConfig{Signer: newSigner(t), Now: clock.Now})
	require.NoError(t, err)
	body := []byte("body")
	for range 5 {
		require.NoError(t, ring.Rotate(newSigner(t), clock.Now().Add(time.Minute)))
		for range 2 {
			line, err := ring.Append(nil, []byte(`{"a":1}`))
			require.NoError(t, err)
			value, err := ring.SignBatch("id", clock.Now(), body)
			require.NoError(t, err)
			keys, err := ring.Keys(t.Context(), clock.Now())
			require.NoError(t, err)
			require.Equal(t, signature.Valid, keys.Verify(line).Outcome)
			require.Equal(t, signature.Valid, keys.VerifyBatch(signedBatch("id", clock.Now(), value), body, clock.Now(), 0).Outcome)
			require.Equal(t, ring.Signer().KeyID(), keys.Verify(line).KeyID)
			clock.add(time.Minute)
		}
	}
	require.Len(t, ids(t, ring), 6)
}

func TestRingAfterRestart(t *testing.T) {
	t.Parallel()
	clock := newClock()
	a, b := newSigner(t), newSigner(t)
	before, err := signature.NewRing(signature.RingConfig{Signer: a, Now: clock.Now})
	require.NoError(t, err)
	require.NoError(t, before.Rotate(b, clock.Now()))

	stored, err := json.Marshal(before.Retired())
	require.NoError(t, err)
	var retired []signature.RetiredKey
	require.NoError(t, json.Unmarshal(stored, &retired))
	after, err := signature.NewRing(signature.RingConfig{Signer: b, Retired: retired, Now: clock.Now})
	require.NoError(t, err)
	require.ElementsMatch(t, ids(t, before), ids(t, after))

	clock.add(signature.DefaultRetention)
	require.Equal(t, []string{b.KeyID()}, ids(t, after))
	expired, err := signature.NewRing(signature.RingConfig{Signer: b, Retired: retired, Now: clock.Now})
	require.NoError(t, err)
	require.Equal(t, []string{b.KeyID()}, ids(t, expired))
}

func TestRingReplacesTheNextKey(t *testing.T) {
	t.Parallel()
	clock := newClock()
	a, b, c := newSigner(t), newSigner(t), newSigner(t)
	ring, err := signature.NewRing(signature.RingConfig{Signer: a, Now: clock.Now})
	require.NoError(t, err)
	require.NoError(t, ring.Rotate(b, clock.Now().Add(time.Minute)))
	require.NoError(t, ring.Rotate(c, clock.Now().Add(time.Minute)))
	require.Equal(t, []string{a.KeyID(), c.KeyID()}, ids(t, ring))
	clock.add(time.Hour)
	require.Same(t, c, ring.Signer())
}

// A key that comes back is published once, and longer than it was retired for.
func TestRingTakesAKeyBack(t *testing.T) {
	t.Parallel()
	clock := newClock()
	a, b := newSigner(t), newSigner(t)
	ring, err := signature.NewRing(signature.RingConfig{Signer: a, Retention: time.Hour, Now: clock.Now})
	require.NoError(t, err)
	require.NoError(t, ring.Rotate(b, clock.Now()))
	require.NoError(t, ring.Rotate(a, clock.Now()))
	require.ElementsMatch(t, []string{a.KeyID(), b.KeyID()}, ids(t, ring))
	clock.add(time.Hour)
	require.Same(t, a, ring.Signer())
	require.Equal(t, []string{a.KeyID()}, ids(t, ring))
}

func TestRingIsFull(t *testing.T) {
	t.Parallel()
	clock := newClock()
	ring, err := signature.NewRing(signature.RingConfig{Signer: newSigner(t), Retention: time.Hour, Now: clock.Now})
	require.NoError(t, err)
	for range signature.MaxKeys - 1 {
		require.NoError(t, ring.Rotate(newSigner(t), clock.Now()))
	}
	before := ring.Signer()
	err = ring.Rotate(newSigner(t), clock.Now())
	require.EqualError(t, err, "signature: 17 keys, more than 16")
	require.Same(t, before, ring.Signer())
	require.Len(t, ids(t, ring), signature.MaxKeys)
	clock.add(time.Hour)
	require.NoError(t, ring.Rotate(newSigner(t), clock.Now()))
}

func TestNewRingRefuses(t *testing.T) {
	t.Parallel()
	_, err := signature.NewRing(signature.RingConfig{})
	require.EqualError(t, err, "signature: Signer: is required")
	s := newSigner(t)
	_, err = signature.NewRing(signature.RingConfig{Signer: s, Retention: -1})
	require.EqualError(t, err, "signature: Retention: is negative")
	_, err = signature.NewRing(signature.RingConfig{Signer: s, Retired: []signature.RetiredKey{{Public: make([]byte, 32), Until: time.Now().Add(time.Hour)}}})
	require.EqualError(t, err, "signature: key 1: a point of small order, for which anybody can sign")
	ring, err := signature.NewRing(signature.RingConfig{Signer: s})
	require.NoError(t, err)
	require.EqualError(t, ring.Rotate(nil, time.Time{}), "signature: no signer to rotate to")
}

func TestRingIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	ring, err := signature.NewRing(signature.RingConfig{Signer: newSigner(t)})
	require.NoError(t, err)
	next := []*signature.Signer{newSigner(t), newSigner(t), newSigner(t)}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 32 {
				line, err := ring.Append(nil, []byte(`{"a":1}`))
				keys, _ := ring.Keys(t.Context(), time.Time{})
				if err != nil || keys.Verify(line).Outcome != signature.Valid {
					t.Error("not signed by a published key", err)
				}
			}
		})
	}
	for _, s := range next {
		require.NoError(t, ring.Rotate(s, time.Time{}))
		ring.Retired()
	}
	group.Wait()
}
