package signature_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// requireOpenSSL is the name of the variable that makes the lack of OpenSSL 3 a
// failure, where the check must not be skipped.
const requireOpenSSL = "AUDITLOG_REQUIRE_OPENSSL"

// openSSL is a folder with what OpenSSL needs to verify signatures of one key.
type openSSL struct{ folder string }

// findOpenSSL skips the test where there is no OpenSSL 3 or later; LibreSSL is another
// program.
func findOpenSSL(t *testing.T) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "openssl", "version").Output()
	if err == nil && regexp.MustCompile(`^OpenSSL ([3-9]|[1-9]\d)\.`).Match(output) {
		return
	}
	reason := fmt.Sprintf("no OpenSSL 3 to check with: %q, %v", output, err)
	if os.Getenv(requireOpenSSL) != "" {
		t.Fatal(reason + ", but " + requireOpenSSL + " is set")
	}
	t.Skip(reason)
}

func newOpenSSL(t *testing.T, public ed25519.PublicKey) openSSL {
	t.Helper()
	o := openSSL{t.TempDir()}
	header, err := hex.DecodeString("302a300506032b6570032100")
	require.NoError(t, err)
	o.write(t, "pub.der", append(header, public...))
	return o
}

func (o openSSL) write(t *testing.T, name string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(o.folder, name), data, 0o600))
}

func (o openSSL) run(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "openssl", args...)
	command.Dir = o.folder
	return command.CombinedOutput()
}

// verifies reports whether OpenSSL verifies the signature.
func (o openSSL) verifies(t *testing.T, payload, made []byte) bool {
	t.Helper()
	o.write(t, "payload", payload)
	o.write(t, "sig.bin", made)
	output, err := o.run(t, "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "pub.der", "-rawin", "-in", "payload", "-sigfile", "sig.bin")
	require.Equal(t, err == nil, strings.Contains(string(output), "Signature Verified Successfully"), "%s", output)
	return err == nil
}

// OpenSSL verifies the signatures of the vectors that are valid, and no others.
func TestOpenSSLVerifiesVectors(t *testing.T) {
	t.Parallel()
	findOpenSSL(t)
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := signer(t, name)
			o := newOpenSSL(t, s.Public())
			verified := 0
			for _, v := range vectors[verifyVector](t, "verify.jsonl") {
				if v.Outcome != signature.Valid && v.Outcome != signature.Invalid {
					continue
				}
				_, made, err := signature.Split(v.line(t))
				require.NoError(t, err)
				valid := v.Key == s.KeyID()
				require.Equal(t, valid, o.verifies(t, []byte(*v.Payload), made), v.Name)
				if valid {
					verified++
				}
			}
			require.Positive(t, verified)
		})
	}
}

func TestOpenSSLVerifiesBatches(t *testing.T) {
	t.Parallel()
	findOpenSSL(t)
	s := signer(t, "first")
	o := newOpenSSL(t, s.Public())
	for _, v := range vectors[batchVector](t, "batch.jsonl") {
		value, ours := strings.CutPrefix(strings.Join(v.Headers.Values(signature.HeaderSignature), " "), "v1a,")
		if v.Outcome != signature.Valid && v.Outcome != signature.Invalid || !ours || strings.Contains(value, " ") {
			continue // OpenSSL is asked about one signature
		}
		made, err := base64.StdEncoding.DecodeString(value)
		require.NoError(t, err)
		message := v.Headers.Get(signature.HeaderID) + "." + v.Headers.Get(signature.HeaderTimestamp) + "." + v.Body
		require.Equal(t, v.Key == s.KeyID(), o.verifies(t, []byte(message), made), v.Name)
	}
}

// Keys go to and fro between OpenSSL and us.
func TestOpenSSLKeyFiles(t *testing.T) {
	t.Parallel()
	findOpenSSL(t)
	o := openSSL{t.TempDir()}

	ours, err := signature.CreateKeyFile(filepath.Join(o.folder, "ours.pem"))
	require.NoError(t, err)
	o.write(t, "message", []byte("message"))
	output, err := o.run(t, "pkeyutl", "-sign", "-inkey", "ours.pem", "-rawin", "-in", "message", "-out", "made")
	require.NoError(t, err, "%s", output)
	made, err := os.ReadFile(filepath.Join(o.folder, "made"))
	require.NoError(t, err)
	require.Equal(t, ed25519.Sign(ours, []byte("message")), made)

	output, err = o.run(t, "genpkey", "-algorithm", "ed25519", "-out", "theirs.pem")
	require.NoError(t, err, "%s", output)
	theirs, err := signature.ReadKeyFile(filepath.Join(o.folder, "theirs.pem"))
	require.NoError(t, err)
	s, err := signature.NewSigner(theirs)
	require.NoError(t, err)
	line, err := s.Append(nil, []byte(`{"a":1}`))
	require.NoError(t, err)
	payload, made, err := signature.Split(line)
	require.NoError(t, err)
	require.True(t, newOpenSSL(t, s.Public()).verifies(t, payload, made))
}
