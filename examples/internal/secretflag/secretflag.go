// Package secretflag reads the secrets that the example programs take as flags.
// A command line is seen by every user of a machine and kept in the history of
// a shell, so a flag may also name where its secret is:
//
//	-token kpat_…            the secret itself
//	-token env:KONNECT_TOKEN the content of an environment variable
//	-token @token.txt        the content of a file
package secretflag

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Forms describes the values for the usage text of a flag.
const Forms = "the value itself, env:NAME or @FILE"

// maxBytes is more than any secret has. It bounds what is read of a file, which
// may be a device without an end.
const maxBytes = 64 << 10

// Read returns the secret that the value of a flag means. A line break at the
// end of a file is not part of it. The value "" is no secret: the result is
// empty, and no error. An empty variable or file is one.
//
// Errors do not repeat the value, which may be a secret that happens to begin
// with @ or env:.
func Read(value string) (webhook.Secret, error) {
	if name, ok := strings.CutPrefix(value, "env:"); ok {
		content, set := os.LookupEnv(name)
		switch {
		case !set:
			return webhook.Secret{}, errors.New("the environment variable is not set")
		case content == "":
			return webhook.Secret{}, errors.New("the environment variable is empty")
		}
		return webhook.NewSecret(content), nil
	}
	if name, ok := strings.CutPrefix(value, "@"); ok {
		return readFile(name)
	}
	return webhook.NewSecret(value), nil
}

func readFile(name string) (webhook.Secret, error) {
	file, err := os.Open(name)
	if err != nil {
		return webhook.Secret{}, withoutPath(err)
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxBytes+1))
	switch {
	case err != nil:
		return webhook.Secret{}, withoutPath(err)
	case len(content) > maxBytes:
		return webhook.Secret{}, errors.New("the file is too long for a secret")
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if secret == "" {
		return webhook.Secret{}, errors.New("the file is empty")
	}
	return webhook.NewSecret(secret), nil
}

// withoutPath returns why a file cannot be read, without its name.
func withoutPath(err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return errors.New("the file cannot be read: " + err.Error())
}
