package signature_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// sourceFunc is a source.
type sourceFunc func(since time.Time) (signature.KeySet, error)

func (f sourceFunc) Keys(_ context.Context, since time.Time) (signature.KeySet, error) {
	return f(since)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	s := signer(t, "first")
	handler := signature.Handler(s)
	keys, err := s.Keys(t.Context(), time.Time{})
	require.NoError(t, err)
	document, err := json.Marshal(keys)
	require.NoError(t, err)

	for _, test := range []struct {
		method, body string
		code         int
	}{
		{http.MethodGet, string(document), http.StatusOK},
		{http.MethodHead, string(document), http.StatusOK}, // the server leaves the body out
		{http.MethodPost, "Method Not Allowed\n", http.StatusMethodNotAllowed},
		{http.MethodOptions, "Method Not Allowed\n", http.StatusMethodNotAllowed},
	} {
		t.Run(test.method, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), test.method, "/v2/audit-log-webhook/jwks.json", nil))
			require.Equal(t, test.code, w.Code)
			require.Equal(t, test.body, w.Body.String())
			if test.code != http.StatusOK {
				require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
				return
			}
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			require.Equal(t, "no-cache", w.Header().Get("Cache-Control"))
		})
	}
}

func TestHandlerWithoutKeys(t *testing.T) {
	t.Parallel()
	handler := signature.Handler(sourceFunc(func(time.Time) (signature.KeySet, error) {
		return signature.KeySet{}, signature.ErrNoFreshKeys
	}))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "Service Unavailable\n", w.Body.String())
}
