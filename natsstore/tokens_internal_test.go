package natsstore

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// What is appended while a holder that has sent everything still has its token is
// delivered when that one releases the stream.
func TestAppendedToHeld(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *claim){
		"released": func(t *testing.T, c *claim) {
			t.Helper()
			require.NoError(t, c.Release(t.Context(), store.Wait{}))
		},
		"released, the answer is lost": func(t *testing.T, c *claim) {
			t.Helper()
			c.s.tokens = forgetful{c.s.tokens}
			require.ErrorIs(t, c.Release(t.Context(), store.Wait{}), errAway)
		},
	} {
		for who, other := range map[string]bool{"by the same": false, "by another": true} {
			t.Run(name+", appended "+who, func(t *testing.T) {
				t.Parallel()
				cfg := patient(t)
				s := opened(t, cfg)
				appended(t, s, "w", "1")
				c := sent(t, s, "w", "1")
				from := s
				if other {
					from = opened(t, cfg)
				}
				appended(t, from, "w", "2")
				require.NoError(t, from.ringer.flush(t.Context(), true))
				end(t, c)
				sent(t, s, "w", "2")
			})
		}
	}
}

// forgetful is a stream whose answers to deletions are lost.
type forgetful struct{ jetstream.Stream }

func (f forgetful) DeleteMsg(ctx context.Context, seq uint64) error {
	if err := f.Stream.DeleteMsg(ctx, seq); err != nil {
		return err
	}
	return errAway
}

// A holder that finds out that another one has taken over, and is done, tells of
// what was appended in the belief that the release will look.
func TestAppendedToLost(t *testing.T) {
	t.Parallel()
	for name, find := range map[string]func(*claim) error{
		"by a change": func(c *claim) error { return c.Save(t.Context(), nil) },
		"by Keep":     func(c *claim) error { return c.Keep(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := quiet(t)
			a, b := opened(t, cfg), opened(t, cfg)
			appended(t, a, "w", "1")
			stale := claimed(t, a, "w")
			stale.asleep()
			require.NoError(t, sent(t, b, "w", "1").Release(t.Context(), store.Wait{}))
			require.True(t, a.holds("w"))
			appended(t, a, "w", "2")
			require.ErrorIs(t, find(stale), store.ErrClaimLost)
			require.False(t, a.holds("w"))
			sent(t, b, "w", "2")
		})
	}
}

// A token that the servers have lost is found missing by whoever gives its stream
// back, or wakes it.
func TestTokenIsLost(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(*testing.T, *claim, func()){
		"released": func(t *testing.T, c *claim, lose func()) {
			t.Helper()
			lose()
			require.ErrorIs(t, c.Release(t.Context(), store.Wait{}), store.ErrClaimLost)
		},
		"woken": func(t *testing.T, c *claim, lose func()) {
			t.Helper()
			require.NoError(t, c.Release(t.Context(), store.Wait{After: store.UntilWoken}))
			lose()
			require.NoError(t, c.s.Wake(t.Context(), "w"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, patient(t))
			appended(t, s, "w", "1")
			c := soon(t, s, "w")
			back(t, c, func() { require.NoError(t, s.tokens.DeleteMsg(t.Context(), c.token.seq)) })
			sent(t, s, "w", "1")
		})
	}
}

// Who takes very long to look at a token leaves the one alone who has got it after
// its lease, or a later one.
func TestLateTake(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	a, b := opened(t, cfg), opened(t, cfg)
	appended(t, a, "w", "1")
	late := *soon(t, a, "w").token
	require.NoError(t, a.replace(t.Context(), "w", late.seq))
	c := soon(t, b, "w")
	same := *c.token
	for _, token := range []*token{&late, &same} {
		token.delivered = 1
		taken, err := a.take(t.Context(), token)
		require.NoError(t, err)
		require.Nil(t, taken)
		last, err := b.last(t.Context(), cfg.tokensStream(), cfg.tokensPrefix()+"w")
		require.NoError(t, err)
		require.Equal(t, c.token.seq, last)
		require.NoError(t, c.Save(t.Context(), nil))
	}
}

// Who has waited too long to look at a token does not claim its stream at all.
func TestTakeAfterLease(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	late, err := s.puller.next(t.Context())
	require.NoError(t, err)
	late.at = time.Now().Add(-s.cfg.Lease)
	taken, err := s.take(t.Context(), late)
	require.NoError(t, err)
	require.Nil(t, taken)
	_, rev, err := s.load(t.Context(), "w")
	require.NoError(t, err)
	require.Zero(t, rev)
}

