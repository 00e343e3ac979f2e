package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
	"github.com/seed-6bcf82c5/auditlog/internal/redact"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	// maxAnswer bounds the document of a success, in bytes.
	maxAnswer = 1 << 20
	// maxProblem bounds what is read of any other answer, in bytes.
	maxProblem = 64 << 10
)

// call is one call of the API, with all its attempts.
type call struct {
	client *Client
	method string
	path   string
	body   []byte         // none for a GET
	masker *redact.Masker // of all secrets in the call
}

// do makes the call and decodes the answer into the value that into points to.
func (c call) do(ctx context.Context, into any) error {
	backoff := httpretry.NewBackoff()
	var last error
	for {
		err := c.attempt(ctx, into)
		if _, lost := errors.AsType[*connectionError](err); lost && ctx.Err() != nil {
			return c.interrupted(ctx, context.Cause(ctx), last)
		}
		if !c.again(err) {
			return err
		}
		wait, stop := backoff.Next()
		if stop {
			return err
		}
		wait = httpretry.Wait(wait, retryAfter(err))
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return c.errorf("%w before the next attempt; the last one: %w", context.DeadlineExceeded, err)
		}
		if stopped := c.client.clock.Sleep(ctx, wait); stopped != nil {
			return c.interrupted(ctx, stopped, err)
		}
		last = err
	}
}

// attempt makes the call once.
func (c call) attempt(ctx context.Context, into any) error {
	req, err := c.request(ctx)
	if err != nil {
		return c.errorf("%w", c.masker.Error(err))
	}
	resp, err := c.client.http.Do(req)
	if err != nil {
		return c.lost(err)
	}
	defer func() { _ = resp.Body.Close() }()

	if resp.StatusCode == http.StatusSwitchingProtocols {
		return newAPIError(c, resp, nil) // what follows is no body, and no context ends it
	}
	if resp.StatusCode/100 != 2 {
		// The status says enough: whatever there is of the body will do.
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
		return newAPIError(c, resp, body)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return c.lost(err)
	}
	if len(body) > maxAnswer {
		return c.errorf("the answer is longer than %d bytes", maxAnswer)
	}
	if string(bytes.TrimSpace(body)) == "null" { // encoding/json would let it pass
		return c.errorf("decoding the answer: no document")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return c.errorf("decoding the answer: %w", c.masker.Error(err))
	}
	return nil
}

func (c call) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, c.client.base.JoinPath(c.path).String(), bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, "+webhook.ProblemMediaType)
	req.Header.Set("Authorization", "Bearer "+c.client.token.Reveal())
	req.Header.Set("User-Agent", c.client.userAgent)
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// connectionError marks an attempt that got no complete answer.
type connectionError struct{ error }

func (e *connectionError) Unwrap() error { return e.error }

func (c call) lost(err error) error {
	return &connectionError{c.errorf("%w", c.masker.Error(err))}
}

// again reports whether the call may be repeated after an attempt that ended
// in err.
func (c call) again(err error) bool {
	if answered, ok := errors.AsType[*APIError](err); ok {
		switch code := answered.StatusCode; {
		case code == http.StatusTooManyRequests:
			return true
		case code/100 == 5 && code != http.StatusNotImplemented:
			return c.method == http.MethodGet
		}
		return false
	}
	_, lost := errors.AsType[*connectionError](err)
	return lost && c.method == http.MethodGet && !permanent(err)
}

// permanent reports whether a connection error cannot heal in seconds: a
// certificate that does not verify, or a server that does not speak TLS.
func permanent(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	return certificate || plain || errors.Is(err, http.ErrSchemeMismatch)
}

// retryAfter returns the wait that the server asked for, 0 if none.
func retryAfter(err error) time.Duration {
	if answered, ok := errors.AsType[*APIError](err); ok {
		return answered.RetryAfter
	}
	return 0
}

// interrupted is the error of a call that was stopped by its context, for the
// given cause. It wraps the cause, the context's own error, and the error of
// the last attempt that was not interrupted, if there is one.
func (c call) interrupted(ctx context.Context, cause, last error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(cause, ended) {
		cause = fmt.Errorf("%w: %w", ended, cause)
	}
	if last == nil {
		return c.errorf("%w", cause)
	}
	return c.errorf("%w; the last attempt: %w", cause, last)
}

func (c call) errorf(format string, args ...any) error {
	return fmt.Errorf("client: %s %s: "+format, append([]any{c.method, c.path}, args...)...)
}
