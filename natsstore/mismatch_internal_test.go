package natsstore

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// Of each field that the store depends on, Open tells stream, field, what it is
// and what it should be. It changes none.
func TestOpenMismatch(t *testing.T) {
	t.Parallel()
	type stream = jetstream.StreamConfig
	for name, test := range map[string]struct {
		stream func(*Config) string
		change func(*stream)
		want   []string
	}{
		"subjects": {
			(*Config).eventsStream,
			func(s *stream) { s.Subjects = []string{"NAME.ev.*", "elsewhere.>"} },
			[]string{"Subjects is elsewhere.> NAME.ev.*, not NAME.ev.*"},
		},
		"retention": {
			(*Config).eventsStream,
			func(s *stream) { s.Retention = jetstream.InterestPolicy },
			[]string{"Retention is Interest, not Limits"},
		},
		"retention of tokens": {
			(*Config).tokensStream,
			func(s *stream) { s.Retention = jetstream.LimitsPolicy },
			[]string{"Retention is Limits, not WorkQueue"},
		},
		"storage": {
			(*Config).eventsStream,
			func(s *stream) { s.Storage = jetstream.MemoryStorage },
			[]string{"Storage is Memory, not File"},
		},
		"discard": {
			(*Config).eventsStream,
			func(s *stream) { s.Discard = jetstream.DiscardOld },
			[]string{"Discard is DiscardOld, not DiscardNew"},
		},
		"discard of tokens": {
			(*Config).tokensStream,
			func(s *stream) { s.Discard = jetstream.DiscardNew },
			[]string{"Discard is DiscardNew, not DiscardOld"},
		},
		"discard by subject": {
			(*Config).tokensStream,
			func(s *stream) { s.Discard, s.DiscardNewPerSubject = jetstream.DiscardNew, true },
			[]string{"Discard is DiscardNew, not DiscardOld", "DiscardNewPerSubject is true, not false"},
		},
		"consumers": {
			(*Config).eventsStream,
			func(s *stream) { s.MaxConsumers = 1 },
			[]string{"MaxConsumers is 1, not -1"},
		},
		"messages": {
			(*Config).eventsStream,
			func(s *stream) { s.MaxMsgs = 1000 },
			[]string{"MaxMsgs is 1000, not -1"},
		},
		"messages of a subject": {
			(*Config).eventsStream,
			func(s *stream) { s.MaxMsgsPerSubject = 1000 },
			[]string{"MaxMsgsPerSubject is 1000, not -1"},
		},
		"history": {
			bucketStream((*Config).statesBucket),
			func(s *stream) { s.MaxMsgsPerSubject = 5 },
			[]string{"MaxMsgsPerSubject is 5, not 1"},
		},
		"size of a message": {
			(*Config).eventsStream,
			func(s *stream) { s.MaxMsgSize = 1 << 20 },
			[]string{"MaxMsgSize is 1048576, not -1"},
		},
		"age": {
			(*Config).eventsStream,
			func(s *stream) { s.MaxAge = 24 * time.Hour },
			[]string{"MaxAge is 24h0m0s, not 0s"},
		},
		"direct gets": {
			(*Config).eventsStream,
			func(s *stream) { s.AllowDirect = false },
			[]string{"AllowDirect is false, not true"},
		},
		"direct gets of documents": {
			bucketStream((*Config).documentsBucket),
			func(s *stream) { s.AllowDirect = true },
			[]string{"AllowDirect is true, not false"},
		},
		"rollup": {
			bucketStream((*Config).documentsBucket),
			func(s *stream) { s.AllowRollup = false },
			[]string{"AllowRollup is false, not true"},
		},
		"life of messages": {
			bucketStream((*Config).documentsBucket),
			func(s *stream) { s.AllowMsgTTL = false },
			[]string{"AllowMsgTTL is false, not true"},
		},
		"purge": {
			(*Config).eventsStream,
			func(s *stream) { s.DenyPurge = true },
			[]string{"DenyPurge is true, not false"},
		},
		"answers": {
			(*Config).eventsStream,
			func(s *stream) { s.NoAck = true },
			[]string{"NoAck is true, not false"},
		},
		"persistence": {
			bucketStream((*Config).statesBucket),
			func(s *stream) { s.PersistMode = jetstream.AsyncPersistMode },
			[]string{"PersistMode is Async, not Default"},
		},
		"counter": {
			(*Config).eventsStream,
			func(s *stream) { s.AllowMsgCounter, s.Discard = true, jetstream.DiscardOld },
			[]string{"Discard is DiscardOld, not DiscardNew", "AllowMsgCounter is true, not false"},
		},
		"sources": {
			(*Config).eventsStream,
			func(s *stream) { s.Sources = []*jetstream.StreamSource{{Name: "another"}} },
			[]string{"number of Sources is 1, not 0"},
		},
		"transformed subjects": {
			(*Config).eventsStream,
			func(s *stream) {
				s.SubjectTransform = &jetstream.SubjectTransformConfig{Source: s.Subjects[0], Destination: "moved.$1"}
			},
			[]string{"SubjectTransform is true, not false"},
		},
		"bytes": {
			(*Config).eventsStream,
			func(s *stream) { s.MaxBytes = 1 << 30 },
			[]string{"MaxBytes is 1073741824, not -1"},
		},
		"bytes of tokens": {
			(*Config).tokensStream,
			func(s *stream) { s.MaxBytes = 1 << 30 },
			[]string{"MaxBytes is 1073741824, not -1"},
		},
		"duplicates": {
			(*Config).eventsStream,
			func(s *stream) { s.Duplicates = 2 * time.Minute },
			[]string{"Duplicates is 2m0s, not 3m0s"},
		},
		"removal of tokens": {
			(*Config).tokensStream,
			func(s *stream) { s.DenyDelete = true },
			[]string{"DenyDelete is true, not false"},
		},
		"several": {
			(*Config).eventsStream,
			func(s *stream) {
				s.Storage, s.MaxAge, s.Duplicates = jetstream.MemoryStorage, time.Hour, time.Minute
			},
			[]string{"Storage is Memory, not File", "MaxAge is 1h0m0s, not 0s", "Duplicates is 1m0s, not 3m0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, single(t), 0)
			cfg.DedupWindow = DefaultDedupWindow
			js := operator(t, cfg)
			t.Cleanup(func() { clearAway(withoutContext{t}, js, cfg) })
			name := test.stream(&cfg)
			for _, s := range cfg.streams() {
				if s.Name == name {
					test.change(&s)
					for i, subject := range s.Subjects {
						s.Subjects[i] = strings.Replace(subject, "NAME", cfg.Name, 1)
					}
					_, err := js.CreateStream(t.Context(), s)
					require.NoError(t, err)
				}
			}
			for i, want := range test.want {
				test.want[i] = strings.ReplaceAll(want, "NAME", cfg.Name)
			}
			before := survey(t, js, cfg.Name).Streams[name]
			mismatch(t, cfg, &MismatchError{Name: name, Differences: test.want})
			require.Empty(t, cmp.Diff(before, survey(t, js, cfg.Name).Streams[name]))
		})
	}
}

