package signature_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// A source is asked for newer keys when those at hand do not verify a line, and
// only then.
func TestVerifyAsksForFreshKeys(t *testing.T) {
	t.Parallel()
	first, second := signer(t, "first"), signer(t, "second")
	sign := func(s *signature.Signer) []byte {
		line, err := s.Append(nil, []byte(`{"a":1}`))
		require.NoError(t, err)
		return line
	}
	set := func(signers ...*signature.Signer) signature.KeySet {
		var keys signature.KeySet
		for _, s := range signers {
			var err error
			keys, err = s.Keys(t.Context(), time.Time{})
			require.NoError(t, err)
		}
		return keys
	}
	received := time.Unix(1750280466, 0)
	const none = "signature: no fresh keys"
	for _, test := range []struct {
		name          string
		line          []byte
		hand, fresh   signature.KeySet
		handErr, lack error
		outcome       signature.Outcome
		asked         int
		err           string
	}{
		{"valid", sign(first), set(first), set(), nil, nil, signature.Valid, 1, ""},
		{"valid by a new key", sign(second), set(first), set(second), nil, nil, signature.Valid, 2, ""},
		{"invalid", sign(second), set(first), set(first), nil, nil, signature.Invalid, 2, ""},
		{"invalid, the keys are new", sign(signer(t, "unpublished")), set(first), set(second), nil, nil, signature.Invalid, 2, ""},
		{"no fresh keys", sign(second), set(first), set(first), nil, signature.ErrNoFreshKeys, signature.Invalid, 2, none},
		{"no keys at all", sign(second), set(), set(), signature.ErrNoFreshKeys, nil, signature.Invalid, 1, none},
		{"unsigned, and no keys", []byte(`{"a":1}`), set(), set(), signature.ErrNoFreshKeys, nil, signature.Unsigned, 1, ""},
		{"refused, and no keys", []byte(`{`), set(), set(), signature.ErrNoFreshKeys, nil, signature.Refused, 1, ""},
		{"valid by stale keys", sign(first), set(first), set(), signature.ErrNoFreshKeys, nil, signature.Valid, 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			source := sourceFunc(func(since time.Time) (signature.KeySet, error) {
				asked++
				if since.IsZero() {
					return test.hand, test.handErr
				}
				require.Equal(t, received, since)
				return test.fresh, test.lack
			})
			result, err := signature.Verify(t.Context(), source, test.line, received)
			require.Equal(t, test.outcome, result.Outcome)
			require.Equal(t, test.asked, asked)
			if test.err != "" {
				require.ErrorIs(t, err, signature.ErrNoFreshKeys)
				require.EqualError(t, err, test.err)
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestVerifyBatchAsksForFreshKeys(t *testing.T) {
	t.Parallel()
	first, second := signer(t, "first"), signer(t, "second")
	at := time.Unix(1750280466, 0)
	body := []byte("body")
	value, err := second.SignBatch("id", at, body)
	require.NoError(t, err)
	source := sourceFunc(func(since time.Time) (signature.KeySet, error) {
		if since.IsZero() {
			return first.Keys(t.Context(), since)
		}
		return second.Keys(t.Context(), since)
	})
	h := signedBatch("id", at, value)
	result, err := signature.VerifyBatch(t.Context(), source, h, body, at.Add(time.Minute), signature.DefaultTolerance)
	require.NoError(t, err)
	require.Equal(t, signature.Result{Outcome: signature.Valid, KeyID: second.KeyID(), Payload: body}, result)

	result, err = signature.VerifyBatch(t.Context(), source, h, body, at.Add(time.Hour), signature.DefaultTolerance)
	require.NoError(t, err)
	require.Equal(t, signature.Refused, result.Outcome)
	require.EqualError(t, result.Err, "the batch is too old")
}
