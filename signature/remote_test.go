package signature_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// transport is a transport without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// host is where keys are published, on a clock of its own.
type host struct {
	*clock

	remote *signature.Remote

	mu      sync.Mutex
	answer  func() (*http.Response, error)
	fetches int
	told    []error // by OnFetch
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{clock: newClock()}
	var err error
	h.remote, err = signature.NewRemote(signature.RemoteConfig{
		URL: "https://keys.example.com/jwks.json",
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.fetches++
			require.Equal(t, "https://keys.example.com/jwks.json", r.URL.String())
			require.Equal(t, http.MethodGet, r.Method)
			require.Equal(t, "no-cache", r.Header.Get("Cache-Control"))
			return h.answer()
		}),
		OnFetch: func(err error) { h.told = append(h.told, err) },
		Now:     h.Now,
	})
	require.NoError(t, err)
	return h
}

// publish makes the host answer with the keys of signers.
func (h *host) publish(t testing.TB, signers ...*signature.Signer) {
	t.Helper()
	document := keySet(t, signers...)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = func() (*http.Response, error) { return respond(http.StatusOK, document), nil }
}

func (h *host) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = func() (*http.Response, error) { return nil, err }
}

func (h *host) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fetches
}

// keySet returns the key set of signers.
func keySet(t testing.TB, signers ...*signature.Signer) string {
	t.Helper()
	document := struct {
		Keys []json.RawMessage `json:"keys"`
	}{[]json.RawMessage{}}
	for _, s := range signers {
		keys, err := s.Keys(t.Context(), time.Time{})
		require.NoError(t, err)
		text, err := json.Marshal(keys)
		require.NoError(t, err)
		text = bytes.TrimSuffix(bytes.TrimPrefix(text, []byte(`{"keys":[`)), []byte(`]}`))
		document.Keys = append(document.Keys, text)
	}
	text, err := json.Marshal(document)
	require.NoError(t, err)
	return string(text)
}

