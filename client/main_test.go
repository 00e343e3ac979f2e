package client_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "kpat_T0KENofTheTests"

// clock is a clock on which every wait is over at once. It notes the waits.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func newClock() *clock { return &clock{now: time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.now = c.now.Add(d)
	c.waits = append(c.waits, d)
	return nil
}

// seconds returns the waits so far in seconds.
func (c *clock) seconds() []float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var s []float64
	for _, wait := range c.waits {
		s = append(s, wait.Seconds())
	}
	return s
}

// request is a request as a server received it.
type request struct {
	Method, URI, Body string
	Header            http.Header
}

// api is an HTTPS server that answers each request with the next of its steps,
// the last one for ever, and a client for it on a clock of its own.
type api struct {
	*httptest.Server
	client *client.Client
	clock  *clock

	mu       sync.Mutex
	received []request
}

func serve(t *testing.T, steps ...http.HandlerFunc) *api {
	t.Helper()
	a := &api{clock: newClock()}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.received = append(a.received, request{r.Method, r.RequestURI, string(body), r.Header.Clone()})
		step := steps[min(len(a.received), len(steps))-1]
		a.mu.Unlock()
		step(w, r)
	}))
	t.Cleanup(a.Close)
	a.client = a.newClient(t)
	return a
}

func (a *api) newClient(t *testing.T, options ...client.Option) *client.Client {
	t.Helper()
	options = append([]client.Option{client.WithHTTPClient(a.Client()), client.WithClock(a.clock)}, options...)
	c, err := client.New(a.URL, token, options...)
	require.NoError(t, err)
	return c
}

func (a *api) requests() []request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.received
}

// answer is a step: a status, a body, and header names and values.
func answer(code int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// abort is a step that ends the connection without an answer.
func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// transport is a transport without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// withTransport returns a client without a network.
func withTransport(t *testing.T, f transport, options ...client.Option) *client.Client {
	t.Helper()
	options = append([]client.Option{client.WithHTTPClient(&http.Client{Transport: f})}, options...)
	c, err := client.New("eu", token, options...)
	require.NoError(t, err)
	return c
}

// requireNoToken checks that a text holds no part of the token worth having.
func requireNoToken(t *testing.T, text string) {
	t.Helper()
	require.NotContains(t, text, token)
	require.NotContains(t, text, "T0KEN")
}

func response(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(body))}
}
