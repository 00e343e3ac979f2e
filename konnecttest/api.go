package konnecttest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// APIRequest is a request that a Konnect was sent. Its header has the token, its
// body may have an authorization.
type APIRequest struct {
	Time   time.Time
	Method string
	Path   string // with the query
	Header http.Header
	Body   []byte

	// Status is what was answered, 0 if nothing was. Scripted tells that the
	// script did, not the API.
	Status   int
	Scripted bool
}

// Requests returns the requests answered so far, in their order. Do not modify
// what they point to.
func (k *Konnect) Requests() []APIRequest {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.requests)
}

// ServeHTTP serves the API, so that it can also be reached otherwise than by its
// port.
func (k *Konnect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const most = 1 << 21 // more than the API takes
	request := APIRequest{Time: time.Now(), Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone()}
	request.Body, _ = io.ReadAll(io.LimitReader(r.Body, most)) // half a body is answered as one
	r.Body = io.NopCloser(bytes.NewReader(request.Body))

	step := k.next()
	if step.Delay > 0 && !wait(r, step.Delay) {
		k.record(request)
		return
	}
	if step.Status == 0 && step.Break == NoBreak {
		recorded := &recorder{ResponseWriter: w}
		k.api.ServeHTTP(recorded, r)
		request.Status = recorded.status
		k.record(request)
		return
	}
	request.Scripted = true
	if step.Break == NoBreak || step.Break == BreakAfterStatus {
		request.Status = step.status()
	}
	k.record(request)
	if step.Body == "" && step.status() >= 400 {
		step.Body = problem(step.status())
		w.Header().Set("Content-Type", webhook.ProblemMediaType)
	}
	step.answer(w, r)
}

// next returns the step for the next request.
func (k *Konnect) next() Step {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.script) == 0 {
		return k.otherwise
	}
	step := k.script[0]
	k.script = k.script[1:]
	return step
}

func (k *Konnect) record(r APIRequest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.requests = append(k.requests, r)
}

// recorder notes the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// problem returns a document that has no more to say than its status.
func problem(code int) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	document := webhook.Problem{
		Status: code, Title: http.StatusText(code), Detail: http.StatusText(code),
		Instance: fmt.Sprintf("konnect:trace:%d", binary.BigEndian.Uint64(b[:])>>1),
	}
	if code == http.StatusBadRequest {
		document.InvalidParameters = []webhook.InvalidParameter{{Field: "body", Reason: "is refused by the script"}}
	}
	body, err := json.Marshal(document)
	if err != nil { // it has nothing but strings and numbers
		panic(err)
	}
	return string(body)
}
