package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

func TestPositions(t *testing.T) {
	t.Parallel()
	ordered := []store.Position{{}, {Index: 1}, {Seq: 1}, {Seq: 1, Index: 2}, {Seq: 2}, {Seq: 2, Index: 1}}
	for i, p := range ordered {
		for j, q := range ordered {
			require.Equal(t, sign(i-j), p.Compare(q), "%v and %v", p, q)
		}
	}
}

func sign(n int) int { return max(-1, min(1, n)) }

func TestErrorTexts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"empty name", store.CheckName("stream", ""), `stream "" is empty`},
		{"long name", store.CheckName("key", strings.Repeat("n", 256)), `key "` + strings.Repeat("n", 32) + `"… is longer than 255 bytes`},
		{"control", store.CheckName("key", "a\nb"), `key "a\nb" has a control character`},
		{"not UTF-8", store.CheckPrefix("prefix", "\xff"), `prefix "\xff" is not UTF-8`},
		{"too many", store.CheckDocument("the status's bytes", make([]byte, store.MaxDocument+1)), "the status's bytes: 1048577, but at most 1048576 are allowed"},
		{"too few", func() error { _, err := store.CheckBlock(nil); return err }(), "the block's events: 0, but at least 1 are needed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.EqualError(t, tt.err, tt.want)
		})
	}
	require.NoError(t, store.CheckPrefix("prefix", ""))
	require.NoError(t, store.CheckName("key", strings.Repeat("n", 255)))
}

func TestSystemClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := store.SystemClock{}
		start := clock.Now()
		require.NoError(t, clock.Sleep(t.Context(), time.Hour))
		require.Equal(t, time.Hour, clock.Now().Sub(start))
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		require.ErrorIs(t, clock.Sleep(ctx, time.Hour), cause)
	})
}
