package natsstore

import (
	"context"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// OpenWatched is Open with a function that is called between the publishing of
// an event and that of its token.
func OpenWatched(ctx context.Context, cfg Config, beforeToken func()) (store.Store, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.beforeToken = beforeToken
	return s, nil
}
