package natsstore

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// losingServer is a server whose streams can go back to where they were.
type losingServer struct {
	t   *testing.T
	dir string
	*natstest.Cluster
}

// startLosing starts one with a name of its own, or none, which is the default.
func startLosing(t *testing.T, name string) losingServer {
	t.Helper()
	dir := t.TempDir()
	c, err := natstest.Start(dir, 1, func(o *server.Options) { o.ServerName = name })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	return losingServer{t, dir, c}
}

// config is one without a sweep.
func (s losingServer) config() Config {
	cfg := config(s.t, s.Cluster, 1)
	cfg.Sweep = time.Hour
	cfg.Logger = slog.New(slog.DiscardHandler)
	return cfg
}

// losing does something and then starts the server anew, which has lost what came
// to the stream meanwhile.
func (s losingServer) losing(stream string, do func()) {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.Server(0).StoreDir(), "*", "streams", stream))
	require.NoError(s.t, err)
	require.Len(s.t, found, 1)
	s.StopOne(0)
	kept := s.t.TempDir()
	require.NoError(s.t, os.CopyFS(kept, os.DirFS(found[0])))
	require.NoError(s.t, s.StartOne(0))
	do()
	s.StopOne(0)
	require.NoError(s.t, os.RemoveAll(found[0]))
	require.NoError(s.t, os.CopyFS(found[0], os.DirFS(kept)))
	require.NoError(s.t, s.StartOne(0))
}

// reached waits until the store is connected to the server that runs now.
func (s losingServer) reached(by *natsStore) {
	s.t.Helper()
	eventually(s.t, func() bool { return by.conn.ConnectedServerId() == s.Server(0).ID() })
}

// deliver acknowledges the next batch of the claim and returns its events.
func deliver(t *testing.T, c store.Claim) []string {
	t.Helper()
	b, err := c.Batch(t.Context(), all)
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
	return texts(b)
}

// When the server has lost its last events, with its power, it gives their
// sequences to new ones: these are delivered nevertheless, also where others have
// had so many since that the stream is longer than it was.
func TestEventsAfterOthersWereLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		frozen bool
		others int
	}{
		"acknowledged":                {},
		"acknowledged, others follow": {others: 20},
		"frozen":                      {frozen: true},
		"frozen, others follow":       {frozen: true, others: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startLosing(t, "server")
			cfg := server.config()
			s := opened(t, cfg)
			appended(t, s, "w", "kept")
			c := claimed(t, s, "w")
			require.Equal(t, []string{"kept"}, deliver(t, c))
			require.NoError(t, c.Release(t.Context(), store.Wait{}))
			require.NoError(t, s.Close())
			var lost store.Batch
			server.losing(cfg.eventsStream(), func() {
				s := opened(t, cfg)
				for range 5 {
					appended(t, s, "w", "lost")
				}
				c := claimed(t, s, "w")
				var err error
				lost, err = c.Batch(t.Context(), all)
				require.NoError(t, err)
				if !test.frozen {
					require.NoError(t, c.Ack(t.Context(), lost.ID, nil, store.Limits{}))
				}
				require.NoError(t, c.Release(t.Context(), store.Wait{}))
				require.NoError(t, s.Close())
			})

			s = opened(t, cfg)
			appended(t, s, "w", "after")
			for range test.others {
				appended(t, s, "other", "x")
			}
			c = claimed(t, s, "w")
			again, err := c.Batch(t.Context(), all)
			require.NoError(t, err)
			require.Equal(t, []string{"after"}, texts(again))
			require.NotEqual(t, lost.ID, again.ID)
			require.NoError(t, c.Ack(t.Context(), again.ID, nil, store.Limits{}))
			appended(t, s, "w", "later")
			require.Equal(t, []string{"later"}, deliver(t, c))
		})
	}
}

