package receiver

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Lines are counted by more than their bytes, and where signatures are verified
// there may be a copy of each.
func TestMemoryOfLines(t *testing.T) {
	t.Parallel()
	const body = "CEF:0|a|b|c|d|e|1|\nx\n\n"
	for mode, want := range map[Verification]int64{
		VerifyOff:      3 * lineMemory,
		VerifyAnnotate: 3*lineMemory + int64(len(body)-1),
		VerifyRequire:  3*lineMemory + int64(len(body)-1),
	} {
		h, err := New(Config{
			Senders:  []Sender{{Authorizations: []webhook.Secret{webhook.NewSecret("Bearer x")}, Keys: signature.KeySet{}}},
			HandOver: func(context.Context, Batch) error { return nil },
			Verify:   mode,
		})
		require.NoError(t, err)
		b := buffer{memory: &h.memory}
		require.NoError(t, b.grow(int64(len(body))))
		b.data = append(b.data, body...)
		before := b.taken
		lines, refused := h.split(&b)
		require.Nil(t, refused)
		require.Len(t, lines, 3)
		require.Equal(t, want, b.taken-before, mode)
		b.release()
		require.Equal(t, h.config.Limits.Memory, h.memory.left)
	}
}
