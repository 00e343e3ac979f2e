package natsstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// behind opens a store, which is quiet, behind a proxy, and another beside it.
func behind(t *testing.T) (s, direct *natsStore, p *proxy) {
	t.Helper()
	cfg := quiet(t)
	direct = opened(t, cfg)
	p = newProxy(t, single(t))
	cfg.URL, cfg.Options = p.url(), []nats.Option{nats.ReconnectWait(10 * time.Millisecond), nats.ReconnectJitter(0, 0)}
	return opened(t, cfg), direct, p
}

// The window bounds what is under way, and who is beyond it waits without an error.
func TestWindow(t *testing.T) {
	t.Parallel()
	s, direct, p := behind(t)
	p.silence()
	const calls = 300
	var running sync.WaitGroup
	errs := make([]error, calls)
	for i := range calls {
		running.Go(func() {
			_, errs[i] = s.Append(t.Context(), "w", fmt.Sprint(i), store.Block{[]byte("event")})
		})
	}
	eventually(t, func() bool {
		info, err := direct.eventsInfo(t.Context())
		return err == nil && info.State.LastSeq == DefaultWindow
	})
	require.Len(t, s.window, DefaultWindow)
	require.Equal(t, DefaultWindow, s.publisher.js.PublishAsyncPending())
	p.cut(false)
	running.Wait()
	for _, err := range errs {
		if err != nil { // of those that had not begun when the connection was lost
			require.ErrorIs(t, err, store.ErrUnavailable)
		}
	}
	require.Empty(t, s.window)
	for i, err := range errs {
		if err != nil {
			_, err = s.Append(t.Context(), "w", fmt.Sprint(i), store.Block{[]byte("event")})
			require.NoError(t, err)
		}
	}
	state, err := direct.State(t.Context(), "w")
	require.NoError(t, err)
	require.EqualValues(t, calls, state.Events)
}

// A connection that takes nothing any more is given up within seconds, and a new
// one is made. With the library's default it would take a minute, for which
// whatever is called hangs.
func TestStuckConnection(t *testing.T) {
	t.Parallel()
	s, _, p := behind(t)
	p.deafen()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	large := store.Block{make([]byte, store.MaxBlockBytes)}
	var running sync.WaitGroup
	errs := make([]error, 8) // more than buffers hold
	for i := range errs {
		running.Go(func() { _, errs[i] = s.Append(ctx, "large", fmt.Sprint(i), large) })
	}
	eventually(t, func() bool { return s.conn.Stats().Reconnects > 0 || ctx.Err() != nil })
	require.NoError(t, ctx.Err())
	p.cut(false)
	_, err := s.Append(ctx, "w", "id", store.Block{[]byte("event")})
	for errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
		_, err = s.Append(ctx, "w", "id", store.Block{[]byte("event")})
	}
	require.NoError(t, err)
	running.Wait()
	for _, err := range errs {
		if err != nil { // that it was not kept is certain
			require.ErrorIs(t, err, store.ErrUnavailable)
		}
	}
}

// Reads without a connection leave nothing behind.
func TestReadsWithoutConnection(t *testing.T) {
	t.Parallel()
	s, _, p := behind(t)
	appended(t, s, "w", "1")
	before := s.conn.NumSubscriptions()
	p.cut(true)
	eventually(t, func() bool { return !s.conn.IsConnected() })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var running sync.WaitGroup
	for range 50 {
		running.Go(func() {
			for _, err := range s.Read(ctx, "w", store.From{}) {
				_ = err
			}
		})
	}
	running.Wait()
	left := s.conn.NumSubscriptions()
	p.cut(false)
	require.Less(t, left, before+10, "there were 50 readers, each of whom tried several times")
}

// While no token can be published a total tries each once, and Close as often as
// else.
func TestFlushWithoutConnection(t *testing.T) {
	t.Parallel()
	s, _, p := behind(t)
	p.cut(true)
	eventually(t, func() bool { return !s.conn.IsConnected() })
	const streams = 20
	for i := range streams {
		s.ringer.ring(fmt.Sprint("w", i))
	}
	require.NoError(t, s.ringer.flush(t.Context(), false))
	ctx, cancel := context.WithTimeout(t.Context(), 2*ringInterval)
	defer cancel()
	require.Error(t, s.ringer.flush(ctx, true))
	s.ringer.mu.Lock()
	cooling := len(s.ringer.cooling)
	s.ringer.mu.Unlock()
	require.LessOrEqual(t, cooling, streams, "a stream cools once at a time")
	p.cut(false)
	require.NoError(t, s.ringer.flush(t.Context(), true))
}

