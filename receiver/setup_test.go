package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// The secret in every authorization here: it may appear in nothing printed.
const (
	secretMark    = "t0k-"
	authorization = "Bearer " + secretMark + "authorization"
)

// Lines of each format, of which each is an event.
const (
	cefLine   = `2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|1|rt=1 src=127.0.0.6 action=list granted=true org_id=o principal_id=p trace_id=7 user_agent=`
	cefOther  = `CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser=alice`
	jsonLine  = `{"action":"list","cef_version":0,"event_class_id":"konnect","event_product":"Konnect","event_ts":"2025-06-18T21:02:36Z","event_vendor":"KongInc","event_version":"1.0","granted":true,"name":"Authz.x","org_id":"o","principal_id":"p","rt":1,"severity":1,"src":"","trace_id":"7","user_agent":"a"}`
	cpsLine   = `{"event":` + jsonLine + `}`
	threeForm = cefLine + "\n" + jsonLine + "\n" + cpsLine
)

// sink is a HandOver that keeps what it gets, and returns what it is told to.
type sink struct {
	mu      sync.Mutex
	batches []receiver.Batch
	errs    []error // of the next calls
}

func (s *sink) handOver(_ context.Context, batch receiver.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		if err != nil {
			return err
		}
	}
	s.batches = append(s.batches, batch.Clone())
	return nil
}

func (s *sink) taken() []receiver.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.batches
}

// lines returns the lines taken, in the order in which they were.
func (s *sink) lines() []string {
	var lines []string
	for _, b := range s.taken() {
		for _, l := range b.Lines {
			lines = append(lines, string(l.Raw))
		}
	}
	return lines
}

// recorder is a hook that keeps what it is told.
type recorder struct {
	mu       sync.Mutex
	results  []receiver.Result
	rejected []string
}

func (r *recorder) RequestFinished(_ context.Context, result receiver.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, result)
}

func (r *recorder) LineRejected(_ context.Context, batch receiver.Batch, line receiver.Rejected) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejected = append(r.rejected, batch.ID+" line "+string(rune('0'+line.Number))+": "+line.Err.Error())
}

func (r *recorder) last(t testing.TB) receiver.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	require.NotEmpty(t, r.results)
	return r.results[len(r.results)-1]
}

func secrets(values ...string) (all []webhook.Secret) {
	for _, v := range values {
		all = append(all, webhook.NewSecret(v))
	}
	return all
}

// sender returns the Sender of every test that needs but one.
func sender() receiver.Sender {
	return receiver.Sender{Name: "one", Authorizations: secrets(authorization)}
}

// setup returns a handler with a sink and a recorder, and the defaults for what
// the Config leaves open.
func setup(t testing.TB, cfg receiver.Config) (*receiver.Handler, *sink, *recorder) {
	taken, told := new(sink), new(recorder)
	if cfg.Senders == nil {
		cfg.Senders = []receiver.Sender{sender()}
	}
	if cfg.HandOver == nil {
		cfg.HandOver = taken.handOver
	}
	cfg.Hooks = append(cfg.Hooks, told)
	h, err := receiver.New(cfg)
	require.NoError(t, err)
	return h, taken, told
}

// request returns a request as a sender makes it; header has names and values.
func request(body string, header ...string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "/audit-logs", strings.NewReader(body))
	r.Header.Set("Authorization", authorization)
	r.Header.Set("Content-Type", "text/plain")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// post sends a body and returns the answer.
func post(h http.Handler, body string, header ...string) *http.Response {
	return serve(h, request(body, header...))
}

func serve(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.NewTimer(d).C }

func text(t testing.TB, answer *http.Response) string {
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return strings.TrimSpace(string(body))
}

// zip compresses a body.
func zip(t testing.TB, body string) string {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := io.WriteString(w, body)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return zipped.String()
}

var errTest = errors.New("the disk is full")

func discardLogs() *slog.Logger { return slog.New(slog.DiscardHandler) }
