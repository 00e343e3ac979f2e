package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func get(ctx context.Context, c *client.Client) error {
	_, err := c.Webhook.Get(ctx)
	return err
}

func update(ctx context.Context, c *client.Client) error {
	_, err := c.Webhook.Update(ctx, webhook.Patch{Enabled: webhook.Set(true)})
	return err
}

// TestRetriesByStatus tries every status that is no success.
func TestRetriesByStatus(t *testing.T) {
	t.Parallel()
	all := []float64{1, 2, 4, 8}
	for code := 300; code <= 599; code++ {
		stub := transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: code, Body: http.NoBody}, nil
		})
		var read, written []float64
		switch {
		case code == 429:
			read, written = all, all
		case code >= 500 && code != 501:
			read = all
		}
		for _, c := range []struct {
			method string
			call   func(context.Context, *client.Client) error
			want   []float64
		}{{"GET", get, read}, {"PATCH", update, written}} {
			ticks := newClock()
			err := c.call(t.Context(), withTransport(t, stub, client.WithClock(ticks)))
			var answered *client.APIError
			require.ErrorAs(t, err, &answered, "%s %d: %v", c.method, code, err)
			require.Equal(t, code, answered.StatusCode)
			require.Equal(t, c.want, ticks.seconds(), "%s %d", c.method, code)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := newClock().Now()
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		name  string
		code  int
		value string
		want  float64
	}{
		{"none", 429, "", 1},
		{"seconds", 429, "5", 5},
		{"a date", 429, in(7 * time.Second), 7},
		{"less than the backoff", 429, "0", 1},
		{"the past", 429, in(-time.Hour), 1},
		{"negative", 429, "-5", 1},
		{"hours", 429, "14400", 30},
		{"a date in hours", 429, in(4 * time.Hour), 30},
		{"beyond all numbers", 429, strings.Repeat("9", 40), 30},
		{"garbage", 429, "soon", 1},
		{"on 503", 503, "5", 5},
		{"on 500 it means nothing", 500, "5", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, answer(c.code, `{}`, "Retry-After", c.value), answer(http.StatusOK, configured))
			require.NoError(t, get(t.Context(), api.client))
			require.Equal(t, []float64{c.want}, api.clock.seconds())
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(503, ``), answer(429, ``), answer(500, ``), answer(599, ``), answer(http.StatusOK, configured))
	got, err := api.client.Webhook.Get(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(configuredConfig(), got))
	require.Len(t, api.requests(), 5)
}

func TestRetriedPatchIsWhole(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(429, ``), answer(429, ``), answer(http.StatusOK, configured))
	require.NoError(t, update(t.Context(), api.client))
	require.Len(t, api.requests(), 3)
	for _, r := range api.requests() {
		require.Equal(t, `{"enabled":true}`, r.Body)
		require.Equal(t, "Bearer "+token, r.Header.Get("Authorization"))
	}
}

