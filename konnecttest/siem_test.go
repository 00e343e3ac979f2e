package konnecttest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

const line = "CEF:0|v|p|1|c|n|1|a=1"

// post sends body to the SIEM and returns the answer with its body read.
func post(t *testing.T, siem *konnecttest.SIEM, body string, header ...string) (*http.Response, string, error) {
	t.Helper()
	client := siem.Client()
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, siem.URL()+"?q=1", strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	return resp, string(got), err
}

func TestSteps(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		step   konnecttest.Step
		status int // 0: no answer
		broken bool
		body   string
		taken  bool
	}{
		{"nothing special", konnecttest.Step{}, 200, false, "", true},
		{"another success", konnecttest.Step{Status: 202, Body: "thanks"}, 202, false, "thanks", true},
		{"a failure", konnecttest.Step{Status: 500, Body: "no"}, 500, false, "no", false},
		{"a delay", konnecttest.Step{Delay: time.Millisecond}, 200, false, "", true},
		{"reset before reading", konnecttest.Step{Break: konnecttest.BreakBeforeReading}, 0, true, "", false},
		{"reset after reading", konnecttest.Step{Break: konnecttest.BreakAfterReading}, 0, true, "", true},
		{"reset after reading, nothing taken", konnecttest.Step{Break: konnecttest.BreakAfterReading, Status: 500}, 0, true, "", false},
		{"close after reading", konnecttest.Step{Break: konnecttest.CloseAfterReading}, 0, true, "", true},
		{"reset after the status", konnecttest.Step{Break: konnecttest.BreakAfterStatus}, 200, true, "", true},
		{"a huge body", konnecttest.Step{Body: "x", HugeBody: 1 << 20}, 200, false, "x" + strings.Repeat("0", 1<<20), true},
	} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", test.name, http2), func(t *testing.T) {
				t.Parallel()
				siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{DisableHTTP2: !http2})
				siem.Script(test.step)
				resp, body, err := post(t, siem, line, "Webhook-Id", "b1")
				require.Equal(t, test.broken, err != nil, "%v", err)
				if resp != nil {
					require.Equal(t, test.status, resp.StatusCode)
					require.Equal(t, test.body, body)
				}
				requests, err := siem.WaitRequests(t.Context(), 1)
				require.NoError(t, err)
				r := requests[0]
				require.Equal(t, "b1", r.BatchID())
				require.Equal(t, "/audit-logs?q=1", r.Path)
				require.Equal(t, http2, r.Proto == "HTTP/2.0")
				require.Equal(t, test.taken, r.Taken)
				require.Equal(t, test.status, r.Status)
				require.Equal(t, test.taken, len(siem.Events()) == 1)
				if test.step.Break != konnecttest.BreakBeforeReading {
					require.Equal(t, []string{line}, r.Lines)
				}
				_, _, err = post(t, siem, line)
				require.NoError(t, err, "the script is through")
			})
		}
	}
}

func TestScriptOrder(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{})
	siem.Script(konnecttest.Step{Status: 500})
	siem.Script(konnecttest.Step{Status: 429, Header: http.Header{"retry-after": {"7"}}})
	siem.Otherwise(konnecttest.Step{Status: 204})
	for _, want := range []int{500, 429, 204, 204} {
		resp, _, err := post(t, siem, line)
		require.NoError(t, err)
		require.Equal(t, want, resp.StatusCode)
		if want == 429 {
			require.Equal(t, "7", resp.Header.Get("Retry-After"))
		}
	}
}

func TestStepsThatCannotBe(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{})
	for _, status := range []int{99, 101, 600, -1} {
		require.Panics(t, func() { siem.Script(konnecttest.Step{Status: status}) })
		require.Panics(t, func() { siem.Otherwise(konnecttest.Step{Status: status}) })
	}
}

func TestAuthorizationOfTheSIEM(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer x"})
	siem.Script(konnecttest.Step{Status: 202})
	resp, _, err := post(t, siem, line, "Authorization", "Bearer y")
	require.NoError(t, err)
	require.Equal(t, 401, resp.StatusCode)
	resp, _, err = post(t, siem, line, "Authorization", "Bearer x")
	require.NoError(t, err)
	require.Equal(t, 202, resp.StatusCode, "the refused request took no step")
	require.Len(t, siem.Events(), 1)
	require.Len(t, siem.Requests(), 2)
}

