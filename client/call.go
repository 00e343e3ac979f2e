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
	"net/url"
	"time"

	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
	"github.com/seed-6bcf82c5/auditlog/internal/redact"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	// maxAnswer bounds the document of a success, in bytes.
	maxAnswer = 1 << 20
	// maxPage bounds a page of a list, of up to 1 000 entries, in bytes.
	maxPage = 64 << 20
	// maxProblem bounds what is read of any other answer, in bytes.
	maxProblem = 64 << 10
)

// call is one call of the API, with all its attempts.
type call struct {
	client *Client
	method string
	path   string
	query  url.Values
	body   []byte         // none for a GET
	masker *redact.Masker // of all secrets in the call

	anonymous bool  // without the token
	most      int64 // bytes of an answer; 0 means maxAnswer
}

// get is a call that reads a document.
func (c *Client) get(path string) call {
	return call{client: c, method: http.MethodGet, path: path, masker: c.masker()}
}

// list is a call that reads a page of a list.
func (c *Client) list(path string, query url.Values) call {
	return call{client: c, method: http.MethodGet, path: path, query: query, masker: c.masker(), most: maxPage}
}

// write is a call that changes something. The secrets are those that the body
// holds, so that a server that repeats it does not reveal them.
func (c *Client) write(method, path string, body []byte, secrets ...string) call {
	return call{client: c, method: method, path: path, body: body, masker: c.masker(secrets...)}
}

// secretsOf returns what is secret of a receiver: several vendors carry their
// token in the endpoint. Nothing has checked it yet, so that it may be no URL at
// all, or have one in a part that endpoints lack.
func secretsOf(endpoint string, authorization webhook.Secret) []string {
	secrets := []string{authorization.Reveal()}
	u, err := url.Parse(endpoint)
	if err != nil {
		return append(secrets, redact.TextSecrets(endpoint)...)
	}
	if u.Host == "" {
		secrets = append(secrets, redact.TextSecrets(endpoint)...)
	}
	if u.User != nil {
		password, ok := u.User.Password()
		if !ok {
			password = u.User.Username() // a token, then
		}
		secrets = append(secrets, u.User.String(), u.User.Username()+":"+password, password)
	}
	secrets = append(secrets, u.EscapedFragment(), u.Fragment)
	return append(secrets, redact.EndpointSecrets(u)...)
}

// answered makes the call and returns the document of the answer. After an
// error it is the zero value.
func answered[T any](ctx context.Context, c call) (T, error) {
	var document T
	if err := c.do(ctx, &document); err != nil {
		var zero T
		return zero, err
	}
	return document, nil
}

// do makes the call and decodes the answer into the value that into points to.
// If it is nil the answer's status is all there is to it.
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
	if into == nil {
		// Read, so that the connection can be used again.
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxProblem))
		return nil
	}
	most := c.most
	if most == 0 {
		most = maxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return c.lost(err)
	}
	if int64(len(body)) > most {
		return c.errorf("the answer is longer than %d bytes", most)
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
	target := c.client.base.JoinPath(c.path)
	target.RawQuery = c.query.Encode()
	req, err := http.NewRequestWithContext(ctx, c.method, target.String(), bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, "+webhook.ProblemMediaType)
	if !c.anonymous {
		req.Header.Set("Authorization", "Bearer "+c.client.token.Reveal())
	}
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
	if refusal, ok := errors.AsType[*APIError](err); ok {
		switch code := refusal.StatusCode; {
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
	if refusal, ok := errors.AsType[*APIError](err); ok {
		return refusal.RetryAfter
	}
	return 0
}

// interrupted is the error of a call that was stopped by its context, for the
// given cause. It wraps the cause, the context's own error, and the error of
// the last attempt that was not interrupted, if there is one.
func (c call) interrupted(ctx context.Context, cause, last error) error {
	cause = withContextError(ctx, cause)
	if last == nil {
		return c.errorf("%w", cause)
	}
	return c.errorf("%w; the last attempt: %w", cause, last)
}

// withContextError makes an error of a wait wrap the context's own error, too,
// where the context ended with a cause.
func withContextError(ctx context.Context, err error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		return fmt.Errorf("%w: %w", ended, err)
	}
	return err
}

func (c call) errorf(format string, args ...any) error {
	return fmt.Errorf("client: %s %s: "+format, append([]any{c.method, c.path}, args...)...)
}
