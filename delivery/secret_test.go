package delivery_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// printed returns value in every way that things get printed by accident, also
// as a part of something else.
func printed(value any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+"\n", value)
		fmt.Fprintf(&b, verb+"\n", []any{value})
		fmt.Fprintf(&b, verb+"\n", struct{ Value any }{value})
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		logger := slog.New(handler)
		logger.Info("x", "value", value)
		logger.Info("x", "value", struct{ Value any }{value})
	}
	encoded, err := json.Marshal(value)
	fmt.Fprintln(&b, string(encoded), err)
	return b.String()
}

// No secret is in anything that the package returns or takes, however printed.
func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()

	const header = "t0k-custom-header"
	proxy, err := url.Parse("http://user:t0k-proxy@127.0.0.1:1")
	require.NoError(t, err)
	receiver := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		w.WriteHeader(418)
		_, _ = fmt.Fprint(w, r.RequestURI, " ", r.URL.Path, " ", r.URL.RawQuery, " ", r.URL.Query(), " ", r.Header["Authorization"], " ",
			r.Header["X-Key"], " ", url.QueryEscape(r.Header.Get("Authorization")))
	})
	cfg := receiver.config()
	cfg.Headers = map[string]webhook.Secret{"X-Key": webhook.NewSecret(header)}
	cfg.Clock = newFakeClock()
	deliverer := newDeliverer(t, cfg)
	cfg.Proxy = proxy
	_, err = newDeliverer(t, cfg).Deliver(t.Context(), batch) // nobody is there
	require.Error(t, err)
	result, failed := deliverer.Deliver(t.Context(), batch)
	failure(t, failed, delivery.ReasonRefused)
	require.Contains(t, result.Last().Snippet, "[redacted]")

	for name, value := range map[string]any{
		"Config":              cfg,
		"*Config":             &cfg,
		"*Deliverer":          deliverer,
		"Deliverer":           *deliverer,
		"a part of another":   struct{ d delivery.Deliverer }{*deliverer},
		"a pointer in it":     struct{ d *delivery.Deliverer }{deliverer},
		"Result":              result,
		"*Result":             &result,
		"Attempt":             result.Last(),
		"Error":               failed,
		"wrapped Error":       fmt.Errorf("wrapped: %w", failed),
		"connection Error":    err,
		"Config not complete": delivery.Config{Endpoint: "http://t0k-user@t0k-host", Authorization: cfg.Authorization},
	} {
		require.NotContains(t, printed(value), secretMark, name)
	}
	require.Equal(t, "delivery.Config("+receiver.URL+")", fmt.Sprint(cfg))
	require.Equal(t, "delivery.Deliverer("+receiver.URL+")", fmt.Sprintf("%+v", deliverer))
	require.Equal(t, "delivery.Config(invalid endpoint)", fmt.Sprintf("%#v", delivery.Config{Endpoint: "t0k-"}))
}

// Receivers echo the token in many ways, and cut it anywhere.
func TestSnippetsAreMasked(t *testing.T) {
	t.Parallel()

	cleartext := map[string]string{
		"echo":         "bad credentials: " + authorization,
		"token alone":  "bad token " + token + ".",
		"URL":          "no such page: " + path + query,
		"control":      "\x1b[31m" + token + "\r\n\x00",
		"long":         string(bytes.Repeat([]byte(token+" "), 1000)),
		"long, offset": string(bytes.Repeat([]byte("x"), 1024-5)) + token,
	}
	for name, body := range cleartext {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.WriteHeader(400)
				_, _ = w.Write([]byte(body))
			})
			result, err := newDeliverer(t, receiver.config()).Deliver(t.Context(), batch)
			failure(t, err, delivery.ReasonRefused)
			snippet := result.Last().Snippet
			require.NotEmpty(t, snippet)
			require.NotContains(t, snippet, secretMark)
			require.LessOrEqual(t, len([]rune(snippet)), 256)
			for _, r := range snippet {
				require.Greater(t, r, rune(0x1f))
			}
		})
	}
}

// What is masked of an endpoint when it is quoted in parts.
func TestPartsOfTheEndpointAreMasked(t *testing.T) {
	t.Parallel()

	tests := []struct{ name, endpoint, answer, want string }{
		{"path", "/api/hook", "no /api/hook", "no [redacted]"},
		{"path and query", "/api?a=b", "no /api?a=b", "no [redacted]"},
		{"long segment", "/hook/services-and-more", "no services-and-more", "no [redacted]"},
		{"segment with a digit", "/hook/s3cr3tTok3n12", "no s3cr3tTok3n12, S3CR3TTOK3N12", "no [redacted], [redacted]"},
		{"ordinary segments", "/services/v1", "services v1", "services v1"},
		{"query", "/hook?a=1", "not with a=1", "not with [redacted]"},
		{"value", "/hook?key=secret", "no secret is a key", "no [redacted] is a key"},
		{"key without a value", "/hook?a=1&s3cr3tKeyName", "no s3cr3tKeyName", "no [redacted]"},
		{"short value", "/hook?key=abc", "abc", "abc"},
		{"escaped value", "/hook?key=s%C3%A9cret", "no sécret, s%C3%A9cret", "no [redacted], [redacted]"},
		{"value before a semicolon", "/hook?key=secret;v=2", "no secret in secret;v=2", "no [redacted] in [redacted]"},
		{"value after a semicolon", "/hook?v=2;key=secret", "no secret", "no [redacted]"},
		{"semicolon in a value", "/hook?a=1&key=abc;de", "no abc;de", "no [redacted]"},
		{"value with a broken escape", "/hook?key=secret%zz", "no secret, secret%zz", "no [redacted], [redacted]"},
		{"value with an escape cut short", "/hook?a=1&key=secret%2", "no secret, secret%2", "no [redacted], [redacted]"},
		{"value with a broken escape and another", "/hook?key=a%3Dsecret%zz", "no a=secret%zz, a=secret", "no [redacted], [redacted]"},
		{"one character", "/h?1", "1 of 11", "1 of 11"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.WriteHeader(400)
				_, _ = w.Write([]byte(tt.answer))
			})
			cfg := receiver.config()
			cfg.Endpoint = receiver.URL + tt.endpoint
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
			failure(t, err, delivery.ReasonRefused)
			require.Equal(t, tt.want, result.Last().Snippet)
		})
	}
}

// A compressed answer cannot be masked, so that it is not shown.
func TestCompressedAnswersAreNotShown(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.Header.Get("Accept-Encoding") != "" {
			w.WriteHeader(200) // must not have been asked for
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(400)
		_, _ = w.Write([]byte("anything"))
	})
	result, err := newDeliverer(t, receiver.config()).Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonRefused)
	require.Empty(t, result.Last().Snippet)
}

// A *url.Error quotes the endpoint.
func TestNoURLErrorIsPassedOn(t *testing.T) {
	t.Parallel()

	cfg := delivery.Config{Endpoint: "https://127.0.0.1:1" + path + query, Clock: newFakeClock()}
	result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonExhausted)
	_, found := errors.AsType[*url.Error](err)
	require.False(t, found)
	require.NotContains(t, printed(result), secretMark)
}
