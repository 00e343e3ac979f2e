package konnectapi

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// failure is an answer that is not a success and names no parameter; those
// that do are *webhook.ValidationError. Its texts are constants: nothing of a
// request or of an inner error is repeated.
type failure struct {
	status     int
	title      string // the text of the status if empty
	detail     string // the text of the status if empty
	retryAfter time.Duration
	cause      error // for the log
}

func (f *failure) Error() string { return http.StatusText(f.status) }
func (f *failure) Unwrap() error { return f.cause }

func unauthorized(cause error) error {
	return &failure{status: http.StatusUnauthorized, cause: cause}
}

func forbidden(cause error) error {
	return &failure{status: http.StatusForbidden, detail: "You do not have permission to perform this action", cause: cause}
}

func notFound() error { return &failure{status: http.StatusNotFound} }

// invalid names one parameter.
func invalid(detail string, p webhook.InvalidParameter) error {
	return &webhook.ValidationError{Detail: detail, Parameters: []webhook.InvalidParameter{p}}
}

// asFailure turns what went wrong inside into what the client is told.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	f := &failure{status: http.StatusInternalServerError, cause: err}
	for _, passing := range []error{ErrUnavailable, shipper.ErrClosed, shipper.ErrFull, store.ErrClosed, store.ErrFull, store.ErrUnavailable, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, passing) {
			f.status, f.retryAfter = http.StatusServiceUnavailable, time.Second
		}
	}
	return f
}

// fail answers with a problem document.
func (h *Handler) fail(w http.ResponseWriter, c *call, err error) {
	problem := webhook.Problem{Instance: c.instance()}
	if wrong, ok := errors.AsType[*webhook.ValidationError](err); ok {
		problem = wrong.Problem(problem.Instance)
	} else {
		f := asFailure(err)
		problem.Status, problem.Title, problem.Detail = f.status, f.title, f.detail
		if problem.Title == "" {
			problem.Title = http.StatusText(f.status)
		}
		if problem.Detail == "" {
			problem.Detail = http.StatusText(f.status)
		}
		if f.retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64((f.retryAfter+time.Second-1)/time.Second), 10))
		}
		err = f.cause
	}
	if problem.Status == http.StatusUnauthorized { // RFC 9110 §11.6.1 wants it
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	level := slog.LevelInfo
	if problem.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	h.cfg.Logger.Log(c.Context(), level, "a management request was refused", "instance", problem.Instance, "status", problem.Status,
		"method", c.Method, "operation", c.op.id, "tenant", c.caller.Tenant, "error", err)
	body, err := json.Marshal(problem)
	if err != nil { // it has nothing but texts and integers
		panic(err)
	}
	write(w, webhook.ProblemMediaType, problem.Status, body)
}

// write answers with a document.
func write(w http.ResponseWriter, mediaType string, status int, body []byte) {
	header := w.Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// newTrace names a request.
func newTrace() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:]) >> 1
}