// The same when the webhook is claimed all the while, and read ahead. Where the
// store does not know which process of the server it talks to, as behind a leaf
// node, it looks each time.
func TestHeldWhileEventsAreLost(t *testing.T) {
	t.Parallel()
	for test, name := range map[string]string{"a server with a name": "server", "without one": "", "of unknown processes": "unknown"} {
		t.Run(test, func(t *testing.T) {
			t.Parallel()
			heldWhileEventsAreLost(t, name)
		})
	}
}

func heldWhileEventsAreLost(t *testing.T, name string) {
	t.Helper()
	server := startLosing(t, name)
	cfg := server.config()
	s := opened(t, cfg)
	if name == "unknown" {
		s.keeper = "the hub"
	}
	appended(t, s, "w", "1", "2")
	c := claimed(t, s, "w")
	one := store.Limits{Events: 1, Bytes: 100}
	first, err := c.Batch(t.Context(), one)
	require.NoError(t, err)

	// A server that was started anew and has everything changes nothing.
	server.losing(cfg.eventsStream(), func() {
		server.reached(s)
		require.NoError(t, c.Ack(t.Context(), first.ID, nil, one))
		second, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, []string{"2"}, texts(second))
		require.NoError(t, c.Ack(t.Context(), second.ID, nil, store.Limits{}))
		appended(t, s, "w", "lost", "lost too")
		third, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.Equal(t, []string{"lost"}, texts(third))
	})
	server.reached(s)
	appended(t, s, "w", "after")
	appended(t, s, "w", "later")
	require.ErrorIs(t, c.Save(t.Context(), nil), store.ErrClaimLost)
	require.Equal(t, []string{"after", "later"}, deliver(t, claimed(t, s, "w")))
}

// Events that were read ahead and then lost make no batch with those that got later
// sequences, although the call that makes it began before anybody could know.
func TestReadAheadWhileEventsAreLost(t *testing.T) {
	t.Parallel()
	server := startLosing(t, "server")
	cfg := server.config()
	cfg.Lease = 5 * time.Minute
	direct := opened(t, cfg)
	p := newProxy(t, server.Cluster)
	cfg.URL, cfg.Options = p.url(), []nats.Option{nats.ReconnectWait(10 * time.Millisecond), nats.ReconnectJitter(0, 0)}
	appended(t, direct, "w", "0")
	var c *claim
	server.losing(cfg.eventsStream(), func() {
		server.reached(direct)
		s := opened(t, cfg)
		appended(t, s, "w", "lost")
		appended(t, s, "w", "lost too")
		c = claimed(t, s, "w")
		first, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		require.NoError(t, c.Ack(t.Context(), first.ID, nil, store.Limits{}))
		_, err = c.State(t.Context())
		require.NoError(t, err)
		require.Len(t, c.items, 2)
		p.cut(true)
	})
	server.reached(direct)
	done := make(chan error)
	var got []string
	go func() {
		batch, err := c.Batch(t.Context(), all)
		got = texts(batch)
		done <- err
	}()
	eventually(t, func() bool { return len(c.slot) == 1 })
	appended(t, direct, "w", "new 1") // with the sequence of one that is lost
	appended(t, direct, "w", "new 2")
	appended(t, direct, "w", "new 3")
	p.cut(false)
	if err := <-done; err != nil {
		require.ErrorIs(t, err, store.ErrClaimLost)
		got = deliver(t, claimed(t, direct, "w"))
	}
	require.Equal(t, []string{"new 1", "new 2", "new 3"}, got)
}

