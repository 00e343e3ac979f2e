package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
)

const (
	// maxDrain, in bytes, and drainTimeout bound what is read of an answer
	// after its header. A connection can be used again only when the answer
	// was read to its end, but a new one is cheaper than a long wait.
	maxDrain     = 64 << 10
	drainTimeout = time.Second
)

// errSentAgain ends an attempt that net/http would send a third time.
var errSentAgain = errors.New("the connection was lost or the request refused, twice")

// errAttemptTimeout tells the timeout of an attempt from the caller's own.
var errAttemptTimeout = errors.New("attempt timeout")

// outcome is what follows from an attempt.
type outcome struct {
	delivered  bool
	retry      bool          // it failed, and another attempt may help
	reason     Reason        // it failed, and none will
	retryAfter time.Duration // what the endpoint asked for, unbounded
}

// attempt sends the payload once and adds an Attempt to the result.
func (r *run) attempt(ctx context.Context) outcome {
	a := Attempt{Time: r.cfg.Clock.Now()}
	o := r.post(ctx, &a)
	a.Duration = r.cfg.Clock.Now().Sub(a.Time)
	r.result.Attempts = append(r.result.Attempts, a)
	return o
}

// post sends the payload once. It fills in all of a that has to do with HTTP.
func (r *run) post(ctx context.Context, a *Attempt) outcome {
	// Once more, next to the wire: nothing goes out in the clear.
	if err := checkEndpoint(r.endpoint); err != nil {
		a.Err = fmt.Errorf("the endpoint %w", err)
		return outcome{reason: ReasonConnection}
	}
	signature, err := r.sign(a.Time)
	if err != nil {
		a.Err = r.masker.Error(fmt.Errorf("the batch cannot be signed: %w", err))
		return outcome{retry: true}
	}
	timeout := r.cfg.AttemptTimeout
	if r.cfg.Timeout > 0 {
		timeout = min(timeout, r.left())
	}
	attemptCtx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(timeout, func() { cancel(errAttemptTimeout) })
	defer timer.Stop()

	// RoundTrip rather than a Client: no redirects, and no *url.Error that
	// quotes the endpoint.
	resp, err := r.transport.RoundTrip(r.request(attemptCtx, a.Time, signature))
	switch {
	case err == nil:
	case ctx.Err() == nil && errors.Is(context.Cause(attemptCtx), errAttemptTimeout):
		a.Err = fmt.Errorf("no answer within %v: %w", timeout, os.ErrDeadlineExceeded)
		return outcome{retry: true}
	default:
		return r.noAnswer(a, err)
	}
	defer func() { _ = resp.Body.Close() }()
	timer.Reset(drainTimeout)
	return r.answer(a, resp)
}

// request returns the request of one attempt.
//
// net/http sends it once more, by itself, where it finds that the server has
// closed the connection it kept, or where an HTTP/2 server tells that it has
// not looked at the request (REFUSED_STREAM, GOAWAY). Once is enough: anything
// more is for the next attempt, which waits and which hooks are told of.
func (r *run) request(ctx context.Context, now time.Time, signature string) *http.Request {
	again := false
	req := &http.Request{
		Method:        http.MethodPost,
		URL:           r.endpoint,
		Header:        r.header(r.result.BatchID, now),
		Body:          r.payload.reader(),
		ContentLength: int64(r.result.Sent),
		GetBody: func() (io.ReadCloser, error) {
			if again {
				return nil, errSentAgain
			}
			again = true
			return r.payload.reader(), nil
		},
	}
	if signature != "" {
		req.Header.Set("Webhook-Signature", signature)
	}
	return req.WithContext(ctx)
}

// noAnswer judges an attempt that got no status line, or no end of the header.
func (r *run) noAnswer(a *Attempt, err error) outcome {
	if refusal, ok := errors.AsType[*GuardError](err); ok {
		a.Err = refusal
		return outcome{reason: ReasonGuard}
	}
	a.Err = r.masker.Error(err)
	if isPermanent(err) {
		return outcome{reason: ReasonConnection}
	}
	return outcome{retry: true}
}

// answer judges an attempt by its status, which alone decides, and reads
// the rest of the answer as far as that is of use.
func (r *run) answer(a *Attempt, resp *http.Response) outcome {
	if resp.StatusCode < 100 { // net/http takes any three digits
		a.Err = errors.New("the answer has no valid status")
		return outcome{retry: true}
	}
	a.Status = resp.StatusCode
	if a.Status == http.StatusSwitchingProtocols {
		return outcome{reason: ReasonRefused} // what follows is no body
	}
	if !a.OK() && resp.Header.Get("Content-Encoding") == "" { // a secret in gzip cannot be masked
		a.Snippet = r.masker.Snippet(resp.Body)
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrain)

	if a.OK() {
		return outcome{delivered: true}
	}
	if !r.cfg.retries(a.Status) {
		return outcome{reason: ReasonRefused}
	}
	o := outcome{retry: true}
	if a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable {
		o.retryAfter, _ = httpretry.RetryAfter(resp.Header, r.cfg.Clock.Now())
	}
	return o
}
