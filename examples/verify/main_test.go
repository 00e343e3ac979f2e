package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

const entry = "2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.x|1|rt=1 action=list"

// setup returns a signer and the file of its keys.
func setup(t *testing.T) (s *signature.Signer, jwks string) {
	t.Helper()
	folder := t.TempDir()
	private, err := signature.CreateKeyFile(filepath.Join(folder, "key.pem"))
	require.NoError(t, err)
	s, err = signature.NewSigner(private)
	require.NoError(t, err)
	keys, err := s.Keys(t.Context(), time.Time{})
	require.NoError(t, err)
	document, err := json.Marshal(keys)
	require.NoError(t, err)
	jwks = filepath.Join(folder, "jwks.json")
	require.NoError(t, os.WriteFile(jwks, document, 0o600))
	return s, jwks
}

func sign(t *testing.T, s *signature.Signer, entry string) string {
	t.Helper()
	line, err := s.Append(nil, []byte(entry))
	require.NoError(t, err)
	return string(line)
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s, jwks := setup(t)
	server := httptest.NewServer(signature.Handler(s))
	t.Cleanup(server.Close)
	signed := sign(t, s, entry)
	object := sign(t, s, `{"action":"list"}`)
	envelope := sign(t, s, `{"event":{"action":"list"}}`)
	valid := "valid\tby the key " + s.KeyID() + "\n"
	const (
		invalid  = "invalid\tno key verifies the signature\n"
		unsigned = "unsigned\tthere is no signature\n"
	)
	for _, test := range []struct {
		name, in, want string
		failed         bool
	}{
		{"nothing", "", "", false},
		{"every format", signed + "\n" + object + "\r\n" + envelope + "\n", valid + valid + valid, false},
		{"no line break at the end", signed, valid, false},
		{"each outcome", signed + "\n" + strings.Replace(signed, "list", "read", 1) + "\n" + entry + "\n\nrubbish\n" + object + "\n",
			valid + invalid + unsigned + "refused\tbyte 0: the entry is empty\nrefused\tbyte 0: no \"CEF:\"\n" + valid, true},
		{"unsigned", entry, unsigned, true},
		{"a line longer than any buffer", sign(t, s, entry+strings.Repeat("x", 1<<20)), valid, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, from := range []string{jwks, server.URL} {
				var out strings.Builder
				err := run(t.Context(), from, strings.NewReader(test.in), &out)
				require.Equal(t, test.failed, errors.Is(err, errNotAllValid))
				require.Equal(t, test.failed, err != nil)
				require.Equal(t, test.want, out.String())
			}
		})
	}
}

func TestVerifyWithoutKeys(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(down.Close)
	rubbish := filepath.Join(t.TempDir(), "jwks.json")
	require.NoError(t, os.WriteFile(rubbish, []byte("rubbish"), 0o600))
	for _, from := range []string{down.URL, rubbish, rubbish + "x", "http://keys.example.com", "://"} {
		var out strings.Builder
		require.Error(t, run(t.Context(), from, strings.NewReader(entry), &out))
		require.Empty(t, out.String())
	}
}

func TestVerifyStopsAtErrorsOfTheStreams(t *testing.T) {
	t.Parallel()
	_, jwks := setup(t)
	broken := errors.New("broken")
	require.ErrorIs(t, run(t.Context(), jwks, iotest.ErrReader(broken), io.Discard), broken)
	r, w := io.Pipe()
	require.NoError(t, r.CloseWithError(broken))
	require.ErrorIs(t, run(t.Context(), jwks, strings.NewReader(entry), w), broken)
}
