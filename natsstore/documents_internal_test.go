package natsstore

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who has seen enough of many documents leaves nothing behind in the library,
// which waits for somebody to take the rest.
//
//nolint:paralleltest // others would have watchers at the same time
func TestWatchThatEndsEarlyLeavesNothing(t *testing.T) {
	s := opened(t, config(t, single(t), 1))
	for i := range 600 {
		_, err := s.Put(t.Context(), fmt.Sprint("document-", i), []byte("value"), 0)
		require.NoError(t, err)
	}
	for range 10 {
		for _, err := range s.Watch(t.Context(), "") {
			require.NoError(t, err)
			break
		}
	}
	require.Eventually(t, func() bool {
		stacks := make([]byte, 8<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !strings.Contains(string(stacks), "jetstream.(*kvs).WatchFiltered.func")
	}, 10*time.Second, 100*time.Millisecond)
}
