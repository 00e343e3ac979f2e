package signature_test

import (
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// fetch fetches the keys of a server on a real socket.
func fetch(t *testing.T, cfg signature.RemoteConfig) (signature.KeySet, error) {
	t.Helper()
	remote, err := signature.NewRemote(cfg)
	require.NoError(t, err)
	return remote.Keys(t.Context(), time.Time{})
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestFetchFromOurHandler(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	keys, err := fetch(t, signature.RemoteConfig{URL: serve(t, signature.Handler(s).ServeHTTP)})
	require.NoError(t, err)
	require.Equal(t, []string{s.KeyID()}, keys.IDs())

	secure := httptest.NewTLSServer(signature.Handler(s))
	t.Cleanup(secure.Close)
	keys, err = fetch(t, signature.RemoteConfig{URL: secure.URL, Transport: secure.Client().Transport})
	require.NoError(t, err)
	require.Equal(t, []string{s.KeyID()}, keys.IDs())

	_, err = fetch(t, signature.RemoteConfig{URL: secure.URL})
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	require.True(t, ok, "%v", err)
}

// A host that answers with something else yields no keys, and nothing of what it
// says that could do harm gets into a log.
func TestFetchFromAHostileHost(t *testing.T) {
	t.Parallel()
	document := keySet(t, newSigner(t))
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, document) })
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, document)
	require.NoError(t, z.Close())
	for _, test := range []struct {
		name, want string
		handler    http.HandlerFunc
	}{
		{"a redirect", "the answer has the status 302", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other, http.StatusFound)
		}},
		{"an error", "the answer has the status 500", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, document)
		}},
		{"a status that is a success, but another", "the answer has the status 203", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNonAuthoritativeInfo)
			_, _ = io.WriteString(w, document)
		}},
		{"a protocol of its own", "the answer has the status 101", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Upgrade", "x")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}},
		{"a body without end", "the answer is longer than 65536 bytes", func(w http.ResponseWriter, _ *http.Request) {
			for _, err := io.WriteString(w, document); err == nil; {
				_, err = io.WriteString(w, strings.Repeat(" ", 1<<16))
			}
		}},
		{"a header without end", "response headers exceeded", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}},
		{"a body that breaks off", "unexpected EOF", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, document)
		}},
		{"a connection that breaks off", "EOF", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{"something that is not HTTP", `malformed HTTP response "\x1b[2Jevil"`, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "\x1b[2Jevil\r\n\r\n")
				_ = conn.Close()
			}
		}},
		{"something that is not JSON", `invalid character '\x1b'`, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\x1b[2Jevil") }},
		{"a gzipped body", "not JSON of its form", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped.Bytes())
		}},
		{"nested deeply", "exceeded max depth", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":`+strings.Repeat("[", 1<<15))
		}},
		{"a key for which anybody can sign", "small order", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"`+strings.Repeat("A", 43)+`"}]}`)
		}},
		{"a body that never comes", "context deadline exceeded", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}},
		{"no answer", "context deadline exceeded", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if strings.Contains(test.want, "deadline") {
				timeout = 50 * time.Millisecond
			}
			var told error
			keys, err := fetch(t, signature.RemoteConfig{
				URL:     serve(t, test.handler) + "/hunter2",
				Timeout: timeout,
				OnFetch: func(err error) { told = err },
			})
			require.ErrorIs(t, err, signature.ErrNoFreshKeys)
			require.ErrorIs(t, err, told)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), "hunter2")
			require.NotContains(t, err.Error(), "\x1b")
			require.NotContains(t, err.Error(), "redirect")
			require.Empty(t, keys.IDs())
		})
	}
}