// When tokens are lost, their sequences are given to others: who holds a stream by a
// lost one does not remove another's.
func TestHeldWhileTokensAreLost(t *testing.T) {
	t.Parallel()
	server := startLosing(t, "server")
	cfg := server.config()
	cfg.Lease = 5 * time.Minute
	s := opened(t, cfg)
	var c *claim
	server.losing(cfg.tokensStream(), func() {
		server.reached(s)
		appended(t, s, "w", "1")
		c = claimed(t, s, "w")
		require.Equal(t, []string{"1"}, deliver(t, c))
	})
	server.reached(s)
	appended(t, s, "other", "2")
	require.NoError(t, s.ringer.flush(t.Context(), true))
	last, err := s.last(t.Context(), cfg.tokensStream(), cfg.tokensPrefix()+"other")
	require.NoError(t, err)
	require.Equal(t, c.token.seq, last)
	require.ErrorIs(t, c.Release(t.Context(), store.Wait{}), store.ErrClaimLost)
	require.NoError(t, s.ringer.flush(t.Context(), true)) // w gets one in any case
	for _, stream := range []string{"other", "w"} {
		last, err = s.last(t.Context(), cfg.tokensStream(), cfg.tokensPrefix()+stream)
		require.NoError(t, err)
		require.NotZero(t, last, stream)
	}
}

// A server that has lost the tokens of old events with its power, in a store that
// has been swept since: they are found nevertheless.
func TestTokensWereLost(t *testing.T) {
	t.Parallel()
	server := startLosing(t, "server")
	cfg := server.config()
	s := opened(t, cfg)
	swept := func(change func(*sweeps)) {
		var done sweeps
		rev := uint64(0)
		entry, err := s.entry(t.Context(), sweepKey)
		require.NoError(t, err)
		if entry != nil {
			require.NoError(t, json.Unmarshal(entry.Value(), &done))
			rev = entry.Revision()
		}
		change(&done)
		_, err = s.sweepOnce(t.Context(), done, rev)
		require.NoError(t, err)
	}
	server.losing(cfg.tokensStream(), func() {
		server.reached(s)
		appended(t, s, "w", "old")
		require.NoError(t, s.ringer.flush(t.Context(), true))
		swept(func(*sweeps) {})
	})
	server.reached(s)
	last, err := s.last(t.Context(), cfg.tokensStream(), cfg.tokensPrefix()+"w")
	require.NoError(t, err)
	require.Zero(t, last)
	swept(func(done *sweeps) { done.Orphans = time.Now().Add(time.Hour) }) // as if those had come long ago
	require.Equal(t, []string{"old"}, deliver(t, claimed(t, s, "w")))
}

// Of a block that was acknowledged in part the rest is sent again with it.
func TestRewindInABlock(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1", "2", "3")
	c := claimed(t, s, "w")
	batch, err := c.Batch(t.Context(), store.Limits{Events: 1, Bytes: 10})
	require.NoError(t, err)
	require.NoError(t, c.Ack(t.Context(), batch.ID, nil, store.Limits{}))
	d := c.doc
	lost, err := s.rewind(t.Context(), "w", &d)
	require.NoError(t, err)
	require.False(t, lost)
	require.Equal(t, c.doc, d)

	d.Server = "another"
	lost, err = s.rewind(t.Context(), "w", &d)
	require.NoError(t, err)
	require.False(t, lost)
	require.Equal(t, c.doc, d)

	for range 2 { // once more when it is lost once more
		d.Next.Seq += 10
		d.Server = "another"
		lost, err = s.rewind(t.Context(), "w", &d)
		require.NoError(t, err)
		require.True(t, lost)
		require.Equal(t, store.Position{Seq: c.doc.Next.Seq}, d.Next)
	}
	d.Server = "another" // there is nothing before the first message
	lost, err = s.rewind(t.Context(), "w", &d)
	require.NoError(t, err)
	require.False(t, lost)
}

// What is damaged, or past the retention, is not lost.
func TestNothingToRewind(t *testing.T) {
	t.Parallel()
	s := opened(t, quiet(t))
	appended(t, s, "w", "1")
	c := claimed(t, s, "w")
	kept := func() {
		t.Helper()
		d := c.doc
		d.Server = "another"
		lost, err := s.rewind(t.Context(), "w", &d)
		require.NoError(t, err)
		require.False(t, lost)
	}
	kept()
	require.Equal(t, []string{"1"}, deliver(t, c))
	kept()
	for range 2 { // behind nothing, and behind a frozen batch
		_, err := s.js.Publish(t.Context(), s.cfg.eventsPrefix()+"w", []byte("garbage"))
		require.NoError(t, err)
		_, err = c.Batch(t.Context(), all)
		require.ErrorIs(t, err, store.ErrNoEvents)
		kept()
		appended(t, s, "w", "2")
		_, err = c.Batch(t.Context(), all)
		require.NoError(t, err)
		kept()
	}
	require.NoError(t, s.events.Purge(t.Context()))
	kept()
}