// A stream that has waited is as much its holder's as any other: neither Wake nor
// the retention takes it away.
func TestHeldAfterWait(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	require.NoError(t, soon(t, s, "w").Release(t.Context(), store.Wait{After: store.UntilWoken}))
	require.NoError(t, s.Wake(t.Context(), "w"))
	c := soon(t, s, "w")
	require.NoError(t, s.Wake(t.Context(), "w"))
	token, err := s.last(t.Context(), s.cfg.tokensStream(), s.cfg.tokensPrefix()+"w")
	require.NoError(t, err)
	require.Equal(t, c.token.seq, token)
	expired(t, s)
	batch, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, texts(batch))
}

// A claim whose first write was made although its answer was lost is got at once.
func TestClaimWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	m := meddle(s)
	m.update = unheard
	appended(t, s, "w", "1")
	sent(t, s, "w", "1")
	require.Nil(t, m.update)
}

// A token without work is removed. Of a stream that was deleted it leaves no
// document.
func TestTokenWithoutWork(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "done", "1")
	require.NoError(t, sent(t, s, "done", "1").Release(t.Context(), store.Wait{}))
	for _, stream := range []string{"deleted", "done"} {
		require.NoError(t, s.publishToken(t.Context(), stream, 0))
	}
	appended(t, s, "w", "1")
	c := soon(t, s, "w")
	require.EqualValues(t, 1, counted(t, s))
	require.Len(t, s.held, 1)
	_, rev, err := s.load(t.Context(), "deleted")
	require.NoError(t, err)
	require.Zero(t, rev)
	require.NoError(t, c.Release(t.Context(), store.Wait{After: store.UntilWoken}))
	require.Empty(t, s.held)
}

// A stream that was given back is nothing that the process remembers.
func TestReleasedIsForgotten(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]store.Wait{
		"at once": {}, "later": {After: time.Hour}, "until it is woken": {After: store.UntilWoken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, patient(t))
			appended(t, s, "w", "1")
			c := sent(t, s, "w", "1")
			require.Len(t, s.held, 1)
			require.Empty(t, c.returned)
			require.NoError(t, c.Release(t.Context(), wait))
			require.Empty(t, s.held)
		})
	}
}

// A wait is never longer than an hour for the server: a wake that was lost on its
// way costs no more. Who gives a stream back too late makes nobody wait.
func TestWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		after, want time.Duration
	}{
		"short":             {time.Second, time.Second},
		"long":              {2 * time.Hour, time.Hour},
		"until it is woken": {store.UntilWoken, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, patient(t))
			appended(t, s, "w", "1")
			c := soon(t, s, "w")
			m := c.spy()
			require.NoError(t, c.Release(t.Context(), store.Wait{After: test.after}))
			require.Equal(t, []time.Duration{test.want}, m.delays)
		})
	}
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		s := opened(t, patient(t))
		appended(t, s, "w", "1")
		c := soon(t, s, "w")
		m := c.spy()
		meddle(s).get = func(key string) error {
			if key == wakeKeys+"w" { // the document is written, the token is not given back
				c.mu.Lock()
				defer c.mu.Unlock()
				c.until = time.Now()
			}
			return nil
		}
		require.ErrorIs(t, c.Release(t.Context(), store.Wait{After: time.Second}), store.ErrClaimLost)
		require.Empty(t, m.delays)
	})
}

// A Claim that ends while it looks at a token gives that back at once.
func TestClaimEndsOverToken(t *testing.T) {
	t.Parallel()
	t.Run("with its context", func(t *testing.T) {
		t.Parallel()
		s := opened(t, patient(t))
		appended(t, s, "w", "1")
		ctx, cancel := context.WithCancelCause(t.Context())
		m := meddle(s)
		m.update = func(update func() (uint64, error)) (uint64, error) {
			cancel(errStopped)
			return 0, ctx.Err()
		}
		_, err := s.Claim(ctx)
		require.ErrorIs(t, err, errStopped)
		sent(t, s, "w", "1")
	})
	t.Run("with the store", func(t *testing.T) {
		t.Parallel()
		cfg := patient(t)
		other := opened(t, cfg)
		s, err := open(t.Context(), cfg)
		require.NoError(t, err)
		defer s.conn.Close()
		appended(t, other, "w", "1")
		c := soon(t, other, "w")
		batch, err := c.Batch(t.Context(), all) // there is work, without a look for more
		require.NoError(t, err)
		require.NoError(t, c.Release(t.Context(), store.Wait{}))
		meddle(s).update = func(update func() (uint64, error)) (uint64, error) {
			revision, err := update()
			s.close(store.ErrClosed) // as Close begins
			return revision, err
		}
		_, err = s.Claim(t.Context())
		require.ErrorIs(t, err, store.ErrClosed)
		require.Empty(t, s.held)
		require.NoError(t, s.conn.Flush())
		again, err := soon(t, other, "w").Batch(t.Context(), all)
		require.NoError(t, err)
		require.Equal(t, batch, again)
		s.ringer.stop()
		s.running.Wait()
	})
}

