package natsstore

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// serve starts a server for one test.
func serve(tb testing.TB, change func(*server.Options)) *natstest.Cluster {
	tb.Helper()
	c, err := natstest.Start(tb.TempDir(), 1, change)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, c.Stop()) })
	return c
}

// operator returns JetStream as somebody else uses it, with the same servers
// and credentials.
func operator(tb testing.TB, cfg Config) jetstream.JetStream {
	tb.Helper()
	conn, err := nats.Connect(cfg.URL, cfg.Options...)
	require.NoError(tb, err)
	tb.Cleanup(conn.Close)
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(time.Minute))
	require.NoError(tb, err)
	return js
}

// logs keeps what is logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// passes lets an event go through the store: it is appended, claimed and
// acknowledged.
func passes(tb testing.TB, s store.Store, stream string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	_, err := s.Append(ctx, stream, "", store.Block{[]byte("event of " + stream)})
	require.NoError(tb, err)
	c, err := s.Claim(ctx)
	require.NoError(tb, err)
	require.Equal(tb, stream, c.Stream())
	b, err := c.Batch(ctx, store.Limits{Events: 10, Bytes: 1 << 20})
	require.NoError(tb, err)
	require.Len(tb, b.Events, 1)
	require.Equal(tb, "event of "+stream, string(b.Events[0].Data))
	require.NoError(tb, c.Ack(ctx, b.ID, []byte("status"), store.Limits{}))
	require.NoError(tb, c.Release(ctx, store.Wait{}))
	state, err := s.State(ctx, stream)
	require.NoError(tb, err)
	require.Zero(tb, state.Events)
	require.Equal(tb, "status", string(state.Status))
}

// made is what the servers have of a store.
type made struct {
	Streams  map[string]jetstream.StreamConfig
	Created  map[string]time.Time
	Consumer jetstream.ConsumerConfig
}

// survey returns what the servers have of all stores.
func survey(tb testing.TB, js jetstream.JetStream, name string) made {
	tb.Helper()
	m := made{Streams: map[string]jetstream.StreamConfig{}, Created: map[string]time.Time{}}
	require.Eventually(tb, func() bool { // where many tests share a cluster, a list may come too late
		list := js.ListStreams(tb.Context())
		for info := range list.Info() {
			if !strings.Contains(info.Config.Name, name+"-") {
				continue
			}
			withoutNotes(info.Config.Metadata)
			m.Streams[info.Config.Name], m.Created[info.Config.Name] = info.Config, info.Created
		}
		return list.Err() == nil
	}, time.Minute, 10*time.Millisecond)
	if consumer, err := js.Consumer(tb.Context(), name+"-tokens", "shippers"); err == nil {
		m.Consumer = consumer.CachedInfo().Config
		withoutNotes(m.Consumer.Metadata)
	}
	return m
}

// withoutNotes removes what the server adds to metadata: its version and the like.
func withoutNotes(metadata map[string]string) {
	maps.DeleteFunc(metadata, func(key, _ string) bool { return strings.HasPrefix(key, "_nats.") })
}

// The names, subjects and limits that are created are documented, and other
// programs, operators' ones too, go by them.
func TestOpenCreates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		servers func(testing.TB) *natstest.Cluster
		change  func(*Config)
		want    func(*made)
	}{
		"defaults": {single, func(*Config) {}, func(*made) {}},
		"all set": {three, func(cfg *Config) {
			cfg.Replicas, cfg.MaxBytes, cfg.Lease, cfg.DedupWindow, cfg.Subject = 3, 1<<30, 90*time.Second, time.Hour, "a.b"
		}, func(m *made) {
			for name, s := range m.Streams {
				s.Replicas, s.Duplicates = 3, time.Hour
				switch {
				case strings.HasSuffix(name, "-events"):
					s.MaxBytes, s.Subjects = 1<<30, []string{"a.b.ev.*"}
				case strings.HasSuffix(name, "-tokens"):
					s.Subjects = []string{"a.b.work.*"}
				}
				m.Streams[name] = s
			}
			m.Consumer.AckWait = 90 * time.Second
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			name := config(t, single(t), 0).Name
			cfg := Config{URL: test.servers(t).URL(), Name: name, SyncAlways: true}
			test.change(&cfg)
			require.NoError(t, cfg.complete())
			t.Cleanup(func() { remove(withoutContext{t}, cfg) })
			passes(t, opened(t, cfg), "one")

			base := jetstream.StreamConfig{
				Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
				MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1,
				Replicas: 1, Duplicates: 3 * time.Minute,
			}
			events, tokens, states, documents := base, base, base, base
			events.Name, events.Subjects, events.AllowDirect = name+"-events", []string{name + ".ev.*"}, true
			events.Description = "auditlog: accepted events, a message for each block"
			tokens.Name, tokens.Subjects, tokens.MaxMsgsPerSubject = name+"-tokens", []string{name + ".work.*"}, 1
			tokens.Retention, tokens.Discard = jetstream.WorkQueuePolicy, jetstream.DiscardOld
			tokens.Description = "auditlog: a token for each webhook that has work; who has it unacknowledged owns the webhook"
			for bucket, description := range map[*jetstream.StreamConfig]string{
				&states:    "auditlog: position, frozen batches and status of each webhook",
				&documents: "auditlog: documents, such as the configurations of webhooks",
			} {
				bucket.Description = description
				bucket.MaxMsgsPerSubject, bucket.AllowRollup, bucket.AllowMsgTTL, bucket.DenyDelete = 1, true, true, true
			}
			states.Name, states.Subjects = "KV_"+name+"-states", []string{"$KV." + name + "-states.>"}
			documents.Name, documents.Subjects = "KV_"+name+"-documents", []string{"$KV." + name + "-documents.>"}
			want := made{
				Streams: map[string]jetstream.StreamConfig{},
				Consumer: jetstream.ConsumerConfig{
					Name: "shippers", Durable: "shippers", Description: "auditlog: hands webhooks to instances",
					AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Minute, MaxDeliver: -1, MaxAckPending: -1, MaxWaiting: 512,
				},
			}
			for _, s := range []jetstream.StreamConfig{events, tokens, states, documents} {
				want.Streams[s.Name] = s
			}
			test.want(&want)
			require.Empty(t, cmp.Diff(want, survey(t, operator(t, cfg), name), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(made{}, "Created")))
		})
	}
}

