package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// pemType is that of PKCS #8.
const pemType = "PRIVATE KEY"

// ParsePrivateKey reads an Ed25519 key from the only PEM block of PKCS #8, what
// "openssl genpkey -algorithm ed25519" writes. Encrypted keys are not supported.
// No error holds anything of the file.
func ParsePrivateKey(file []byte) (ed25519.PrivateKey, error) {
	block, rest := pem.Decode(file)
	switch {
	case block == nil:
		return nil, errors.New("signature: no PEM block")
	case block.Type != pemType:
		return nil, errors.New(`signature: the PEM block is not a "` + pemType + `" (PKCS #8, not encrypted)`)
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("signature: something after the PEM block")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("signature: the key is not PKCS #8")
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("signature: not an Ed25519 key")
	}
	return private, nil
}

// MarshalPrivateKey writes a key as a PEM block of PKCS #8, unencrypted.
func MarshalPrivateKey(private ed25519.PrivateKey) ([]byte, error) {
	if len(private) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("signature: the private key has %d bytes, not %d", len(private), ed25519.PrivateKeySize)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// ReadKeyFile reads a private key from a file: see [ParsePrivateKey].
func ReadKeyFile(name string) (ed25519.PrivateKey, error) {
	file, err := os.ReadFile(name) //nolint:gosec // the name is the caller's
	if err != nil {
		return nil, err
	}
	return ParsePrivateKey(file)
}

// CreateKeyFile makes a new private key and writes it to a new file that only
// its owner can read (by its mode, on systems that have one). It is an error
// that matches [fs.ErrExist] if there is such a file, which stays as it is.
func CreateKeyFile(name string) (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	file, err := MarshalPrivateKey(private)
	if err != nil {
		return nil, err
	}
	const ownerOnly fs.FileMode = 0o600
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly) //nolint:gosec // the name is the caller's
	if err != nil {
		return nil, err
	}
	_, err = f.Write(file)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(name))
	}
	return private, nil
}
