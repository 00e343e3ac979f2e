package natsstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// endsMeanwhile is a context that ends after an answer has come, just before
// anybody looks.
type endsMeanwhile struct{ context.Context } //nolint:containedctx // it is one

func (endsMeanwhile) Done() <-chan struct{} { return nil }
func (endsMeanwhile) Err() error            { return context.Canceled }

// A block gives its place in the window back, however its publishing ends.
func TestWindowIsGivenBack(t *testing.T) {
	t.Parallel()
	s := opened(t, config(t, single(t), 1))
	unheard := nats.NewMsg(s.cfg.Subject + ".nobody.listens")
	_, err := s.publish(endsMeanwhile{t.Context()}, unheard)
	require.Error(t, err)
	require.Empty(t, s.window)
	_, err = s.publish(t.Context(), unheard)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Empty(t, s.window)
}

// store.ErrUnavailable tells that the block was not kept. So Append may not
// return it after a try that has stored the block, the answer to which was lost with the
// connection: it goes on until it knows.
func TestAppendWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	p := newProxy(t, single(t))
	cfg := config(t, single(t), 1)
	direct, err := open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, direct.Close()) })
	cfg.URL, cfg.Options = p.url(), []nats.Option{nats.ReconnectWait(10 * time.Millisecond)}
	s, err := open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })

	p.silence()
	type result struct {
		seq uint64
		err error
	}
	done := make(chan result, 1)
	go func() {
		seq, err := s.Append(t.Context(), "w", "id", store.Block{[]byte("event")})
		done <- result{seq, err}
	}()
	var stored uint64
	require.Eventually(t, func() bool {
		var err error
		stored, err = direct.last(t.Context(), cfg.eventsStream(), cfg.eventsPrefix()+"w")
		return err == nil && stored > 0
	}, time.Minute, time.Millisecond)
	p.cut(true)
	require.Eventually(t, func() bool { return !s.conn.IsConnected() }, time.Minute, time.Millisecond)
	_, err = s.Append(t.Context(), "other", "id", store.Block{[]byte("event")})
	require.ErrorIs(t, err, store.ErrUnavailable)
	p.cut(false)
	r := <-done
	require.NoError(t, r.err)
	require.Equal(t, stored, r.seq)
}

// Without a dedup id such a block is not published again. The error does not tell
// that it was not kept.
func TestAppendWithoutIDWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	p := newProxy(t, single(t))
	cfg := quiet(t)
	direct := opened(t, cfg)
	cfg.URL, cfg.Options = p.url(), []nats.Option{nats.ReconnectWait(10 * time.Millisecond)}
	s, err := open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })

	done := storedUnanswered(t, p, s, direct, "")
	p.cut(false)
	err = <-done
	require.ErrorContains(t, err, "the block may be kept or not")
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, []string{"event"}, read(t, direct, "w"))
}

// storedUnanswered appends an event through a proxy that then lets no answers through,
// and returns when the other store sees that it is stored, with what the call will
// come to.
func storedUnanswered(t *testing.T, p *proxy, s, direct *natsStore, id string) <-chan error {
	t.Helper()
	p.silence()
	done := make(chan error, 1)
	go func() {
		_, err := s.Append(t.Context(), "w", id, store.Block{[]byte("event")})
		done <- err
	}()
	require.Eventually(t, func() bool {
		stored, err := direct.last(t.Context(), s.cfg.eventsStream(), s.cfg.eventsPrefix()+"w")
		return err == nil && stored > 0
	}, time.Minute, time.Millisecond)
	return done
}

// One call keeps its block once, or says that nobody knows, however long an outage
// lasts.
func TestAppendThroughLongOutage(t *testing.T) {
	t.Parallel()
	p := newProxy(t, single(t))
	cfg := quiet(t)
	cfg.DedupWindow = 2*time.Second + cfg.timeout()
	direct := opened(t, cfg)
	cfg.URL, cfg.Options = p.url(), []nats.Option{nats.ReconnectWait(10 * time.Millisecond)}
	s := opened(t, cfg)
	done := storedUnanswered(t, p, s, direct, "id")
	p.cut(true)
	require.ErrorIs(t, <-done, errInDoubt)
	p.cut(false)
	require.Equal(t, []string{"event"}, read(t, direct, "w"))
}

// So it is where others are first all the while.
func TestAppendBehindOthers(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	cfg.Lease, cfg.Window = 2*time.Second, 1
	cfg.DedupWindow = 2*time.Second + cfg.timeout()
	p := newProxy(t, single(t))
	direct := opened(t, cfg)
	cfg.URL, cfg.Options = p.url(), []nats.Option{nats.ReconnectWait(10 * time.Millisecond)}
	s := opened(t, cfg)
	done := storedUnanswered(t, p, s, direct, "id")
	s.window <- struct{}{} // when the first try has given its place back
	p.cut(false)
	require.ErrorIs(t, <-done, errInDoubt)
	<-s.window
	require.Equal(t, []string{"event"}, read(t, direct, "w"))
}

// A block that is kept is not called one that is not.
func TestAppendKeptButNotSeen(t *testing.T) {
	t.Parallel()
	cfg := quiet(t)
	cfg.Lease = 2 * time.Second
	s := opened(t, cfg)
	_, err := s.Append(t.Context(), "w", "id", store.Block{[]byte("event")})
	require.NoError(t, err)
	prefix := s.apiPrefix
	s.apiPrefix = "NOBODY.LISTENS." // the servers go just after they have answered the publish
	_, err = s.Append(t.Context(), "w", "id", store.Block{[]byte("event")})
	s.apiPrefix = prefix
	require.ErrorIs(t, err, errInDoubt)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, []string{"event"}, read(t, s, "w"))
}

// What was refused is not kept, unless a try before that may have had an effect.
func TestRefused(t *testing.T) {
	t.Parallel()
	full := &jetstream.APIError{Code: 503, ErrorCode: errNoStorage}
	for _, test := range []struct {
		err  error
		open bool
		want error
	}{
		{full, false, store.ErrFull},
		{full, true, errInDoubt},
		{nats.ErrNoResponders, false, store.ErrUnavailable},
		{nats.ErrNoResponders, true, errInDoubt},
		{nats.ErrConnectionClosed, true, store.ErrClosed},
	} {
		got := refused(test.err, test.open)
		for _, target := range []error{store.ErrFull, store.ErrUnavailable, store.ErrClosed, errInDoubt} {
			require.Equal(t, errors.Is(test.want, target), errors.Is(got, target), "%v, open: %t", test.err, test.open)
		}
	}
	other := refused(&jetstream.APIError{Code: 400, ErrorCode: 1}, false)
	require.NotErrorIs(t, other, errInDoubt)
}
