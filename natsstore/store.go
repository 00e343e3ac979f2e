package natsstore

import (
	"context"
	"errors"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Open is to be written.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return nil, errors.Join(ctx.Err(), errors.New("to be written"))
}
