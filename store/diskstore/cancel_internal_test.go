package diskstore

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// A hanging disk holds nobody beyond their context. What was not begun is not
// accepted; what was, may be, and a second call with the same id finds it.
func TestCancelWhileTheDiskHangs(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	hanging, hang := make(chan struct{}), make(chan struct{})
	l.setFault(func(op string) error {
		if op == "sync" {
			hanging <- struct{}{}
			<-hang
		}
		return nil
	})
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	errs := make(chan error)
	appendTo := func(id, event string) {
		_, err := l.Append(ctx, "a", id, store.Block{[]byte(event)})
		errs <- err
	}
	go appendTo("begun", "second")
	<-hanging
	go appendTo("waiting", "never")
	go appendTo("begun", "another with the same id")
	cancel(cause)
	for range 3 {
		require.ErrorIs(t, <-errs, cause)
	}
	retried := make(chan uint64)
	go func() {
		seq, err := l.Append(t.Context(), "a", "begun", store.Block{[]byte("again")})
		if err != nil {
			t.Error(err)
		}
		retried <- seq
	}()
	close(hang)
	seq := <-retried
	var got []string
	var last uint64
	for e, err := range l.Read(t.Context(), "a", store.From{}) {
		require.NoError(t, err)
		got, last = append(got, string(e.Data)), e.Position.Seq
	}
	require.Equal(t, []string{"first", "second"}, got)
	require.Equal(t, last, seq)
	require.NoError(t, l.Close())
}