func TestConnectionErrors(t *testing.T) {
	t.Parallel()
	cut := func(w http.ResponseWriter, r *http.Request) { // half an answer
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"enabled":`)
		_ = http.NewResponseController(w).Flush()
		abort(w, r)
	}
	for _, c := range []struct {
		name string
		step http.HandlerFunc
		want error
	}{{"no answer", abort, io.EOF}, {"half an answer", cut, io.ErrUnexpectedEOF}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, c.step)
			require.ErrorIs(t, get(t.Context(), api.client), c.want, "GET")
			require.Equal(t, []float64{1, 2, 4, 8}, api.clock.seconds())
			require.Len(t, api.requests(), 5)

			api = serve(t, c.step)
			require.ErrorIs(t, update(t.Context(), api.client), c.want, "PATCH")
			require.Empty(t, api.clock.seconds())
			require.Len(t, api.requests(), 1)
		})
	}
}

func TestConnectionRefused(t *testing.T) {
	t.Parallel()
	api := serve(t, abort)
	api.Close()

	err := get(t.Context(), api.client)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorContains(t, err, "client: GET /v2/audit-log-webhook: ")
	require.NotContains(t, err.Error(), `Get "http`, "the URL of *url.Error")
	require.Len(t, api.clock.seconds(), 4)

	require.ErrorIs(t, update(t.Context(), api.client), syscall.ECONNREFUSED)
	require.Len(t, api.clock.seconds(), 4)
}

// TestNotRetriedForGood shows the connection errors that no wait will heal.
func TestNotRetriedForGood(t *testing.T) {
	t.Parallel()
	t.Run("unknown authority", func(t *testing.T) {
		t.Parallel()
		api, ticks := serve(t, answer(http.StatusOK, configured)), newClock()
		api.Config.ErrorLog = nil
		own := &http.Transport{}
		t.Cleanup(own.CloseIdleConnections)
		c, err := client.New(api.URL, token, client.WithHTTPClient(&http.Client{Transport: own}), client.WithClock(ticks))
		require.NoError(t, err)
		err = get(t.Context(), c)
		var unknown x509.UnknownAuthorityError
		require.ErrorAs(t, err, &unknown, "%v", err)
		require.Empty(t, ticks.seconds())
		require.Empty(t, api.requests())
	})
	t.Run("a server without TLS", func(t *testing.T) {
		t.Parallel()
		plain, ticks := httptest.NewServer(answer(http.StatusOK, configured)), newClock()
		t.Cleanup(plain.Close)
		c, err := client.New(strings.Replace(plain.URL, "http:", "https:", 1), token,
			client.WithHTTPClient(plain.Client()), client.WithClock(ticks))
		require.NoError(t, err)
		require.ErrorIs(t, get(t.Context(), c), http.ErrSchemeMismatch)
		require.Empty(t, ticks.seconds())
	})
}

func TestPlainHTTPOnLoopback(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(answer(http.StatusOK, configured))
	t.Cleanup(plain.Close)
	c, err := client.New(plain.URL, token, client.WithHTTPClient(plain.Client()))
	require.NoError(t, err)
	require.NoError(t, get(t.Context(), c))
}

// TestRedirectsAreNotFollowed shows that the token goes to no other host, and
// not even elsewhere on its own.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, target := range []string{"other host", "same host", "plain http"} {
			t.Run(fmt.Sprintf("%d %s", code, target), func(t *testing.T) {
				t.Parallel()
				other := serve(t, answer(http.StatusOK, configured))
				location := other.URL + "/v2/audit-log-webhook"
				switch target {
				case "same host":
					location = "/elsewhere"
				case "plain http":
					location = strings.Replace(location, "https:", "http:", 1)
				}
				api := serve(t, answer(code, ``, "Location", location))
				// One client that trusts both servers and would follow.
				api.Client().CheckRedirect = nil
				for _, call := range []func(context.Context, *client.Client) error{get, update} {
					var answered *client.APIError
					require.ErrorAs(t, call(t.Context(), api.newClient(t)), &answered)
					require.Equal(t, code, answered.StatusCode)
				}
				require.Len(t, api.requests(), 2)
				require.Empty(t, other.requests())
			})
		}
	}
}

func TestUnusableAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		step http.HandlerFunc
		want string
	}{
		{"empty", answer(200, ``), "decoding the answer: unexpected end of JSON input"},
		{"no content", answer(204, ``), "decoding the answer: unexpected end of JSON input"},
		{"a page", answer(200, `<html>`), "decoding the answer: invalid character '<'"},
		{"null", answer(200, " null\n"), "decoding the answer: no document"},
		{"no object", answer(200, `[]`), "decoding the answer: webhook: "},
		{"a wrong type", answer(200, `{"enabled":"yes"}`), "decoding the answer: webhook: "},
		{"a wrong time", answer(200, `{"updated_at":"yesterday"}`), "decoding the answer: webhook: updated_at: "},
		{"too long", answer(200, `{"endpoint":"`+strings.Repeat("x", 1<<20)+`"}`), "the answer is longer than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api := serve(t, c.step)
			config, err := api.client.Webhook.Get(t.Context())
			require.ErrorContains(t, err, "client: GET /v2/audit-log-webhook: "+c.want)
			require.Empty(t, cmp.Diff(webhook.Config{}, config))
			require.Empty(t, api.clock.seconds(), "asking again would not help")
		})
	}
}

// TestBomb shows that the bound holds for what comes out of decompression.
func TestBomb(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write(bytes.Repeat([]byte(" "), 2<<20))
	require.NoError(t, zip.Close())
	api := serve(t, answer(200, bomb.String(), "Content-Encoding", "gzip"))
	require.ErrorContains(t, get(t.Context(), api.client), "longer than")
}

func TestContextIsDoneBeforehand(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(200, configured))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := get(ctx, api.client)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "client: GET /v2/audit-log-webhook: context canceled")
	require.Empty(t, api.requests())
}

