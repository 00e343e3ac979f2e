package receiver

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

var errNoKeys = errors.New("there are no keys for this vendor and product")

// keysOf returns the keys for lines of the product, nil if there are none.
func (s *Sender) keysOf(vendor, product string) signature.Source {
	keys := s.Keys
	for _, p := range s.Products {
		if p.Vendor != vendor {
			continue
		}
		if p.Product == product {
			return p.Keys
		}
		if p.Product == "" {
			keys = p.Keys
		}
	}
	return keys
}

// payloadFormat returns the format of what is signed in a line: the object in a
// line of CPS is a line of JSON.
func payloadFormat(line auditlog.Format) auditlog.Format {
	if line == auditlog.CPS {
		return auditlog.JSON
	}
	return line
}

// verify verifies the signature of the line and sets what follows from it. The
// error is as that of examine.
func (h *Handler) verify(ctx context.Context, keys signature.Source, received time.Time, l *Line) error {
	missing := keys == nil
	if missing {
		keys = signature.KeySet{}
	}
	result, err := signature.Verify(ctx, keys, l.Raw, received)
	required := h.config.Verify == VerifyRequire
	if err != nil && required {
		return &refusal{status: http.StatusServiceUnavailable, reason: "keys to verify signatures with cannot be had now", err: err}
	}
	l.Outcome, l.KeyID, l.Err = result.Outcome, result.KeyID, result.Err
	l.Payload, l.Format = result.Payload, payloadFormat(l.Format)
	switch {
	case result.Outcome != signature.Invalid:
	case missing:
		l.Err = errNoKeys
	case err != nil:
		l.Err = err
	}
	if result.Outcome == signature.Refused || required && result.Outcome != signature.Valid {
		return l.Err
	}
	return nil
}

// verifyBatch verifies the signature of a batch.
func (h *Handler) verifyBatch(ctx context.Context, s *Sender, header http.Header, body []byte, received time.Time) (signature.Outcome, *refusal) {
	if h.config.VerifyBatches == VerifyOff {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, h.config.Limits.HandOverTime)
	defer cancel()
	result, err := signature.VerifyBatch(ctx, s.Keys, header, body, received, h.config.Tolerance)
	if h.config.VerifyBatches == VerifyAnnotate {
		return result.Outcome, nil
	}
	if err != nil {
		return "", &refusal{status: http.StatusServiceUnavailable, reason: "keys to verify signatures with cannot be had now", err: err}
	}
	if result.Outcome != signature.Valid {
		return result.Outcome, &refusal{status: http.StatusForbidden, reason: "the signature of the batch is " + string(result.Outcome), err: result.Err}
	}
	return result.Outcome, nil
}

// examineAll examines the lines, on all processors where there are signatures to
// verify. The result has an error for each line that is to be rejected.
func (h *Handler) examineAll(ctx context.Context, s *Sender, received time.Time, lines []Line) ([]error, *refusal) {
	faults := make([]error, len(lines))
	workers := 1
	if h.config.Verify != VerifyOff {
		workers = min(runtime.GOMAXPROCS(0), len(lines))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.config.Limits.HandOverTime)
		defer cancel()
	}
	var next atomic.Int64
	var fatal atomic.Pointer[refusal]
	work := func() {
		for fatal.Load() == nil {
			i := int(next.Add(1)) - 1
			if i >= len(lines) {
				return
			}
			err := h.examine(ctx, s, received, &lines[i])
			if whole, ok := errors.AsType[*refusal](err); ok {
				fatal.Store(whole)
				return
			}
			faults[i] = err
		}
	}
	var others sync.WaitGroup
	for range workers - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
	return faults, fatal.Load()
}
