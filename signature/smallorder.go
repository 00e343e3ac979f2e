package signature

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
)

// smallOrder has the encodings, in hexadecimal, of all points whose order divides
// 8, without the bit for the sign of x. For such a key, signatures exist that
// verify for many messages, and that anybody can make. Points whose y is 0 or 1
// are decoded from y plus the field's prime as well.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", // y = 0, order 4
	"0100000000000000000000000000000000000000000000000000000000000000", // y = 1, the neutral element
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = -1, order 2
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = 0 plus the prime
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = 1 plus the prime
}

// checkKey reports why signatures by a key would prove nothing.
func checkKey(public ed25519.PublicKey) error {
	if len(public) != ed25519.PublicKeySize {
		return fmt.Errorf("%d bytes, not %d", len(public), ed25519.PublicKeySize)
	}
	y := slices.Clone(public)
	y[len(y)-1] &= 0x7f
	if slices.Contains(smallOrder, hex.EncodeToString(y)) {
		return errors.New("a point of small order, for which anybody can sign")
	}
	return nil
}