func TestContextEndsDuringAnAttempt(t *testing.T) {
	t.Parallel()
	stopping := errors.New("the service is stopping")
	for _, c := range []struct {
		name  string
		call  func(context.Context, *client.Client) error
		fails int // attempts answered 429 before
		want  string
	}{
		{"GET", get, 0, "client: GET /v2/audit-log-webhook: context canceled: the service is stopping"},
		{"PATCH", update, 0, "client: PATCH /v2/audit-log-webhook: context canceled: the service is stopping"},
		{
			"after a failure", get, 1, "client: GET /v2/audit-log-webhook: context canceled: the service is stopping; " +
				"the last attempt: client: GET /v2/audit-log-webhook: 429 Too Many Requests",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			attempts := 0
			err := c.call(ctx, withTransport(t, func(r *http.Request) (*http.Response, error) {
				if attempts++; attempts <= c.fails {
					return &http.Response{StatusCode: 429, Body: http.NoBody}, nil
				}
				cancel(stopping)
				<-r.Context().Done()
				return nil, r.Context().Err()
			}, client.WithClock(newClock())))
			require.EqualError(t, err, c.want)
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, stopping)
			require.Equal(t, c.fails > 0, errors.Is(err, client.ErrTooManyRequests))
		})
	}
}

// sleeper is a clock whose Sleep is a function.
type sleeper struct {
	*clock
	sleep func(context.Context) error
}

func (s sleeper) Sleep(ctx context.Context, _ time.Duration) error { return s.sleep(ctx) }

func TestContextEndsDuringAWait(t *testing.T) {
	t.Parallel()
	api := serve(t, answer(503, `{"detail":"overloaded"}`))
	ctx, cancel := context.WithCancel(t.Context())
	c, err := client.New(api.URL, token, client.WithHTTPClient(api.Client()), client.WithClock(sleeper{newClock(), func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}}))
	require.NoError(t, err)

	err = get(ctx, c)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, client.ErrServer)
	require.EqualError(t, err, "client: GET /v2/audit-log-webhook: context canceled; "+
		"the last attempt: client: GET /v2/audit-log-webhook: 503 Service Unavailable: overloaded")
	require.Len(t, api.requests(), 1)
}

// TestClockRefuses covers a clock that stops for a reason of its own.
func TestClockRefuses(t *testing.T) {
	t.Parallel()
	stopped := errors.New("the clock has stopped")
	api := serve(t, answer(503, ``))
	c, err := client.New(api.URL, token, client.WithHTTPClient(api.Client()),
		client.WithClock(sleeper{newClock(), func(context.Context) error { return stopped }}))
	require.NoError(t, err)
	err = get(t.Context(), c)
	require.ErrorIs(t, err, stopped)
	require.ErrorIs(t, err, client.ErrServer)
}

func TestSystemClock(t *testing.T) {
	t.Parallel()
	unavailable := transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 503, Body: http.NoBody}, nil
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.ErrorIs(t, get(t.Context(), withTransport(t, unavailable)), client.ErrServer)
		require.Equal(t, 15*time.Second, time.Since(start))
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := get(ctx, withTransport(t, unavailable))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, client.ErrServer)
		require.Equal(t, 1*time.Second, time.Since(start), "the wait of 2 s is not begun")
	})
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2*time.Second, cancel)
		require.ErrorIs(t, get(ctx, withTransport(t, unavailable)), context.Canceled)
		require.Equal(t, 2*time.Second, time.Since(start), "a wait ends with its context")
	})
}

// TestTimeoutOfAnAttempt shows that a hanging server costs a GET its retries,
// not for ever, and that the timeout is not taken for the context's.
func TestTimeoutOfAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		hanging := &http.Client{Timeout: 10 * time.Second, Transport: transport(func(r *http.Request) (*http.Response, error) {
			attempts++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		c, err := client.New("eu", token, client.WithHTTPClient(hanging))
		require.NoError(t, err)
		start := time.Now()
		err = get(t.Context(), c)
		require.ErrorContains(t, err, "deadline exceeded")
		require.Equal(t, 5, attempts)
		require.Equal(t, (5*10+15)*time.Second, time.Since(start))
	})
}

func TestNilContext(t *testing.T) {
	t.Parallel()
	var none context.Context
	require.ErrorContains(t, update(none, withTransport(t, nil)), "nil Context")
}

// An answer that switches protocols has no body that any timeout would end.
func TestSwitchingProtocolsIsAnAnswer(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn) // silent until the client goes
	}))
	t.Cleanup(server.Close)
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	c, err := client.New(server.URL, token, client.WithHTTPClient(hc))
	require.NoError(t, err)
	var answered *client.APIError
	require.ErrorAs(t, get(t.Context(), c), &answered)
	require.Equal(t, 101, answered.StatusCode)
}

// A wait that would outlast the context is not begun.
func TestGivesUpBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stub := transport(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {"30"}}, Body: http.NoBody}, nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		start := time.Now()
		err := get(ctx, withTransport(t, stub))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, client.ErrTooManyRequests)
		require.Zero(t, time.Since(start))
	})
}
