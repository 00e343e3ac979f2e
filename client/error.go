package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
	"github.com/seed-6bcf82c5/auditlog/internal/redact"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// What an [*APIError] matches by [errors.Is], by its status.
var (
	ErrBadRequest      = errors.New("client: bad request")       // 400
	ErrUnauthorized    = errors.New("client: unauthorized")      // 401: no valid token
	ErrForbidden       = errors.New("client: forbidden")         // 403: a token without the role
	ErrNotFound        = errors.New("client: not found")         // 404
	ErrConflict        = errors.New("client: conflict")          // 409
	ErrTooManyRequests = errors.New("client: too many requests") // 429
	ErrServer          = errors.New("client: server error")      // 5xx
)

// APIError is an answer of the management API that is no success; a redirect
// is one, too. It holds no secret of the call: where the server echoes one it
// is masked. Texts are cleaned for one line of a log.
type APIError struct {
	// StatusCode is the HTTP status.
	StatusCode int
	// Method and Path are those of the request, such as PATCH and
	// /v2/audit-log-webhook.
	Method, Path string
	// Problem is the problem document (RFC 9457). Of an answer that is none,
	// or lacks members, Status and Title are those of the HTTP status, and
	// Detail is the member message or the beginning of the body.
	Problem webhook.Problem
	// RequestID names the request to the server's operators: a header such as
	// X-Request-Id, else the problem's instance. It may be empty.
	RequestID string
	// RetryAfter is the wait that the server asked for, 0 if none. It is the
	// server's number and may be huge.
	RetryAfter time.Duration
}

// Error names request, status, detail and each invalid parameter (of many, the
// first eight).
func (e *APIError) Error() string {
	const most = 8
	var text strings.Builder
	fmt.Fprintf(&text, "client: %s %s: %d", e.Method, e.Path, e.StatusCode)
	if e.Problem.Title != "" {
		text.WriteString(" " + e.Problem.Title)
	}
	if e.Problem.Detail != "" && e.Problem.Detail != e.Problem.Title {
		text.WriteString(": " + e.Problem.Detail)
	}
	for i, p := range e.Problem.InvalidParameters {
		if i == most {
			text.WriteString("; …")
			break
		}
		text.WriteString("; " + p.Field + ": " + p.Reason)
	}
	if e.RequestID != "" {
		text.WriteString(" (" + e.RequestID + ")")
	}
	return text.String()
}

// Unwrap returns the sentinel of the status, or nil if there is none.
func (e *APIError) Unwrap() error {
	switch e.StatusCode {
	case http.StatusBadRequest:
		return ErrBadRequest
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusNotFound:
		return ErrNotFound
	case http.StatusConflict:
		return ErrConflict
	case http.StatusTooManyRequests:
		return ErrTooManyRequests
	}
	if e.StatusCode/100 == 5 {
		return ErrServer
	}
	return nil
}

// requestIDHeaders are those in which gateways name a request, best first.
var requestIDHeaders = []string{"X-Kong-Request-Id", "X-Request-Id", "X-Correlation-Id", "X-Trace-Id"}

// newAPIError makes the best of an answer: a problem document, an error of a
// gateway in front ({"message":…,"request_id":…}), or any other text.
func newAPIError(c call, resp *http.Response, body []byte) *APIError {
	e := &APIError{StatusCode: resp.StatusCode, Method: c.method, Path: c.path}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		e.RetryAfter, _ = httpretry.RetryAfter(resp.Header, c.client.clock.Now())
	}

	var gateway struct {
		Message   string `json:"message"`
		RequestID string `json:"request_id"`
	}
	// Errors are ignored: members of the wrong type are skipped, and what is
	// no object at all leaves everything empty.
	_ = json.Unmarshal(body, &e.Problem)
	_ = json.Unmarshal(body, &gateway)

	p := &e.Problem
	if p.Detail == "" {
		p.Detail = gateway.Message
	}
	foreign := p.Title == "" && p.Detail == "" && len(p.InvalidParameters) == 0
	maskProblem(p, c.masker)
	if foreign {
		p.Detail = c.masker.Snippet(bytes.NewReader(body))
	}
	if p.Title == "" {
		p.Title = http.StatusText(resp.StatusCode)
	}
	if p.Status == 0 {
		p.Status = resp.StatusCode
	}

	ids := make([]string, 0, len(requestIDHeaders)+2)
	for _, name := range requestIDHeaders {
		ids = append(ids, resp.Header.Get(name))
	}
	for _, id := range append(ids, gateway.RequestID, p.Instance) {
		if e.RequestID = c.masker.Snippet(strings.NewReader(id)); e.RequestID != "" {
			break
		}
	}
	return e
}

// maskProblem masks and cleans every text of a problem document.
func maskProblem(p *webhook.Problem, m *redact.Masker) {
	texts := []*string{&p.Title, &p.Instance, &p.Detail, &p.Type}
	for i := range p.InvalidParameters {
		item := &p.InvalidParameters[i]
		texts = append(texts, &item.Field, &item.Reason, &item.Source, &item.Rule)
		maskValues(item.Choices, m)
		maskValues(item.Dependents, m)
	}
	for _, text := range texts {
		*text = m.Text(*text)
	}
}

// maskValues masks and cleans the texts in a list. What is no plain value
// becomes nil: nothing documented is nested.
func maskValues(values []any, m *redact.Masker) {
	for i, value := range values {
		switch value := value.(type) {
		case string:
			values[i] = m.Text(value)
		case []any, map[string]any:
			values[i] = nil
		}
	}
}