// What was acknowledged or skipped is not sent again when only events behind it
// were lost.
func TestRewindBehindAcknowledged(t *testing.T) {
	t.Parallel()
	frozen := func(t *testing.T, c *claim) store.Batch {
		t.Helper()
		batch, err := c.Batch(t.Context(), one)
		require.NoError(t, err)
		return batch
	}
	skipped := func(t *testing.T, c *claim) {
		t.Helper()
		events := readAll(t, c.s, "w")
		skipped, err := c.Skip(t.Context(), events[1].Time, nil)
		require.NoError(t, err)
		require.EqualValues(t, 1, skipped.Events)
	}
	for name, pass := range map[string]func(*testing.T, *claim){
		"acknowledged": func(t *testing.T, c *claim) {
			t.Helper()
			require.NoError(t, c.Ack(t.Context(), frozen(t, c).ID, nil, store.Limits{}))
		},
		"skipped": skipped,
		"skipped with its batch": func(t *testing.T, c *claim) {
			t.Helper()
			frozen(t, c)
			skipped(t, c)
		},
		"expired": func(t *testing.T, c *claim) {
			t.Helper()
			_, err := c.s.passed(t.Context(), "w", &c.doc, readAll(t, c.s, "w")[1].Position.Seq)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := opened(t, patient(t))
			appended(t, s, "w", "1")
			second := appended(t, s, "w", "2")
			appended(t, s, "w", "3")
			c := soon(t, s, "w")
			pass(t, c)
			_, err := c.Batch(t.Context(), all)
			require.NoError(t, err)
			d := c.doc
			d.Frozen = slices.Clone(d.Frozen)
			d.Frozen[0].End.Seq += 10 // the batch had more, which the server has lost
			d.Server = "another"
			lost, err := s.rewind(t.Context(), "w", &d)
			require.NoError(t, err)
			require.True(t, lost)
			require.Equal(t, store.Position{Seq: second}, d.Next)
			require.Empty(t, d.Frozen)
		})
	}
}

// Events of others may stand just before where the rest of a webhook's begins after
// a loss: that is not taken for another one.
func TestRewindBehindOthers(t *testing.T) {
	t.Parallel()
	for _, keeper := range []string{"server", "another"} {
		t.Run(keeper, func(t *testing.T) {
			t.Parallel()
			server := startLosing(t, "server")
			cfg := server.config()
			s := opened(t, cfg)
			s.keeper = keeper // if it is another, nobody knows which process it is
			take := func(want string) {
				t.Helper()
				for {
					c, err := s.Claim(t.Context())
					require.NoError(t, err)
					b, err := c.Batch(t.Context(), all)
					if err != nil {
						require.ErrorIs(t, err, store.ErrClaimLost)
						continue
					}
					require.NoError(t, c.Ack(t.Context(), b.ID, nil, store.Limits{}))
					require.NoError(t, c.Release(t.Context(), store.Wait{}))
					if c.Stream() == "w" {
						require.Equal(t, []string{want}, texts(b))
						return
					}
				}
			}
			appended(t, s, "w", "kept")
			take("kept")
			for n := range 2 {
				server.losing(cfg.eventsStream(), func() {
					server.reached(s)
					appended(t, s, "w", "lost")
					take("lost")
				})
				server.reached(s)
				appended(t, s, "other", "x")
				after := fmt.Sprint("after ", n)
				appended(t, s, "w", after)
				require.NoError(t, s.ringer.flush(t.Context(), true))
				take(after)
			}
		})
	}
}
