package receiver

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// refusal is an answer other than 200, and why.
type refusal struct {
	status int
	reason string // for the sender
	err    error  // for hooks only, nil if there is no more to say
}

func (r *refusal) Error() string {
	text := "receiver: " + strconv.Itoa(r.status) + ": " + r.reason
	if r.err != nil {
		text += ": " + r.err.Error()
	}
	return text
}

// Unwrap returns what a hook may look for: the error of HandOver, for instance.
func (r *refusal) Unwrap() error { return r.err }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, reason: fmt.Sprintf(format, args...)}
}

// answer writes the answer. The reason is the whole body, so that the operator
// of the sender can see it.
func (r *refusal) answer(w http.ResponseWriter, retryAfter time.Duration) {
	header := w.Header()
	switch r.status {
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", "Bearer")
	case http.StatusUnsupportedMediaType:
		header.Set("Accept-Encoding", "gzip") // RFC 9110 §12.5.3
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	case http.StatusRequestTimeout:
		header.Set("Connection", "close")
	}
	http.Error(w, r.reason, r.status)
}
