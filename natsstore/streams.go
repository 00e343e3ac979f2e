package natsstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// consumerName is that of the one consumer of tokens.
const consumerName = "shippers"

// kvPrefix begins the name of the stream behind a key-value bucket.
const kvPrefix = "KV_"

// The streams behind the store, by what they keep.
func (cfg *Config) eventsStream() string    { return cfg.Name + "-events" }
func (cfg *Config) tokensStream() string    { return cfg.Name + "-tokens" }
func (cfg *Config) statesBucket() string    { return cfg.Name + "-states" }
func (cfg *Config) documentsBucket() string { return cfg.Name + "-documents" }

// The beginnings of subjects, before the escaped name of a stream.
func (cfg *Config) eventsPrefix() string { return cfg.Subject + ".ev." }
func (cfg *Config) tokensPrefix() string { return cfg.Subject + ".work." }

// streams returns the configurations that the store needs.
func (cfg *Config) streams() []jetstream.StreamConfig {
	base := jetstream.StreamConfig{
		Retention: jetstream.LimitsPolicy, Storage: jetstream.FileStorage, Discard: jetstream.DiscardNew,
		MaxConsumers: -1, MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1,
		Replicas: max(1, cfg.Replicas), Duplicates: cfg.DedupWindow,
	}
	events := base
	events.Name, events.Subjects = cfg.eventsStream(), []string{cfg.eventsPrefix() + "*"}
	events.Description = "auditlog: accepted events, a message for each block"
	events.AllowDirect = true
	if cfg.MaxBytes > 0 {
		events.MaxBytes = cfg.MaxBytes
	}
	tokens := base
	tokens.Name, tokens.Subjects = cfg.tokensStream(), []string{cfg.tokensPrefix() + "*"}
	tokens.Description = "auditlog: a token for each webhook that has work; who has it unacknowledged owns the webhook"
	tokens.Retention, tokens.Discard, tokens.MaxMsgsPerSubject = jetstream.WorkQueuePolicy, jetstream.DiscardOld, 1
	bucket := func(name, description string) jetstream.StreamConfig {
		b := base
		b.Name, b.Subjects = kvPrefix+name, []string{"$KV." + name + ".>"}
		b.Description = description
		// Not AllowDirect: what was written is read back, also from followers.
		b.MaxMsgsPerSubject, b.AllowRollup, b.AllowMsgTTL, b.DenyDelete = 1, true, true, true
		return b
	}
	return []jetstream.StreamConfig{
		events, tokens,
		bucket(cfg.statesBucket(), "auditlog: position, frozen batches and status of each webhook"),
		bucket(cfg.documentsBucket(), "auditlog: documents, such as the configurations of webhooks"),
	}
}

// consumer returns the configuration of the one consumer.
func (cfg *Config) consumer() jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: consumerName, Description: "auditlog: hands webhooks to instances",
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: cfg.Lease,
		MaxDeliver: -1, MaxAckPending: -1,
	}
}

// MismatchError tells that a stream, bucket or consumer exists with another
// configuration than the store needs. The store changes none that exists.
type MismatchError struct {
	Name        string   // of the stream or, after a slash, its consumer
	Differences []string // such as "Duplicates is 2m0s, not 3m0s"
}

// Error names them all.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("natsstore: %s exists, but %s", e.Name, strings.Join(e.Differences, ", "))
}

// ensure creates the stream, or checks the one that exists. It returns how that
// one is configured.
func (cfg *Config) ensure(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another instance was faster
			stream, err = js.Stream(ctx, want.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("natsstore: stream %s: %w", want.Name, err)
	}
	if d := cfg.differences(stream.CachedInfo().Config, want); len(d) > 0 {
		return nil, &MismatchError{Name: want.Name, Differences: d}
	}
	return stream, nil
}

// ensureConsumer is ensure for the consumer.
func (cfg *Config) ensureConsumer(ctx context.Context, stream jetstream.Stream) (jetstream.Consumer, error) {
	want := cfg.consumer()
	consumer, err := stream.Consumer(ctx, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = stream.CreateConsumer(ctx, want)
		if errors.Is(err, jetstream.ErrConsumerExists) {
			consumer, err = stream.Consumer(ctx, want.Durable)
		}
	}
	name := cfg.tokensStream() + "/" + want.Durable
	if err != nil {
		return nil, fmt.Errorf("natsstore: consumer %s: %w", name, err)
	}
	if d := consumerDifferences(consumer.CachedInfo().Config, want); len(d) > 0 {
		return nil, &MismatchError{Name: name, Differences: d}
	}
	return consumer, nil
}

