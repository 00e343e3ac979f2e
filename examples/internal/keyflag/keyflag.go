// Package keyflag opens the key sets that the example programs take as flags.
package keyflag

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/signature"
)

// Open returns the keys of a JSON Web Key Set, by its URL or the name of a file.
// Those of a URL must be there now; they are fetched again when they change.
func Open(ctx context.Context, value string) (signature.Source, error) {
	if !strings.Contains(value, "://") {
		document, err := os.ReadFile(value)
		if err != nil {
			return nil, err
		}
		return signature.ParseKeySet(document)
	}
	keys, err := signature.NewRemote(signature.RemoteConfig{URL: value})
	if err != nil {
		return nil, err
	}
	if _, err := keys.Keys(ctx, time.Time{}); err != nil {
		return nil, err
	}
	return keys, nil
}
