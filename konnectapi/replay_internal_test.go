package konnectapi

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"
)

// Limiters that have nothing to say are forgotten, and others are not.
func TestLimitsAreForgotten(t *testing.T) {
	t.Parallel()
	l := limits{byID: map[string]*rate.Limiter{}}
	now := time.Unix(1750280466, 0)
	for range replayBurst {
		require.Zero(t, l.wait("busy", now))
	}
	for i := range 500 {
		now = now.Add(replayInterval / 100)
		require.Zero(t, l.wait(fmt.Sprint(i), now))
		require.LessOrEqual(t, len(l.byID), 1+2*100)
	}
	require.Contains(t, l.byID, "busy")
	l.wait("x", now.Add(time.Hour))
	require.Len(t, l.byID, 1)
}
