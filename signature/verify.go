package signature

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Verify verifies the signature of a line, with or without its line break. It
// takes time linear in the length of the line, and up to [MaxKeys] times that of
// one signature.
func (s KeySet) Verify(line []byte) Result {
	p, err := split(trim(line))
	switch {
	case err != nil:
		return Result{Outcome: Refused, Err: err}
	case !p.signed:
		return Result{Outcome: Unsigned, Err: errUnsigned, Payload: p.payload()}
	}
	payload := p.payload()
	if k, ok := s.find(payload, p.signature[:]); ok {
		return Result{Outcome: Valid, KeyID: k.id, Payload: payload}
	}
	return Result{Outcome: Invalid, Err: errInvalid, Payload: payload}
}

// Source has the keys to verify with: a [KeySet], a [Remote], a [Ring] or a
// [Signer].
type Source interface {
	// Keys returns the keys as they were at the time since or later; the zero
	// time asks for those at hand. With an error that wraps [ErrNoFreshKeys]
	// come the keys at hand, which may be none: signatures that they verify are
	// valid, those that they do not may be so by newer ones.
	Keys(ctx context.Context, since time.Time) (KeySet, error)
}

var (
	_ Source = KeySet{}
	_ Source = (*Remote)(nil)
	_ Source = (*Ring)(nil)
	_ Source = (*Signer)(nil)
)

// ErrNoFreshKeys tells that keys as new as were asked for cannot be had now. What
// wraps it may wrap the failure to fetch them as well.
var ErrNoFreshKeys = errors.New("signature: no fresh keys")

// Verify verifies the signature of a line that was received at the given time,
// by the clock of the source. If the keys at hand do not verify it, the source
// is asked for those of that time or later: the sender may have a new one.
//
// An error tells that there were none. The outcome is then what the keys at
// hand say, and [Invalid] may become [Valid] when the line is verified again
// later. It wraps [ErrNoFreshKeys] or the cause of ctx.
func Verify(ctx context.Context, source Source, line []byte, received time.Time) (Result, error) {
	return verify(ctx, source, received, func(s KeySet) Result { return s.Verify(line) })
}

// VerifyBatch is [KeySet.VerifyBatch] with the keys of a source, at the time
// received. It does with them what [Verify] does.
func VerifyBatch(ctx context.Context, source Source, header http.Header, body []byte, received time.Time, tolerance time.Duration) (Result, error) {
	return verify(ctx, source, received, func(s KeySet) Result {
		return s.VerifyBatch(header, body, received, tolerance)
	})
}

func verify(ctx context.Context, source Source, received time.Time, try func(KeySet) Result) (Result, error) {
	keys, err := source.Keys(ctx, time.Time{})
	result := try(keys)
	if result.Outcome != Invalid {
		return result, nil // no key was needed, or there was one
	}
	if err != nil {
		return result, err
	}
	fresh, err := source.Keys(ctx, received)
	if fresh.last == keys.last {
		return result, err // the same set
	}
	return try(fresh), err
}
