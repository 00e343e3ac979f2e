package natsstore

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Those who ask for the total at once share the work of it, and who has appended
// something before finds it in there.
func TestTotalsShared(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	const streams, callers = 40, 32 // so few that they are counted each time
	for i := range streams {
		appended(t, s, fmt.Sprint("w", i), "event")
	}
	_, err := s.Total(t.Context())
	require.NoError(t, err)
	before := s.conn.Stats().OutMsgs
	_, err = s.Total(t.Context())
	require.NoError(t, err)
	once := s.conn.Stats().OutMsgs - before

	// All ask while one counts.
	s.total.turn <- struct{}{}
	before = s.conn.Stats().OutMsgs
	var running sync.WaitGroup
	totals := make([]store.Backlog, callers)
	errs := make([]error, callers)
	for i := range callers {
		running.Go(func() { totals[i], errs[i] = s.Total(t.Context()) })
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_, err = s.Total(ended)
	require.ErrorIs(t, err, context.Canceled)
	eventually(t, s.total.waiting)
	<-s.total.turn
	running.Wait()
	for i := range callers {
		require.NoError(t, errs[i])
		require.EqualValues(t, streams, totals[i].Events)
	}
	require.LessOrEqual(t, s.conn.Stats().OutMsgs-before, 3*once, "the last ones may have come too late")
}

// waiting tells whether somebody waits for the next sum.
func (t *totals) waiting() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next != nil
}

// Who waits for a sum that is abandoned adds it up itself.
func TestTotalAbandoned(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "event")
	ended, end := context.WithCancel(t.Context())
	end()
	for range 20 { // it may see the end, or get the turn
		s.total.turn <- struct{}{}
		done := make(chan error, 1)
		go func() {
			total, err := s.Total(t.Context())
			if err == nil && total.Events != 1 {
				err = fmt.Errorf("%d events", total.Events)
			}
			done <- err
		}()
		eventually(t, s.total.waiting)
		s.countFor(ended, s.total.next)
		<-s.total.turn
		require.NoError(t, <-done)
	}
}
