package delivery

import (
	"fmt"
	"slices"
	"strings"
)

// Reason tells why a delivery failed. Its text is short and constant, fit for
// the label of a metric.
type Reason string

const (
	// ReasonInvalid: the batch or its id cannot be sent. There was no attempt.
	ReasonInvalid Reason = "invalid"

	// ReasonRefused: the endpoint answered with a status that is not retried.
	ReasonRefused Reason = "refused"

	// ReasonExhausted: the last attempt allowed has failed, by its status or
	// without an answer.
	ReasonExhausted Reason = "exhausted"

	// ReasonConnection: there was no answer, and there is no use in trying
	// again soon: the certificate or the host name is wrong, the port does
	// not speak TLS, or the peer ended TLS with an alert.
	ReasonConnection Reason = "connection"

	// ReasonGuard: the dial guard refused all addresses of the endpoint, or,
	// where there is a proxy, one of them; the error wraps a [*GuardError].
	ReasonGuard Reason = "guard"

	// ReasonCanceled: the context was cancelled; the error wraps its cause.
	ReasonCanceled Reason = "canceled"

	// ReasonDeadline: Config.Timeout or the deadline of the context has
	// passed, or would pass during the next wait, which was not begun. The
	// error wraps [context.DeadlineExceeded]. It is also the reason where a
	// rate limiter would never allow the delivery.
	ReasonDeadline Reason = "deadline"
)

// Error is the failure of a delivery; Deliver returns no other. It wraps the
// error of the last attempt, and the cause of the context that ended it.
//
// Attempts' errors have their texts masked. They wrap only causes that cannot
// hold anything the peer sent: context errors, [syscall.Errno],
// [*net.DNSError], [os.ErrDeadlineExceeded] (timeouts), [io.EOF] and its like,
// [*GuardError], and the errors of crypto/x509 and crypto/tls about
// certificates. A [*url.Error] is never among them.
type Error struct {
	Reason Reason

	// Retryable reports whether the failure is one that may pass: a later
	// delivery of the same batch may succeed with nothing changed. It is also
	// set where a rate limiter would never allow the delivery, which whoever
	// holds the limiter has to change.
	Retryable bool

	// Result is what Deliver returned beside this error.
	Result Result

	// causes are what ended the delivery other than the last attempt.
	causes []error
}

// Error implements error. The text has the batch id, the endpoint by scheme,
// host and port, and the last answer.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "delivery: batch %q to %s: ", e.Result.BatchID, e.Result.Endpoint)
	switch e.Reason {
	case ReasonExhausted:
		fmt.Fprintf(&b, "failed %d times", len(e.Result.Attempts))
	default:
		b.WriteString(string(e.Reason))
	}
	if len(e.causes) > 0 {
		fmt.Fprintf(&b, ": %v", e.causes[len(e.causes)-1])
	}
	if len(e.Result.Attempts) > 0 {
		last := e.Result.Last()
		fmt.Fprintf(&b, ": %v", last)
		if last.Snippet != "" {
			fmt.Fprintf(&b, ": %s", last.Snippet)
		}
	}
	return b.String()
}

// Unwrap returns what the error wraps.
func (e *Error) Unwrap() []error {
	if last := e.Result.Last(); last.Err != nil {
		return append(slices.Clip(e.causes), last.Err)
	}
	return e.causes
}
