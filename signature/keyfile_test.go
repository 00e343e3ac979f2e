package signature_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

func TestKeyFile(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "key.pem")
	made, err := signature.CreateKeyFile(name)
	require.NoError(t, err)
	read, err := signature.ReadKeyFile(name)
	require.NoError(t, err)
	require.Equal(t, made, read)
	if runtime.GOOS != "windows" {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode())
	}

	before, err := os.ReadFile(name)
	require.NoError(t, err)
	_, err = signature.CreateKeyFile(name)
	require.ErrorIs(t, err, fs.ErrExist)
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, before, after)

	other, err := signature.CreateKeyFile(filepath.Join(t.TempDir(), "key.pem"))
	require.NoError(t, err)
	require.NotEqual(t, made, other)

	_, err = signature.CreateKeyFile(filepath.Join(t.TempDir(), "none", "key.pem"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = signature.ReadKeyFile(filepath.Join(t.TempDir(), "key.pem"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestParsePrivateKey(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	good, err := signature.MarshalPrivateKey(private)
	require.NoError(t, err)
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(elliptic)
	require.NoError(t, err)
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	const wrongType = `signature: the PEM block is not a "PRIVATE KEY" (PKCS #8, not encrypted)`
	for _, test := range []struct {
		name string
		file []byte
		want string
	}{
		{"as written", good, ""},
		{"text before, white space after", append([]byte("a key\n"), append(good, "\n \n"...)...), ""},
		{"empty", nil, "signature: no PEM block"},
		{"the key alone", private, "signature: no PEM block"},
		{"cut short", good[:len(good)-10], "signature: no PEM block"},
		{"a certificate", block("CERTIFICATE", nil), wrongType},
		{"an encrypted key", block("ENCRYPTED PRIVATE KEY", nil), wrongType},
		{"a key of OpenSSH", block("OPENSSH PRIVATE KEY", nil), wrongType},
		{"a public key", block("PUBLIC KEY", private[32:]), wrongType},
		{"two keys", bytes.Repeat(good, 2), "signature: something after the PEM block"},
		{"no PKCS #8", block("PRIVATE KEY", private), "signature: the key is not PKCS #8"},
		{"another algorithm", block("PRIVATE KEY", der), "signature: not an Ed25519 key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			read, err := signature.ParsePrivateKey(test.file)
			if test.want != "" {
				require.EqualError(t, err, test.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, private, read)
			again, err := signature.MarshalPrivateKey(read)
			require.NoError(t, err)
			require.True(t, bytes.Contains(test.file, again))
		})
	}
	_, err = signature.MarshalPrivateKey(private[:32])
	require.EqualError(t, err, "signature: the private key has 32 bytes, not 64")
}