// bucketStream returns the name of the stream behind a bucket.
func bucketStream(bucket func(*Config) string) func(*Config) string {
	return func(cfg *Config) string { return kvPrefix + bucket(cfg) }
}

// clearAway deletes the streams of a store that could not be opened.
func clearAway(tb testing.TB, js jetstream.JetStream, cfg Config) {
	tb.Helper()
	for name := range survey(tb, js, cfg.Name).Streams {
		require.NoError(tb, js.DeleteStream(tb.Context(), name))
	}
}

// mismatch requires that the store cannot be opened, and why.
func mismatch(tb testing.TB, cfg Config, want *MismatchError) {
	tb.Helper()
	_, err := open(tb.Context(), cfg)
	var got *MismatchError
	require.ErrorAs(tb, err, &got)
	require.Empty(tb, cmp.Diff(want, got))
	require.EqualError(tb, err, "natsstore: "+want.Name+" exists, but "+strings.Join(want.Differences, ", "))
}

// What another configuration wants is told like what an operator has changed.
func TestOpenOtherConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Config)
		part   string
		want   []string
	}{
		"replicas": {func(cfg *Config) { cfg.Replicas = 3 }, "-events", []string{"Replicas is 1, not 3"}},
		"bytes":    {func(cfg *Config) { cfg.MaxBytes = 1 << 20 }, "-events", []string{"MaxBytes is -1, not 1048576"}},
		"window":   {func(cfg *Config) { cfg.DedupWindow = time.Hour }, "-events", []string{"Duplicates is 18s, not 1h0m0s"}},
		"lease":    {func(cfg *Config) { cfg.Lease = time.Hour }, "-tokens/shippers", []string{"AckWait is 6s, not 1h0m0s"}},
		"subject":  {func(cfg *Config) { cfg.Subject = "other" }, "-events", []string{"Subjects is NAME.ev.*, not other.ev.*"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, single(t), 1)
			t.Cleanup(func() { remove(withoutContext{t}, cfg) })
			opened(t, cfg)
			before := survey(t, operator(t, cfg), cfg.Name)
			other := cfg
			test.change(&other)
			test.want[0] = strings.ReplaceAll(test.want[0], "NAME", cfg.Name)
			mismatch(t, other, &MismatchError{Name: cfg.Name + test.part, Differences: test.want})
			require.Empty(t, cmp.Diff(before, survey(t, operator(t, cfg), cfg.Name)))
		})
	}
}

