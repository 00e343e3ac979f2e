package signature_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

func TestNewKeySet(t *testing.T) {
	t.Parallel()
	first, second := signer(t, "first"), signer(t, "second")
	set, err := signature.NewKeySet(first.Public(), second.Public(), first.Public())
	require.NoError(t, err)
	require.Equal(t, []string{first.KeyID(), second.KeyID()}, set.IDs())

	_, err = signature.NewKeySet(first.Public(), make(ed25519.PublicKey, 31))
	require.EqualError(t, err, "signature: key 1: 31 bytes, not 32")
	_, err = signature.NewKeySet(first.Public(), second.Public(), make(ed25519.PublicKey, 32))
	require.EqualError(t, err, "signature: key 2: a point of small order, for which anybody can sign")
	_, err = signature.NewKeySet(slices.Repeat([]ed25519.PublicKey{first.Public()}, signature.MaxKeys+1)...)
	require.EqualError(t, err, "signature: 17 keys, more than 16")

	same, err := set.Keys(t.Context(), time.Now())
	require.NoError(t, err)
	require.Equal(t, set.IDs(), same.IDs())
}

// A set does not change with the slice it was made of.
func TestKeySetHasItsOwnKeys(t *testing.T) {
	t.Parallel()
	s := signer(t, "first")
	public := slices.Clone(s.Public())
	set, err := signature.NewKeySet(public)
	require.NoError(t, err)
	clear(public)
	line, err := s.Append(nil, []byte(`{"a":1}`))
	require.NoError(t, err)
	require.Equal(t, signature.Valid, set.Verify(line).Outcome)
}

func TestZeroKeySet(t *testing.T) {
	t.Parallel()
	var set signature.KeySet
	line, err := signer(t, "first").Append(nil, []byte(`{"a":1}`))
	require.NoError(t, err)
	require.Equal(t, signature.Invalid, set.Verify(line).Outcome)
	require.Empty(t, set.IDs())
	document, err := json.Marshal(set)
	require.NoError(t, err)
	require.JSONEq(t, `{"keys":[]}`, string(document))
}

// The members are those of Konnect, in its order.
func TestMarshalKeySet(t *testing.T) {
	t.Parallel()
	const konnects = `{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"3f60bc4376c937154f3c004ebd180433ac0d03e6","crv":"Ed25519","x":"XWxGtApfcqmKI7p0OKnF5JSEWMVoLsytFXLEP7xZ_l8"}]}`
	set, err := signature.ParseKeySet([]byte(konnects))
	require.NoError(t, err)
	document, err := json.Marshal(set)
	require.NoError(t, err)
	require.Equal(t, konnects, string(document))
}

// RFC 8037, appendix A.3.
func TestKeyID(t *testing.T) {
	t.Parallel()
	public, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	require.NoError(t, err)
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", signature.KeyID(public))
}

// Whoever verifies, in whatever order lines of different keys come, has the same
// outcome.
func TestKeySetIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	keys := published(t)
	var lines [][]byte
	want := []signature.Outcome{signature.Valid, signature.Valid, signature.Invalid}
	for _, name := range []string{"first", "second", "unpublished"} {
		line, err := signer(t, name).Append(nil, []byte(`{"a":1}`))
		require.NoError(t, err)
		lines = append(lines, line)
	}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 64 {
				n := (i*worker + i) % len(lines)
				if got := keys.Verify(lines[n]).Outcome; got != want[n] {
					t.Errorf("line %d is %s", n, got)
				}
			}
		})
	}
	group.Wait()
}

// For a key of small order one signature verifies for every message, by the
// standard library as well.
func TestSmallOrderKeysVerifyAnything(t *testing.T) {
	t.Parallel()
	neutral := append([]byte{1}, make([]byte, 31)...)
	forged := append(slices.Clone(neutral), make([]byte, 32)...)
	for _, message := range []string{"", "granted=true", "granted=false"} {
		require.True(t, ed25519.Verify(neutral, []byte(message), forged))
	}
	_, err := signature.NewKeySet(neutral)
	require.Error(t, err)
}

// Every encoding of a point whose order divides 8 is refused. The points are
// computed: there are eight, and each has one encoding more for each sum of its
// y and the field's prime below 2^255, and for the sign of an x that is zero.
func TestSmallOrderKeysAreRefused(t *testing.T) {
	t.Parallel()
	encodings := 0
	for _, y := range smallOrderYs(t) {
		for ; y.BitLen() <= 255; y = new(big.Int).Add(y, prime) {
			encoded := y.FillBytes(make([]byte, ed25519.PublicKeySize))
			slices.Reverse(encoded)
			for _, sign := range []byte{0, 0x80} {
				encoded[31] = encoded[31]&0x7f | sign
				_, err := signature.NewKeySet(encoded)
				require.Error(t, err, hex.EncodeToString(encoded))
				encodings++
			}
		}
	}
	require.Equal(t, 14, encodings)
}

var prime = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))

// smallOrderYs returns the y of the points whose order divides 8. On the curve
// -x² + y² = 1 + dx²y² those are the neutral element (0, 1), (0, -1) of order 2,
// the two with y = 0 of order 4, and four of order 8: the double of one of them
// has y = 0, so that y² = -x², and with the curve's equation dy⁴ + 2y² - 1 = 0.
func smallOrderYs(t *testing.T) []*big.Int {
	t.Helper()
	mod := func(n *big.Int) *big.Int { return n.Mod(n, prime) }
	inverse := new(big.Int).ModInverse(big.NewInt(121666), prime)
	d := mod(new(big.Int).Mul(big.NewInt(-121665), inverse))
	root := new(big.Int).ModSqrt(mod(new(big.Int).Add(d, big.NewInt(1))), prime)
	require.NotNil(t, root)

	ys := []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(prime, big.NewInt(1))}
	for _, r := range []*big.Int{root, new(big.Int).Neg(root)} {
		// y² = (-1 ± √(1 + d)) / d
		square := mod(new(big.Int).Mul(new(big.Int).Sub(r, big.NewInt(1)), new(big.Int).ModInverse(d, prime)))
		if y := new(big.Int).ModSqrt(square, prime); y != nil {
			ys = append(ys, y, mod(new(big.Int).Neg(y)))
		}
	}
	require.Len(t, ys, 5)
	return ys
}