func respond(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

var errDown = errors.New("the host is down")

// A key that is not known makes it fetch, at most once a minute.
func TestRemoteFetchesUnknownKeys(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := newSigner(t), newSigner(t)
	h.publish(t, a)
	line := func(s *signature.Signer) []byte {
		line, err := s.Append(nil, []byte(`{"a":1}`))
		require.NoError(t, err)
		return line
	}
	verify := func(s *signature.Signer) (signature.Outcome, error) {
		result, err := signature.Verify(t.Context(), h.remote, line(s), h.Now())
		return result.Outcome, err
	}

	require.Equal(t, 0, h.count(), "nothing is fetched before it is needed")
	outcome, err := verify(a)
	require.NoError(t, err)
	require.Equal(t, signature.Valid, outcome)
	require.Equal(t, 1, h.count())

	// The clock has not moved: the keys are as new as the line.
	outcome, err = verify(b)
	require.NoError(t, err)
	require.Equal(t, signature.Invalid, outcome)
	require.Equal(t, 1, h.count())

	// The sender has a new key, but nothing is fetched within a minute.
	h.publish(t, a, b)
	h.add(time.Minute - 1)
	outcome, err = verify(b)
	require.ErrorIs(t, err, signature.ErrNoFreshKeys)
	require.EqualError(t, err, "signature: no fresh keys: fetched less than 1m0s before")
	require.Equal(t, signature.Invalid, outcome)
	require.Equal(t, 1, h.count())
	outcome, err = verify(a)
	require.NoError(t, err, "known keys do not suffer")
	require.Equal(t, signature.Valid, outcome)

	h.add(1)
	outcome, err = verify(b)
	require.NoError(t, err)
	require.Equal(t, signature.Valid, outcome)
	require.Equal(t, 2, h.count())

	// However many lines of made-up keys come, there is one fetch a minute.
	unknown := newSigner(t)
	for range 100 {
		h.add(3 * time.Second)
		outcome, _ = verify(unknown)
		require.Equal(t, signature.Invalid, outcome)
	}
	require.Equal(t, 2+5, h.count())
}

// Keys at hand stay in use while the host is down.
func TestRemoteUsesStaleKeys(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := newSigner(t), newSigner(t)
	h.publish(t, a)
	require.Equal(t, []string{a.KeyID()}, ids(t, h.remote))

	h.fail(errDown)
	h.add(24 * time.Hour)
	require.Equal(t, []string{a.KeyID()}, ids(t, h.remote))
	require.Equal(t, 2, h.count(), "it was tried")
	require.Equal(t, []string{a.KeyID()}, ids(t, h.remote))
	require.Equal(t, 2, h.count(), "but not twice in a minute")

	keys, err := h.remote.Keys(t.Context(), h.Now())
	require.ErrorIs(t, err, signature.ErrNoFreshKeys)
	require.ErrorIs(t, err, errDown)
	require.EqualError(t, err, "signature: no fresh keys: https://keys.example.com: the host is down")
	require.Equal(t, []string{a.KeyID()}, keys.IDs())

	h.publish(t, b)
	h.add(time.Minute)
	require.Equal(t, []string{b.KeyID()}, ids(t, h.remote))
	require.Len(t, h.told, 3)
	require.NoError(t, h.told[0])
	require.ErrorIs(t, h.told[1], errDown)
	require.NoError(t, h.told[2])
}

// A key that is not published any more is trusted for MaxAge at most.
func TestRemoteForgetsKeys(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	a, b := newSigner(t), newSigner(t)
	h.publish(t, a, b)
	require.Len(t, ids(t, h.remote), 2)
	h.publish(t, b)
	h.add(signature.DefaultMaxAge - 1)
	require.Len(t, ids(t, h.remote), 2)
	h.add(1)
	require.Equal(t, []string{b.KeyID()}, ids(t, h.remote))

	h.publish(t)
	h.add(signature.DefaultMaxAge)
	require.Empty(t, ids(t, h.remote), "an empty set is one too")
}

// Without any keys it tries again after five seconds.
func TestRemoteWithoutKeys(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.fail(errDown)
	for range 2 {
		keys, err := h.remote.Keys(t.Context(), time.Time{})
		require.ErrorIs(t, err, signature.ErrNoFreshKeys)
		require.ErrorIs(t, err, errDown)
		require.Empty(t, keys.IDs())
	}
	require.Equal(t, 1, h.count())
	h.add(5*time.Second - 1)
	_, err := h.remote.Keys(t.Context(), time.Time{})
	require.ErrorIs(t, err, errDown)
	require.Equal(t, 1, h.count())
	a := newSigner(t)
	h.publish(t, a)
	h.add(1)
	require.Equal(t, []string{a.KeyID()}, ids(t, h.remote))
}

// A clock that is set back does not stop it from fetching.
func TestRemoteWithAClockSetBack(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.fail(errDown)
	_, err := h.remote.Keys(t.Context(), time.Time{})
	require.ErrorIs(t, err, errDown)
	a := newSigner(t)
	h.publish(t, a)
	h.add(-24 * time.Hour)
	require.Equal(t, []string{a.KeyID()}, ids(t, h.remote))
}

// Callers share a fetch, and one who does not wait any longer ends his wait, not
// the fetch.
func TestRemoteSharesFetches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newSigner(t)
		document := keySet(t, a)
		release := make(chan struct{})
		var fetches atomic.Int32
		remote, err := signature.NewRemote(signature.RemoteConfig{
			URL: "https://keys.example.com",
			Transport: transport(func(r *http.Request) (*http.Response, error) {
				fetches.Add(1)
				select {
				case <-release:
					return respond(http.StatusOK, document), nil
				case <-r.Context().Done():
					return nil, context.Cause(r.Context())
				}
			}),
		})
		require.NoError(t, err)

		type answer struct {
			keys signature.KeySet
			err  error
		}
		ask := func(ctx context.Context) chan answer {
			answered := make(chan answer, 1)
			go func() {
				keys, err := remote.Keys(ctx, time.Time{})
				answered <- answer{keys, err}
			}()
			synctest.Wait()
			return answered
		}
		gone := errors.New("gone")
		owner, dismiss := context.WithCancelCause(t.Context())
		fetching := ask(owner)
		waiter, leave := context.WithCancelCause(t.Context())
		waiting := ask(waiter)
		patient := []chan answer{ask(t.Context()), ask(t.Context()), ask(t.Context())}
		left, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = remote.Keys(left, time.Time{})
		require.ErrorIs(t, err, context.Canceled)

		leave(gone)
		require.ErrorIs(t, (<-waiting).err, gone)
		dismiss(gone)
		synctest.Wait()
		require.Empty(t, fetching, "the fetch goes on")
		close(release)
		for _, c := range append(patient, fetching) {
			got := <-c
			require.NoError(t, got.err)
			require.Equal(t, []string{a.KeyID()}, got.keys.IDs())
		}
		require.Equal(t, int32(1), fetches.Load())
	})
}

// While somebody renews keys that are old but still good enough, others go on
// with them; the fetch of a host that hangs ends after the timeout.
func TestRemoteDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newSigner(t)
		document := keySet(t, a)
		clock := newClock()
		hang := false
		remote, err := signature.NewRemote(signature.RemoteConfig{
			URL: "https://keys.example.com",
			Transport: transport(func(r *http.Request) (*http.Response, error) {
				if !hang {
					return respond(http.StatusOK, document), nil
				}
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			}),
			Now: clock.Now,
		})
		require.NoError(t, err)
		require.Len(t, ids(t, remote), 1)

		hang = true
		clock.add(time.Hour)
		done := make(chan time.Duration, 1)
		go func() {
			start := time.Now()
			keys, err := remote.Keys(t.Context(), time.Time{})
			if err != nil || len(keys.IDs()) != 1 {
				t.Error("stale keys are not used", err)
			}
			done <- time.Since(start)
		}()
		synctest.Wait()
		require.Len(t, ids(t, remote), 1)
		require.Empty(t, done, "the other one fetches")
		require.Equal(t, signature.DefaultTimeout, <-done)

		clock.add(time.Minute)
		_, err = remote.Keys(t.Context(), clock.Now())
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// Callers who waited for a fetch that took its time and failed do not begin
// another one, each after the other.
func TestRemoteDoesNotPileUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fetches atomic.Int32
		remote, err := signature.NewRemote(signature.RemoteConfig{
			URL: "https://keys.example.com",
			Transport: transport(func(r *http.Request) (*http.Response, error) {
				fetches.Add(1)
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			}),
		})
		require.NoError(t, err)
		start := time.Now()
		var group sync.WaitGroup
		for range 10 {
			group.Go(func() {
				if _, err := remote.Keys(t.Context(), time.Time{}); !errors.Is(err, signature.ErrNoFreshKeys) {
					t.Error(err)
				}
			})
		}
		group.Wait()
		require.Equal(t, signature.DefaultTimeout, time.Since(start))
		require.Equal(t, int32(1), fetches.Load())
	})
}