// A stream that takes no more can only be made so after it was created.
func TestOpenSealed(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	js := operator(t, cfg)
	t.Cleanup(func() { clearAway(withoutContext{t}, js, cfg) })
	events := cfg.streams()[0]
	_, err := js.CreateStream(t.Context(), events)
	require.NoError(t, err)
	events.Sealed = true
	_, err = js.UpdateStream(t.Context(), events)
	require.NoError(t, err)
	_, err = open(t.Context(), cfg)
	var got *MismatchError
	require.ErrorAs(t, err, &got)
	require.Contains(t, got.Differences, "Sealed is true, not false")
}

func TestOpenConsumerMismatch(t *testing.T) {
	t.Parallel()
	type consumer = jetstream.ConsumerConfig
	for name, test := range map[string]struct {
		change func(*consumer)
		want   []string
	}{
		"wait":         {func(c *consumer) { c.AckWait = time.Minute }, []string{"AckWait is 1m0s, not 6s"}},
		"deliveries":   {func(c *consumer) { c.MaxDeliver = 5 }, []string{"MaxDeliver is 5, not -1"}},
		"pending":      {func(c *consumer) { c.MaxAckPending = 1000 }, []string{"MaxAckPending is 1000, not -1"}},
		"replay":       {func(c *consumer) { c.ReplayPolicy = jetstream.ReplayOriginalPolicy }, []string{"ReplayPolicy is original, not instant"}},
		"filter":       {func(c *consumer) { c.FilterSubject = "NAME.work.a" }, []string{`FilterSubject is "NAME.work.a", not ""`}},
		"filters":      {func(c *consumer) { c.FilterSubjects = []string{"NAME.work.a", "NAME.work.b"} }, []string{"number of FilterSubjects is 2, not 0"}},
		"inactive":     {func(c *consumer) { c.InactiveThreshold = time.Hour }, []string{"InactiveThreshold is 1h0m0s, not 0s"}},
		"short pulls":  {func(c *consumer) { c.MaxRequestExpires = time.Second }, []string{"MaxRequestExpires is 1s, not 0s"}},
		"memory":       {func(c *consumer) { c.MemoryStorage = true }, []string{"MemoryStorage is true, not false"}},
		"growing wait": {func(c *consumer) { c.BackOff = []time.Duration{6 * time.Second} }, []string{"number of BackOff waits is 1, not 0"}},
		"groups": {func(c *consumer) {
			c.PriorityPolicy, c.PriorityGroups = jetstream.PriorityPolicyOverflow, []string{"a"}
		}, []string{"number of PriorityGroups is 1, not 0"}},
		"several": {func(c *consumer) { c.AckWait, c.MaxDeliver = time.Minute, 3 }, []string{"AckWait is 1m0s, not 6s", "MaxDeliver is 3, not -1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(t, single(t), 1)
			js := operator(t, cfg)
			t.Cleanup(func() { clearAway(withoutContext{t}, js, cfg) })
			_, err := js.CreateStream(t.Context(), cfg.streams()[1])
			require.NoError(t, err)
			c := cfg.consumer()
			test.change(&c)
			c.FilterSubject = strings.ReplaceAll(c.FilterSubject, "NAME", cfg.Name)
			for i, subject := range c.FilterSubjects {
				c.FilterSubjects[i] = strings.ReplaceAll(subject, "NAME", cfg.Name)
			}
			test.want[0] = strings.ReplaceAll(test.want[0], "NAME", cfg.Name)
			_, err = js.CreateConsumer(t.Context(), cfg.tokensStream(), c)
			require.NoError(t, err)
			before := survey(t, js, cfg.Name).Consumer
			mismatch(t, cfg, &MismatchError{Name: cfg.tokensStream() + "/shippers", Differences: test.want})
			require.Empty(t, cmp.Diff(before, survey(t, js, cfg.Name).Consumer))
		})
	}
}

// What a work queue does not allow today, and what a future one may.
func TestConsumerDifferences(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	want := cfg.consumer()
	have := want
	have.AckPolicy, have.DeliverPolicy = jetstream.AckAllPolicy, jetstream.DeliverNewPolicy
	require.Equal(t, []string{"AckPolicy is AckAll, not AckExplicit", "DeliverPolicy is new, not all"}, consumerDifferences(have, want))
}

// A push consumer of that name is no mismatch of a field, but as clear.
func TestOpenPushConsumer(t *testing.T) {
	t.Parallel()
	cfg := config(t, single(t), 1)
	js := operator(t, cfg)
	t.Cleanup(func() { clearAway(withoutContext{t}, js, cfg) })
	_, err := js.CreateStream(t.Context(), cfg.streams()[1])
	require.NoError(t, err)
	c := cfg.consumer()
	c.DeliverSubject = "somewhere"
	_, err = js.CreatePushConsumer(t.Context(), cfg.tokensStream(), c)
	require.NoError(t, err)
	_, err = open(t.Context(), cfg)
	require.ErrorIs(t, err, jetstream.ErrNotPullConsumer)
	require.ErrorContains(t, err, "natsstore: consumer "+cfg.tokensStream()+"/shippers: ")
}