// The library may tell of a token twice, when the connection is lost while it is
// published.
func TestTokenAnsweredTwice(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	s.ringer.mu.Lock()
	msg := &nats.Msg{Header: nats.Header{streamHeader: {"w"}}}
	s.ringer.streams["w"] = ring{flying: msg}
	s.ringer.flying++
	s.ringer.mu.Unlock()
	s.ringer.answered(msg, nats.ErrDisconnected)
	s.ringer.answered(msg, nats.ErrReconnectBufExceeded)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, s.ringer.flush(ctx, true))
	_, err := s.Total(ctx)
	require.NoError(t, err)
	s.ringer.mu.Lock()
	defer s.ringer.mu.Unlock()
	require.Zero(t, s.ringer.flying)
}

// A token that is published while its stream still cools, for a total is counted, is
// the only one: the answer to each is awaited.
func TestCooledWhileFlying(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	r := s.ringer
	msg := &nats.Msg{Header: nats.Header{streamHeader: {"w"}}}
	r.mu.Lock()
	r.streams["w"] = ring{flying: msg, again: true, cooling: true}
	r.flying++
	r.cooling = append(r.cooling, cooling{stream: "w"})
	r.cooled()
	require.False(t, r.streams["w"].queued)
	r.mu.Unlock()
	r.answered(msg, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, r.flush(ctx, true))
	eventually(t, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.flying == 0 && len(r.streams) == 0 && len(r.cooling) == 0
	})
}

// Servers that elect a leader say at once that there is none: then a message is
// asked for again.
func TestGetDuringElection(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	answers := make(chan getAnswer, 3)
	leaderless := getAnswer{Error: &jetstream.APIError{Code: 503, ErrorCode: 10008, Description: "JetStream system temporarily unavailable"}}
	_, err := s.conn.Subscribe("elsewhere.STREAM.MSG.GET.x", func(msg *nats.Msg) {
		data, err := json.Marshal(<-answers)
		if err == nil {
			_ = msg.Respond(data)
		}
	})
	require.NoError(t, err)
	elsewhere := &natsStore{cfg: s.cfg, conn: s.conn, apiPrefix: "elsewhere."}
	found := getAnswer{}
	require.NoError(t, json.Unmarshal([]byte(`{"message":{"subject":"s","seq":7}}`), &found))
	answers <- leaderless
	answers <- leaderless
	answers <- found
	msg, err := elsewhere.get(t.Context(), "x", getRequest{Seq: 7})
	require.NoError(t, err)
	require.EqualValues(t, 7, msg.Sequence)

	answers <- getAnswer{Error: &jetstream.APIError{Code: 404, ErrorCode: jetstream.JSErrCodeMessageNotFound}}
	msg, err = elsewhere.get(t.Context(), "x", getRequest{Seq: 7})
	require.NoError(t, err)
	require.Nil(t, msg)
	answers <- getAnswer{Error: &jetstream.APIError{Code: 404, ErrorCode: jetstream.JSErrCodeStreamNotFound}}
	_, err = elsewhere.get(t.Context(), "x", getRequest{Seq: 7})
	require.ErrorIs(t, err, jetstream.ErrStreamNotFound)
	answers <- getAnswer{}
	_, err = elsewhere.get(t.Context(), "x", getRequest{Seq: 7})
	require.ErrorIs(t, err, jetstream.ErrInvalidJetStreamResponse)
}

// When the connection is lost while the headers of events are read, those that were
// on their way are read again: their streams would be missed.
func TestHeadersLostOnTheirWay(t *testing.T) {
	t.Parallel()
	s, direct, p := behind(t)
	const streams = 3000
	var running sync.WaitGroup
	for i := range DefaultWindow {
		running.Go(func() {
			for n := i; n < streams; n += DefaultWindow {
				_, err := direct.Append(t.Context(), fmt.Sprint("w", n), "", store.Block{[]byte("event")})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	info, err := direct.eventsInfo(t.Context())
	require.NoError(t, err)
	p.endAfter(60_000)
	found, err := s.recent(t.Context(), time.Time{}, info.State.LastSeq, func() error { return nil })
	require.NoError(t, err)
	require.Len(t, found, streams)
	require.Positive(t, s.conn.Stats().Reconnects)

	// The same for what has expired: no stream is without its gap.
	p.endAfter(60_000)
	require.NoError(t, s.ringer.flush(t.Context(), true))
	require.NoError(t, direct.ringer.flush(t.Context(), true))
	require.NoError(t, s.expire(t.Context(), info.TimeStamp.Add(time.Hour), &info.State, func() error { return nil }))
	after, err := direct.eventsInfo(t.Context())
	require.NoError(t, err)
	require.Zero(t, after.State.Msgs)
	total, err := direct.Total(t.Context())
	require.NoError(t, err)
	require.Zero(t, total.Events)
	for n := range streams {
		d, _, err := direct.load(t.Context(), fmt.Sprint("w", n))
		require.NoError(t, err)
		require.Len(t, d.Gaps, 1, n)
	}
}
