package natsstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sethvargo/go-retry"

	"github.com/seed-6bcf82c5/auditlog/store"
)

const (
	// requestTimeout is how long an answer may take before the request is
	// made again, if the lease is long.
	requestTimeout = 5 * time.Second

	// pullExpiry is how long a request for a token waits at the server.
	pullExpiry = 30 * time.Second

	// pullHeartbeat is how often the server says that it still knows of that
	// request; it is made again after two of them. A server that dies tells
	// nobody that its requests are gone.
	pullHeartbeat = 2 * time.Second

	// closeTimeout is how long Close tries to give back what it holds.
	closeTimeout = 5 * time.Second
)

// timeout is how long an answer may take before the request is made again: one
// that is lost must not cost a claim.
func (cfg *Config) timeout() time.Duration {
	return min(requestTimeout, max(2*time.Second, cfg.Lease/4))
}

// writeTimeout is how long a write to the connection may take until that is given up.
// The largest blocks need some time on a slow line.
func (cfg *Config) writeTimeout() time.Duration {
	return min(3*requestTimeout, max(2*time.Second, cfg.Lease/4))
}

// fresh is for how long a holder relies on there being no more events than it has
// seen, when it removes its token.
func (cfg *Config) fresh() time.Duration { return cfg.Lease / 4 }

// natsStore implements store.Store.
type natsStore struct {
	cfg       Config
	conn      *nats.Conn
	apiPrefix string // of the JetStream API, with a dot at the end
	js        jetstream.JetStream

	events, tokens, stateStream, documentStream jetstream.Stream

	consumer          jetstream.Consumer
	states, documents jetstream.KeyValue

	publisher *publisher
	ringer    *ringer
	puller    *puller
	window    chan struct{} // has an element for each block that waits for its answer

	closing context.Context //nolint:containedctx // it ends with the store
	close   context.CancelCauseFunc
	running sync.WaitGroup

	mu   sync.Mutex
	held map[string]*claim // by stream

	total *totals

	replicas  int    // the fewest of the streams
	keeper    string // the name of the server that had all streams at the beginning
	scattered bool   // no single server had

	beforeToken func() // for tests: runs between an event and its token
}

var _ store.Store = (*natsStore)(nil)

// begin returns a context that ends with ctx and with the store.
func (s *natsStore) begin(ctx context.Context) (context.Context, func(), error) {
	if s.closing.Err() != nil {
		return nil, nil, store.ErrClosed
	}
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.closing, func() { cancel(store.ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}, nil
}

// do runs a call until ctx or the store ends.
func (s *natsStore) do(ctx context.Context, call func(context.Context) error) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return ended(ctx, call(ctx))
}

// ended returns why a call failed: the end of its context, if that has ended.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// retry makes a request, and again while it fails for reasons that pass, for as
// long as a lease.
func (s *natsStore) retry(ctx context.Context, request func(context.Context) error) error {
	backoff := retry.NewExponential(10 * time.Millisecond)
	backoff = retry.WithMaxDuration(s.cfg.Lease, retry.WithJitterPercent(20, retry.WithCappedDuration(time.Second, backoff)))
	err := retry.Do(ctx, backoff, func(ctx context.Context) error {
		once, cancel := context.WithTimeout(ctx, s.cfg.timeout())
		defer cancel()
		err := request(once)
		if err != nil && ctx.Err() == nil && transient(err) {
			return retry.RetryableError(err)
		}
		return err
	})
	if err != nil && ctx.Err() == nil && transient(err) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return ended(ctx, err)
}

// Read implements store.Store.
func (s *natsStore) Read(ctx context.Context, stream string, from store.From) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		if err := store.CheckName("stream", stream); err != nil {
			yield(store.Event{}, err)
			return
		}
		ctx, end, err := s.begin(ctx)
		if err != nil {
			yield(store.Event{}, err)
			return
		}
		defer end()
		for item, err := range s.items(ctx, stream, from) {
			if err == nil {
				err = item.damaged
			}
			if !yield(item.Event, ended(ctx, err)) {
				return
			}
		}
	}
}

// items yields the events of a stream, damaged blocks among them. An error is
// the last thing it yields.
func (s *natsStore) items(ctx context.Context, stream string, from store.From) iter.Seq2[*item, error] {
	return func(yield func(*item, error) bool) {
		subject := s.cfg.eventsPrefix() + escape(stream)
		for at := from; ; {
			items, more, err := s.page(ctx, subject, at)
			for i := range items {
				it := &items[i]
				if it.Position.Compare(from.Position) < 0 || it.Time.Before(from.Time) {
					continue
				}
				if !yield(it, nil) {
					return
				}
			}
			if err != nil {
				yield(&item{}, err)
				return
			}
			if more == 0 {
				return
			}
			at = store.From{Position: store.Position{Seq: items[len(items)-1].Position.Seq + 1}}
		}
	}
}

