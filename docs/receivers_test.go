package docs_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/preset"
)

// The table of receivers is that of package preset.
func TestReceivers(t *testing.T) {
	t.Parallel()
	var want [][]string
	for _, p := range preset.All() {
		row := []string{"`" + p.Name + "`", p.Title, "no", "", "", "", ""}
		if p.Refusal == "" {
			row = append(row[:2], "yes", p.Compression, size(p.BodyLimit), size(p.LineLimit), "any")
			if p.ReplayAge > 0 {
				row[6] = printed(p.ReplayAge)
			}
		}
		want = append(want, row)
	}
	rows := open(t, "receivers.md").section(t, "## What is sent, and who takes it").rows(t)
	got := slices.DeleteFunc(rows, func(cells []string) bool { return len(cells) != 7 })
	require.Empty(t, cmp.Diff(want, got))
}

// size returns a limit as the page has it.
func size(limit int) string {
	if limit == 0 {
		return ""
	}
	return printed(limit)
}

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