type differences []string

func differs[T comparable](d *differences, field string, have, want T) {
	if have != want {
		*d = append(*d, fmt.Sprintf("%s is %v, not %v", field, have, want))
	}
}

// differences tells in what a stream that exists is not as the store needs it.
// The rest, such as placement or compression, is the operator's.
func (cfg *Config) differences(have, want jetstream.StreamConfig) []string {
	var d differences
	slices.Sort(have.Subjects)
	differs(&d, "Subjects", strings.Join(have.Subjects, " "), strings.Join(want.Subjects, " "))
	differs(&d, "Retention", have.Retention, want.Retention)
	differs(&d, "Storage", have.Storage, want.Storage)
	differs(&d, "Discard", have.Discard, want.Discard)
	differs(&d, "DiscardNewPerSubject", have.DiscardNewPerSubject, want.DiscardNewPerSubject)
	differs(&d, "MaxConsumers", have.MaxConsumers, want.MaxConsumers)
	differs(&d, "MaxMsgs", have.MaxMsgs, want.MaxMsgs)
	differs(&d, "MaxMsgsPerSubject", have.MaxMsgsPerSubject, want.MaxMsgsPerSubject)
	differs(&d, "MaxMsgSize", have.MaxMsgSize, want.MaxMsgSize)
	differs(&d, "MaxAge", have.MaxAge, want.MaxAge) // it would remove unsent events without a trace
	differs(&d, "AllowDirect", have.AllowDirect, want.AllowDirect)
	differs(&d, "AllowRollup", have.AllowRollup, want.AllowRollup)
	differs(&d, "AllowMsgTTL", have.AllowMsgTTL, want.AllowMsgTTL)
	differs(&d, "DenyPurge", have.DenyPurge, want.DenyPurge)
	differs(&d, "NoAck", have.NoAck, want.NoAck)
	differs(&d, "Sealed", have.Sealed, want.Sealed)
	differs(&d, "PersistMode", have.PersistMode, want.PersistMode)
	differs(&d, "AllowMsgCounter", have.AllowMsgCounter, want.AllowMsgCounter)
	differs(&d, "number of Sources", len(have.Sources), 0)
	differs(&d, "SubjectTransform", have.SubjectTransform != nil, false)
	switch want.Name {
	case cfg.eventsStream():
		differs(&d, "MaxBytes", have.MaxBytes, want.MaxBytes)
		differs(&d, "Duplicates", have.Duplicates, want.Duplicates)
	case cfg.tokensStream():
		differs(&d, "MaxBytes", have.MaxBytes, want.MaxBytes) // the oldest tokens would go
		differs(&d, "DenyDelete", have.DenyDelete, want.DenyDelete)
	}
	if cfg.Replicas > 0 {
		differs(&d, "Replicas", have.Replicas, want.Replicas)
	}
	return d
}

// consumerDifferences is differences for the consumer.
func consumerDifferences(have, want jetstream.ConsumerConfig) []string {
	var d differences
	differs(&d, "AckPolicy", have.AckPolicy, want.AckPolicy)
	differs(&d, "AckWait", have.AckWait, want.AckWait)
	differs(&d, "MaxDeliver", have.MaxDeliver, want.MaxDeliver)
	differs(&d, "MaxAckPending", have.MaxAckPending, want.MaxAckPending)
	differs(&d, "DeliverPolicy", have.DeliverPolicy, want.DeliverPolicy)
	differs(&d, "ReplayPolicy", have.ReplayPolicy, want.ReplayPolicy)
	differs(&d, "FilterSubject", strconv.Quote(have.FilterSubject), strconv.Quote(want.FilterSubject))
	differs(&d, "number of FilterSubjects", len(have.FilterSubjects), 0)
	differs(&d, "number of BackOff waits", len(have.BackOff), 0)
	differs(&d, "number of PriorityGroups", len(have.PriorityGroups), 0)
	differs(&d, "InactiveThreshold", have.InactiveThreshold, want.InactiveThreshold) // it would remove the consumer
	differs(&d, "MaxRequestExpires", have.MaxRequestExpires, want.MaxRequestExpires)
	differs(&d, "MemoryStorage", have.MemoryStorage, want.MemoryStorage)
	return d
}