// A token that comes when nobody waits any more goes to another instance at once.
func TestTokenForNobody(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	s, other := opened(t, cfg), opened(t, cfg)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.Claim(ctx)
		ended <- err
	}()
	require.Eventually(t, func() bool {
		info, err := s.consumer.Info(t.Context())
		return err == nil && info.NumWaiting > 0
	}, time.Minute, time.Millisecond)
	cancel(errStopped)
	require.ErrorIs(t, <-ended, errStopped)
	appended(t, other, "w", "1")
	sent(t, other, "w", "1")
}

// endsOver is a context that has ended, and calls a function when somebody begins
// to wait for that.
type endsOver struct {
	context.Context //nolint:containedctx // it is one
	call            func()
}

func (c endsOver) Done() <-chan struct{} {
	c.call()
	return c.Context.Done()
}

// The same for one that comes just when the last one who waits stops to.
func TestTokenForWhoStopsToWait(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	p := s.puller
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errStopped)
	for {
		token, err := p.next(t.Context())
		require.NoError(t, err)
		handed := make(chan struct{})
		_, err = p.next(endsOver{over, func() {
			p.mu.Lock() // so that next cannot go before it was handed the token
			go func() {
				defer close(handed)
				defer p.mu.Unlock()
				p.waiting[0] <- token
				p.waiting = p.waiting[1:]
			}()
		}})
		<-handed
		if err != nil {
			require.ErrorIs(t, err, errStopped)
			break
		}
		s.requeue(token.stream, token.seq) // it was there first
	}
	sent(t, s, "w", "1")
}

// A message among the tokens that names no stream is removed, and told of.
func TestTokenOfNobody(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	var l logs
	cfg.Logger = l.logger()
	s := opened(t, cfg)
	_, err := s.js.Publish(t.Context(), cfg.tokensPrefix()+"=GG", nil)
	require.NoError(t, err)
	appended(t, s, "w", "1")
	require.NoError(t, sent(t, s, "w", "1").Release(t.Context(), store.Wait{}))
	require.Eventually(t, func() bool { return counted(t, s) == 0 }, time.Minute, time.Millisecond)
	require.Contains(t, l.String(), cfg.tokensPrefix()+"=GG")
}

// Wake can be called again before anybody has the stream. Of a stream that was
// deleted nothing stays, and Wake leaves nothing of it.
func TestWake(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	appended(t, s, "w", "1")
	require.NoError(t, soon(t, s, "w").Release(t.Context(), store.Wait{After: store.UntilWoken}))
	for range 3 {
		require.NoError(t, s.Wake(t.Context(), "w"))
	}
	require.NoError(t, s.ringer.flush(t.Context(), true))
	require.EqualValues(t, 1, counted(t, s))
	require.NoError(t, s.DeleteStream(t.Context(), "w"))
	require.NoError(t, s.Wake(t.Context(), "w"))
	info, err := s.stateStream.Info(t.Context())
	require.NoError(t, err)
	require.Zero(t, info.State.Msgs)
	require.Zero(t, counted(t, s))
}

// What a store holds when it is closed goes to another instance at once: claims,
// and what was appended last.
func TestCloseGivesBack(t *testing.T) {
	t.Parallel()
	cfg := patient(t)
	other := opened(t, cfg)
	for name, use := range map[string]func(*natsStore){
		"a claim": func(s *natsStore) {
			appended(t, s, "w", "event")
			soon(t, s, "w")
		},
		"an event": func(s *natsStore) { appended(t, s, "w", "event") },
		"a second event": func(s *natsStore) {
			appended(t, s, "w", "event")
			require.NoError(t, sent(t, s, "w", "event").Release(t.Context(), store.Wait{}))
			appended(t, s, "w", "event")
		},
	} {
		s, err := open(t.Context(), cfg)
		require.NoError(t, err)
		use(s)
		require.NoError(t, s.Close())
		require.NoError(t, sent(t, other, "w", "event").Release(t.Context(), store.Wait{}), name)
	}
}

// Total counts what was appended before, also when its token is only to come.
func TestTotalAfterAppend(t *testing.T) {
	t.Parallel()
	s := opened(t, patient(t))
	for range 3 {
		appended(t, s, "w", "event")
		total, err := s.Total(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1, total.Events)
		require.NoError(t, sent(t, s, "w", "event").Release(t.Context(), store.Wait{}))
	}
}
