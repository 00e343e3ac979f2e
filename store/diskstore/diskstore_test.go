package diskstore_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/diskstore"
	"github.com/seed-6bcf82c5/auditlog/store/storetest"
)

func TestMain(m *testing.M) {
	if life := os.Getenv(killedEnv); life != "" {
		os.Exit(killedMain(life))
	}
	goleak.VerifyTestMain(m)
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		clock := storetest.NewClock()
		cfg := diskstore.Config{
			Dir: filepath.Join(t.TempDir(), "store"), Clock: clock, Retention: 2 * time.Hour,
			SegmentBytes: diskstore.MinSegmentBytes, // so that they rotate
			OnDamage:     func(e *diskstore.DamageError) { t.Errorf("damage: %v", e) },
		}
		return storetest.Subject{
			Open:    func() (store.Store, error) { return diskstore.Open(cfg) },
			Advance: clock.Advance,
			Lease:   diskstore.DefaultLease, Retention: cfg.Retention,
		}
	})
}