func TestRequestsAreDecoded(t *testing.T) {
	t.Parallel()
	events := konnecttest.Events(3, 4, time.Unix(1_750_000_000, 0))
	var lines []string
	for i, f := range []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS, auditlog.CEF} {
		l, err := f.Append(nil, &events[i])
		require.NoError(t, err)
		lines = append(lines, string(l))
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := io.WriteString(z, strings.Join(lines, "\n")+"\n")
	require.NoError(t, err)
	require.NoError(t, z.Close())

	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{})
	for _, encoding := range []string{"gzip", "X-Gzip", "application/gzip"} {
		resp, _, err := post(t, siem, zipped.String(), "Content-Encoding", encoding)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
	}
	for _, r := range siem.Requests() {
		require.Equal(t, lines, r.Lines)
		require.Equal(t, zipped.Len(), r.WireBytes)
		require.Empty(t, cmp.Diff(events, r.Events))
	}
	for name, bad := range map[string][]string{
		"not gzip":       {"x", "Content-Encoding", "gzip"},
		"truncated gzip": {zipped.String()[:zipped.Len()-4], "Content-Encoding", "gzip"},
		"a bad line":     {line + "\nrubbish"},
	} {
		resp, _, err := post(t, siem, bad[0], bad[1:]...)
		require.NoError(t, err)
		require.Equal(t, 400, resp.StatusCode, name)
		requests := siem.Requests()
		require.Error(t, requests[len(requests)-1].Err, name)
	}
	require.Len(t, siem.Events(), 3*4, "nothing of a bad request is taken")
}

func TestWaitEnds(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{})
	_, _, err := post(t, siem, line)
	require.NoError(t, err)
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	events, err := siem.WaitEvents(ctx, 2)
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "1 of 2 events")
	require.Len(t, events, 1)
	requests, err := siem.WaitRequests(ctx, 2)
	require.ErrorIs(t, err, cause)
	require.Len(t, requests, 1)
}

func TestCloseEndsWhatHangs(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]konnecttest.Step{
		"hanging":   {Delay: konnecttest.Hang},
		"slow body": {SlowBody: time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			siem, err := konnecttest.StartSIEM(konnecttest.SIEMConfig{})
			require.NoError(t, err)
			siem.Script(step)
			client := siem.Client()
			defer client.CloseIdleConnections()
			sent := make(chan struct{})
			done := make(chan error)
			go func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, siem.URL(), &signal{strings.NewReader(line), sent})
				if err != nil {
					done <- err
					return
				}
				resp, err := client.Do(req)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				done <- err
			}()
			<-sent
			siem.Close()
			require.Error(t, <-done)
		})
	}
}

// signal closes sent at the end of the body.
type signal struct {
	io.Reader
	sent chan struct{}
}

func (s *signal) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil {
		close(s.sent)
	}
	return n, err
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Hosts: []string{"siem.example.com"}})
	block, rest := pem.Decode(siem.CertificatePEM())
	require.Empty(t, rest)
	authority, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	require.True(t, pool.Equal(siem.RootCAs()))

	_, err = (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(siem.URL()) //nolint:noctx // it must fail before anything is sent
	require.ErrorAs(t, err, new(x509.UnknownAuthorityError))

	client := siem.Client()
	defer client.CloseIdleConnections()
	client.Transport.(*http.Transport).DialContext = siem.DialContext
	resp, err := client.Post("https://siem.example.com/", "text/plain", strings.NewReader(line)) //nolint:noctx // as above
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}

func TestEventsAreRealistic(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	events := konnecttest.Events(42, 2_000, start)
	require.Empty(t, cmp.Diff(events, konnecttest.Events(42, 2_000, start)), "the same seed gives the same events")
	require.NotEmpty(t, cmp.Diff(events[:10], konnecttest.Events(43, 10, start)))
	kinds := map[auditlog.Kind]int{}
	traces := map[string]bool{}
	escaped := 0
	for i := range events {
		kinds[events[i].Kind()]++
		trace, ok := events[i].Get("trace_id")
		require.True(t, ok)
		traces[trace.String()] = true
		require.False(t, i > 0 && events[i].Time.Before(events[i-1].Time))
		for _, f := range []auditlog.Format{auditlog.CEF, auditlog.JSON} {
			l, err := f.Append(nil, &events[i])
			require.NoError(t, err)
			back, err := f.ParseStrict(l)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(events[i], back))
			if f == auditlog.CEF && bytes.Contains(l, []byte(`\`)) {
				escaped++
			}
		}
	}
	require.Len(t, kinds, 3)
	for kind, n := range kinds {
		require.Greater(t, n, 200, kind)
	}
	require.Len(t, traces, len(events), "every trace id once")
	require.Greater(t, escaped, 200)
	require.True(t, slices.ContainsFunc(events, func(e auditlog.Event) bool { v, ok := e.Get("actor_id"); return ok && v.String() == "" }))
}

// failing is a TB whose test has failed.
type failing struct {
	failure string
	cleanup []func()
}

func (f *failing) Helper()                           {}
func (f *failing) Cleanup(fn func())                 { f.cleanup = append(f.cleanup, fn) }
func (f *failing) Fatalf(format string, args ...any) { f.failure = fmt.Sprintf(format, args...) }

func TestServersStopWithTheTest(t *testing.T) {
	t.Parallel()
	tb := &failing{}
	siem := konnecttest.NewSIEM(tb, konnecttest.SIEMConfig{})
	konnect := konnecttest.NewKonnect(tb, konnecttest.KonnectConfig{})
	require.Len(t, tb.cleanup, 2)
	for _, stop := range tb.cleanup {
		stop()
	}
	require.Empty(t, tb.failure)
	_, _, err := post(t, siem, line)
	require.Error(t, err)
	_, err = (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(konnect.URL()) //nolint:noctx // it must fail
	require.Error(t, err)
}