// A transport that panics takes its caller down, and nobody else.
func TestRemoteSurvivesAPanic(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.answer = func() (*http.Response, error) { panic("a bug") }
	require.PanicsWithValue(t, "a bug", func() { _, _ = h.remote.Keys(t.Context(), time.Time{}) })
	_, err := h.remote.Keys(t.Context(), time.Time{})
	require.ErrorContains(t, err, "panicked")
	a := newSigner(t)
	h.publish(t, a)
	h.add(time.Minute)
	require.Equal(t, []string{a.KeyID()}, ids(t, h.remote))
}

func TestNewRemoteRefuses(t *testing.T) {
	t.Parallel()
	const good = "https://keys.example.com"
	for _, test := range []struct {
		name string
		cfg  signature.RemoteConfig
		want string
	}{
		{"nothing", signature.RemoteConfig{}, "signature: URL: is not an absolute URL"},
		{"no URL", signature.RemoteConfig{URL: "https://a b/"}, "signature: URL: is not an absolute URL"},
		{"a path", signature.RemoteConfig{URL: "/jwks.json"}, "signature: URL: is not an absolute URL"},
		{"no host", signature.RemoteConfig{URL: "https:///jwks.json"}, "signature: URL: is not an absolute URL"},
		{"another scheme", signature.RemoteConfig{URL: "ftp://keys.example.com"}, "signature: URL: is not https"},
		{"http", signature.RemoteConfig{URL: "http://keys.example.com"}, "signature: URL: is http, which is for loopback hosts only"},
		{"http, looks like loopback", signature.RemoteConfig{URL: "http://127.0.0.1.example.com"}, "signature: URL: is http, which is for loopback hosts only"},
		{"http, a private address", signature.RemoteConfig{URL: "http://10.0.0.1"}, "signature: URL: is http, which is for loopback hosts only"},
		{"user info", signature.RemoteConfig{URL: "https://u:hunter2@keys.example.com"}, "signature: URL: holds user information"},
		{"fragment", signature.RemoteConfig{URL: good + "#x"}, "signature: URL: has a fragment"},
		{"age", signature.RemoteConfig{URL: good, MaxAge: -1}, "signature: MaxAge: is negative"},
		{"timeout", signature.RemoteConfig{URL: good, Timeout: -1}, "signature: Timeout: is negative"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := signature.NewRemote(test.cfg)
			require.EqualError(t, err, test.want)
		})
	}
	for _, url := range []string{good, "http://localhost:1", "http://LOCALHOST", "http://127.0.0.2", "http://[::1]:8080/jwks.json?x=y"} {
		_, err := signature.NewRemote(signature.RemoteConfig{URL: url})
		require.NoError(t, err, url)
	}
}

// Another spelling of localhost would not be exempt from proxies, which could
// forge keys that are fetched in the clear.
func TestRemoteSpellsLocalhost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, url, want string }{
		{"as it is", "http://localhost:8080/jwks.json", "http://localhost:8080/jwks.json"},
		{"capitals", "http://LOCALHOST/jwks.json?x=Y", "http://localhost/jwks.json?x=Y"},
		{"capitals and a port", "HTTP://LocalHost:8080/JWKS.json", "http://localhost:8080/JWKS.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got string
			remote, err := signature.NewRemote(signature.RemoteConfig{
				URL: test.url,
				Transport: transport(func(r *http.Request) (*http.Response, error) {
					got = r.URL.String()
					return nil, errors.New("no network")
				}),
			})
			require.NoError(t, err)
			_, err = remote.Keys(t.Context(), time.Time{})
			require.Error(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

// A path or query may hold a token.
func TestRemotePrintsItsHost(t *testing.T) {
	t.Parallel()
	remote, err := signature.NewRemote(signature.RemoteConfig{URL: "https://keys.example.com/hunter2?hunter2"})
	require.NoError(t, err)
	const want = "signature.Remote(https://keys.example.com)"
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "remote", remote)
	require.Contains(t, logged.String(), want)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.Equal(t, want, fmt.Sprintf(verb, remote))
	}
}