// A store that is opened again, or by several instances at once, is the same.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	s, err := open(t.Context(), cfg)
	require.NoError(t, err)
	passes(t, s, "one")
	require.NoError(t, s.Close())
	js := operator(t, cfg)
	before := survey(t, js, cfg.Name)
	require.Len(t, before.Streams, 4)
	s = opened(t, cfg)
	state, err := s.State(t.Context(), "one")
	require.NoError(t, err)
	require.Equal(t, "status", string(state.Status))
	require.Empty(t, cmp.Diff(before, survey(t, js, cfg.Name)))
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		servers  func(testing.TB) *natstest.Cluster
		replicas int
	}{"one server": {single, 1}, "three servers": {three, 3}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, test.servers(t), test.replicas)
			cfg.Lease = DefaultLease
			t.Cleanup(func() { remove(withoutContext{t}, cfg) })
			var (
				stores = make([]*natsStore, 8)
				errs   = make([]error, len(stores))
				wait   sync.WaitGroup
			)
			for i := range stores {
				wait.Go(func() { stores[i], errs[i] = open(t.Context(), cfg) })
			}
			wait.Wait()
			for i, s := range stores {
				require.NoError(t, errs[i])
				t.Cleanup(func() { require.NoError(t, s.Close()) })
			}
			_, err := stores[0].Append(t.Context(), "one", "", store.Block{[]byte("event")})
			require.NoError(t, err)
			for c, err := range stores[7].Read(t.Context(), "one", store.From{}) {
				require.NoError(t, err)
				require.Equal(t, "event", string(c.Data))
			}
			require.Len(t, survey(t, operator(t, cfg), cfg.Name).Streams, 4)
		})
	}
}

// What an operator has made stays as it is: placement, compression, words,
// replicas and what else is none of the store's business.
func TestOpenOnExisting(t *testing.T) {
	t.Parallel()
	cfg := config(t, three(t), 0)
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	js := operator(t, cfg)
	for _, stream := range cfg.streams() {
		stream.Description, stream.Replicas = "kept by the operator", 3
		stream.Metadata = map[string]string{"team": "observability"}
		stream.Compression = jetstream.S2Compression
		stream.Placement = &jetstream.Placement{Cluster: "test"}
		stream.RePublish = &jetstream.RePublish{Source: ">", Destination: "copy." + cfg.Name + ".>"}
		if stream.Name != cfg.eventsStream() {
			stream.Duplicates = 30 * time.Second
		}
		_, err := js.CreateStream(t.Context(), stream)
		require.NoError(t, err)
	}
	consumer := cfg.consumer()
	consumer.Description, consumer.Metadata = "the operator's", map[string]string{"team": "observability"}
	consumer.MaxWaiting, consumer.SampleFrequency = 2048, "10%"
	_, err := js.CreateConsumer(t.Context(), cfg.tokensStream(), consumer)
	require.NoError(t, err)
	before := survey(t, js, cfg.Name)
	require.Len(t, before.Streams, 4)
	require.Equal(t, 2048, before.Consumer.MaxWaiting)
	s := opened(t, cfg)
	passes(t, s, "one")
	require.Empty(t, cmp.Diff(before, survey(t, js, cfg.Name)))
}

// Where the store's subjects belong to another stream, the server says so.
func TestOpenOverlapping(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	t.Cleanup(func() { remove(withoutContext{t}, cfg) })
	opened(t, cfg)
	other := cfg
	other.Name += "-b"
	_, err := open(t.Context(), other)
	require.ErrorContains(t, err, "natsstore: stream "+other.Name+"-events: ")
	require.ErrorContains(t, err, "subjects overlap with an existing stream")
}
