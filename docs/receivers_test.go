package docs_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
)

// Operators find every field of Konnect's events in the mapping.
func TestMapping(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{auditlog.SignatureKey: true}
	for _, e := range konnecttest.Events(1, 1000, time.Now()) {
		for _, a := range e.Attributes {
			keys[a.Key] = true
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(keys)), open(t, "receivers.md").names(t, "## Mapping"))
}
