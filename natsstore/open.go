package natsstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// Open connects to the servers and opens the store, whose streams, buckets and
// consumer it creates where there are none. ctx bounds the opening only. Close
// closes the connection.
//
// Open's options of the connection, which those of the configuration can
// change: it reconnects for ever, after about half a second at first, and
// buffers nothing meanwhile, so that calls fail clearly.
//
// Errors: those that name a field of the configuration, [*MismatchError], those
// of NATS.
func Open(ctx context.Context, cfg Config) (store.Store, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return open(ctx, cfg)
}

func open(ctx context.Context, cfg Config) (*natsStore, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	conn, err := cfg.connect(ctx)
	if _, ok := errors.AsType[*url.Error](err); ok {
		err = errors.New("the URL is not valid") // its error may show a password
	}
	if err != nil {
		return nil, fmt.Errorf("natsstore: connecting: %w", err)
	}
	s, err := openOn(ctx, cfg, conn)
	if err != nil {
		conn.Close()
		if ctx.Err() != nil {
			err = errors.Join(context.Cause(ctx), err)
		}
		return nil, err
	}
	return s, nil
}

// connect connects. When ctx ends first, what the library has begun ends by
// itself: it takes no context, and its timeout would be that of later
// connections too.
func (cfg *Config) connect(ctx context.Context) (*nats.Conn, error) {
	type result struct {
		conn *nats.Conn
		err  error
	}
	results := make(chan result)
	go func() {
		conn, err := nats.Connect(cfg.URL, append(cfg.connection(), cfg.Options...)...)
		select {
		case results <- result{conn, err}:
		case <-ctx.Done():
			if err == nil {
				conn.Close()
			}
		}
	}()
	select {
	case r := <-results:
		return r.conn, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// connection returns the store's own options.
func (cfg *Config) connection() []nats.Option {
	logger := cfg.Logger
	return []nats.Option{
		nats.Name("auditlog"),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // credentials may be renewed, and accounts come late
		nats.ReconnectWait(500 * time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.FlusherTimeout(cfg.writeTimeout()), // whatever is called waits for a write that is stuck
		nats.ReconnectOnFlusherError(),
		nats.PingInterval(10 * time.Second),
		nats.SyncQueueLen(2 * getMessages), // each batched get makes such a queue, of 64 Ki places otherwise
		nats.DisconnectErrHandler(func(c *nats.Conn, err error) {
			if !c.IsClosed() {
				logger.Warn("the connection to NATS is lost; it is tried again", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			logger.Info("connected to NATS again", "server", c.ConnectedServerName())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			logger.Warn("NATS reports an error", "error", err)
		}),
	}
}

// openOn opens the store on a connection.
func openOn(ctx context.Context, cfg Config, conn *nats.Conn) (*natsStore, error) {
	s := &natsStore{
		cfg: cfg, conn: conn, apiPrefix: jetstream.DefaultAPIPrefix,
		window: make(chan struct{}, cfg.Window), held: map[string]*claim{}, total: newTotals(),
	}
	s.closing, s.close = context.WithCancelCause(context.Background())
	switch {
	case cfg.Domain != "":
		s.apiPrefix = "$JS." + cfg.Domain + ".API."
	case cfg.APIPrefix != "":
		s.apiPrefix = cfg.APIPrefix + "."
	}
	if v := conn.ConnectedServerVersion(); tooOld(v) {
		return nil, fmt.Errorf("natsstore: the server has version %s; it takes %d.%d or later", v, leastMajor, leastMinor)
	}
	var err error
	if s.js, err = s.jetStream(); err != nil {
		return nil, err
	}
	if err := s.openStreams(ctx); err != nil {
		return nil, err
	}
	if s.publisher, err = newPublisher(s); err != nil {
		return nil, err
	}
	if s.ringer, err = newRinger(s); err != nil {
		return nil, err
	}
	s.heard(ctx)
	messages, err := s.pull()
	if err != nil {
		return nil, fmt.Errorf("natsstore: consumer %s: %w", consumerName, err)
	}
	s.puller = newPuller(s, messages)
	s.running.Go(s.publisher.run)
	s.running.Go(s.ringer.run)
	s.running.Go(s.puller.run)
	s.running.Go(s.sweep)
	return s, nil
}

// The oldest version of nats-server.
const (
	leastMajor = 2
	leastMinor = 12
)

// tooOld tells whether the version, such as "2.12.1-beta", is before that one. One that
// it cannot read is not.
func tooOld(version string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n < 2 {
		return false
	}
	return major < leastMajor || major == leastMajor && minor < leastMinor
}

// jetStream returns a context with the prefix of the API.
func (s *natsStore) jetStream(options ...jetstream.JetStreamOpt) (jetstream.JetStream, error) {
	timeout := s.cfg.timeout()
	options = append(options, jetstream.WithPublishAsyncTimeout(timeout), jetstream.WithDefaultTimeout(timeout))
	if s.apiPrefix == jetstream.DefaultAPIPrefix {
		return jetstream.New(s.conn, options...)
	}
	return jetstream.NewWithAPIPrefix(s.conn, strings.TrimSuffix(s.apiPrefix, "."), options...)
}

// openStreams opens what the store keeps everything in, and warns of what makes
// it less safe than it could be.
func (s *natsStore) openStreams(ctx context.Context) error {
	var all []jetstream.Stream
	for i, want := range s.cfg.streams() {
		var stream jetstream.Stream
		if s.cfg.Replicas == 0 && i > 0 {
			want.Replicas = s.events.CachedInfo().Config.Replicas
		}
		if err := s.retry(ctx, func(ctx context.Context) (err error) {
			stream, err = s.cfg.ensure(ctx, s.js, want)
			return err
		}); err != nil {
			return err
		}
		all = append(all, stream)
		switch i {
		case 0:
			s.events = stream
		case 1:
			s.tokens = stream
		case 2:
			s.stateStream = stream
		case 3:
			s.documentStream = stream
		}
	}
	err := s.retry(ctx, func(ctx context.Context) (err error) {
		s.consumer, err = s.cfg.ensureConsumer(ctx, s.tokens)
		return err
	})
	if err != nil {
		return err
	}
	if s.states, err = s.bucket(ctx, s.cfg.statesBucket()); err != nil {
		return err
	}
	if s.documents, err = s.bucket(ctx, s.cfg.documentsBucket()); err != nil {
		return err
	}
	fewest := slices.MinFunc(all, func(a, b jetstream.Stream) int {
		return a.CachedInfo().Config.Replicas - b.CachedInfo().Config.Replicas
	}).CachedInfo()
	s.replicas = fewest.Config.Replicas
	s.warn(fewest, s.consumer.CachedInfo())
	if s.replicas > 1 {
		return nil
	}
	return s.findKeeper(ctx, all)
}

// findKeeper finds out which server keeps all streams, if it is a single one.
func (s *natsStore) findKeeper(ctx context.Context, all []jetstream.Stream) error {
	for i, stream := range all {
		var info *jetstream.StreamInfo
		if err := s.retry(ctx, func(ctx context.Context) (err error) {
			info, err = stream.Info(ctx) // who creates a stream is not told
			return err
		}); err != nil {
			return fmt.Errorf("natsstore: stream %s: %w", stream.CachedInfo().Config.Name, err)
		}
		keeper := ""
		if info.Cluster != nil {
			keeper = nameOf(info.Cluster.Leader, s.conn.ConnectedServerId())
		}
		if i > 0 && keeper != s.keeper || info.Config.Replicas > 1 {
			s.scattered = true
			return nil
		}
		s.keeper = keeper
	}
	return nil
}

// bucket opens a bucket that is there.
func (s *natsStore) bucket(ctx context.Context, name string) (bucket jetstream.KeyValue, err error) {
	err = s.retry(ctx, func(ctx context.Context) (err error) {
		bucket, err = s.js.KeyValue(ctx, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("natsstore: bucket %s: %w", name, err)
	}
	return bucket, nil
}

// warn tells the log what makes the store less safe, or less able, than the
// contract of stores wants.
func (s *natsStore) warn(info *jetstream.StreamInfo, consumer *jetstream.ConsumerInfo) {
	if consumer.Paused {
		s.cfg.Logger.Warn("the consumer that hands webhooks out is paused: nothing is delivered until it goes on",
			slog.String("stream", consumer.Stream), slog.String("consumer", consumer.Name), slog.Duration("remaining", consumer.PauseRemaining))
	}
	if replicas := info.Config.Replicas; replicas < 3 && !s.cfg.SyncAlways {
		s.cfg.Logger.Warn("events are acknowledged before they are synced to disk: a power failure of the server can lose the last ones; use three replicas, or sync_interval: always",
			slog.String("stream", info.Config.Name), slog.Int("replicas", replicas))
	}
	if room := s.conn.MaxPayload(); room < largestMessage {
		s.cfg.Logger.Warn("the servers' max_payload is smaller than the largest block: larger ones are refused",
			slog.Int64("max_payload", room), slog.Int("largest", largestMessage))
	}
}

// largestMessage is about how large a message can be.
const largestMessage = store.MaxBlockBytes + 128<<10