// State implements store.Store.
func (s *natsStore) State(ctx context.Context, stream string) (state store.State, err error) {
	if err := store.CheckName("stream", stream); err != nil {
		return store.State{}, err
	}
	err = s.do(ctx, func(ctx context.Context) error {
		for {
			d, _, err := s.load(ctx, stream)
			if err != nil {
				return err
			}
			var a ahead
			err = a.look(ctx, s, stream, d.end(), store.Limits{Events: exactEvents, Bytes: exactBytes})
			if errors.Is(err, errAnew) {
				continue
			}
			state = a.with(&d)
			return err
		}
	})
	return state, err
}

// Streams implements store.Store.
func (s *natsStore) Streams(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var names []string
		err := s.do(ctx, func(ctx context.Context) (err error) {
			names, err = s.streamNames(ctx)
			return err
		})
		if err != nil {
			yield("", err)
			return
		}
		for _, name := range names {
			if err := ctx.Err(); err != nil {
				yield("", context.Cause(ctx))
				return
			}
			if !yield(name, nil) {
				return
			}
		}
	}
}

// streamNames returns the names of the streams that have events or a document.
func (s *natsStore) streamNames(ctx context.Context) ([]string, error) {
	names := map[string]struct{}{}
	for _, part := range []struct {
		stream jetstream.Stream
		prefix string
	}{{s.events, s.cfg.eventsPrefix()}, {s.stateStream, s.statePrefix()}} {
		subjects, err := s.subjects(ctx, part.stream, part.prefix)
		if err != nil {
			return nil, err
		}
		for name := range subjects {
			names[name] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// statePrefix begins the subjects of the streams' documents.
func (s *natsStore) statePrefix() string { return "$KV." + s.cfg.statesBucket() + "." + stateKeys }

// subjects returns the names whose subjects, behind the prefix, have messages.
func (s *natsStore) subjects(ctx context.Context, stream jetstream.Stream, prefix string) (map[string]struct{}, error) {
	var info *jetstream.StreamInfo
	if err := s.retry(ctx, func(ctx context.Context) (err error) {
		info, err = stream.Info(ctx, jetstream.WithSubjectFilter(prefix+"*"))
		return err
	}); err != nil {
		return nil, err
	}
	names := make(map[string]struct{}, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		if name, ok := unescape(strings.TrimPrefix(subject, prefix)); ok {
			names[name] = struct{}{}
		}
	}
	return names, nil
}

// DeleteStream implements store.Store.
func (s *natsStore) DeleteStream(ctx context.Context, stream string) error {
	if err := store.CheckName("stream", stream); err != nil {
		return err
	}
	return s.do(ctx, func(ctx context.Context) error {
		// The document goes after the events: a claim of the meantime is
		// fenced, and what is appended meanwhile is a new beginning.
		key := escape(stream)
		for _, purge := range []struct {
			stream  jetstream.Stream
			subject string
		}{
			{s.events, s.cfg.eventsPrefix() + key},
			{s.stateStream, s.statePrefix() + key},
			{s.stateStream, s.wakePrefix() + key},
		} {
			if err := s.retry(ctx, func(ctx context.Context) error {
				return purge.stream.Purge(ctx, jetstream.WithPurgeSubject(purge.subject))
			}); err != nil {
				return err
			}
		}
		s.mu.Lock()
		c := s.held[stream]
		s.mu.Unlock()
		if c != nil {
			c.end()
			s.unhold(c)
		}
		token, err := s.last(ctx, s.cfg.tokensStream(), s.cfg.tokensPrefix()+key)
		if err != nil || token == 0 {
			return err
		}
		return s.drop(ctx, stream, token)
	})
}

// Close implements store.Store.
func (s *natsStore) Close() error {
	s.mu.Lock()
	already := s.closing.Err() != nil
	s.close(store.ErrClosed)
	held := slices.Collect(maps.Values(s.held))
	s.mu.Unlock()
	if already {
		s.running.Wait()
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.ringer.flush(ctx, true)
	s.ringer.stop()
	for _, c := range held {
		s.requeue(c.stream, c.token.seq)
	}
	s.running.Wait()
	if s.conn.IsConnected() {
		err = errors.Join(err, s.conn.FlushWithContext(ctx))
	}
	s.conn.Close()
	return err
}
