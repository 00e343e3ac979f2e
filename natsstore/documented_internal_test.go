package natsstore

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// blocks returns the blocks of code in a language that the guide has.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	guide, err := os.ReadFile(filepath.FromSlash("../docs/scaling.md"))
	require.NoError(t, err)
	var all []string
	for _, match := range regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```\n").FindAllSubmatch(guide, -1) {
		all = append(all, string(match[1]))
	}
	require.NotEmpty(t, all)
	return all
}

// documentedServer starts a server with the accounts, the limits and the
// JetStream settings of the guide. It returns who may use it.
func documentedServer(t *testing.T) (*natstest.Cluster, nats.Option) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	conf := "AUDITLOG_PASSWORD: secret\n" + blocks(t, "conf")[0]
	require.NoError(t, os.WriteFile(file, []byte(conf), 0o600))
	documented, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	require.EqualValues(t, natstest.Payload, documented.MaxPayload)
	require.True(t, documented.SyncAlways)
	require.NotEmpty(t, documented.JetStreamUniqueTag)
	c, err := natstest.Start(t.TempDir(), 1, func(o *server.Options) {
		o.Accounts, o.Users = documented.Accounts, documented.Users
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	return c, nats.UserInfo("auditlog", "secret")
}

// syncBuffer collects a log.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// The permissions of the guide are enough for everything.
func TestDocumentedPermissions(t *testing.T) {
	t.Parallel()
	c, user := documentedServer(t)
	logged := &syncBuffer{}
	cfg := Config{
		URL: c.URL(), Options: []nats.Option{user}, SyncAlways: true,
		Logger: slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	require.NoError(t, cfg.complete())
	s := opened(t, cfg)

	watched := make(chan store.Change, 8)
	watching, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for change, err := range s.Watch(watching, "d/") {
			if err == nil {
				watched <- change
			}
		}
	}()
	rev, err := s.Put(t.Context(), "d/1", []byte("v"), 0)
	require.NoError(t, err)
	require.Equal(t, "d/1", (<-watched).Key)
	_, err = s.Get(t.Context(), "d/1")
	require.NoError(t, err)
	for _, err := range s.List(t.Context(), "") {
		require.NoError(t, err)
	}
	require.NoError(t, s.Delete(t.Context(), "d/1", rev))
	require.True(t, (<-watched).Deleted)

	for range 2 {
		_, err = s.Append(t.Context(), "w", "once", store.Block{[]byte("1"), []byte("2")})
		require.NoError(t, err)
	}
	held := claimed(t, s, "w")
	require.NoError(t, held.Release(t.Context(), store.Wait{After: store.UntilWoken}))
	require.NoError(t, s.Wake(t.Context(), "w"))
	held = claimed(t, s, "w")
	batch, err := held.Batch(t.Context(), all)
	require.NoError(t, err)
	require.NoError(t, held.Split(t.Context(), batch.ID))
	require.NoError(t, held.Keep(t.Context()))
	batch, err = held.Batch(t.Context(), all)
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, texts(batch))
	require.NoError(t, held.Ack(t.Context(), batch.ID, []byte("status"), store.Limits{}))
	require.NoError(t, held.Release(t.Context(), store.Wait{}))
	_, err = s.Total(t.Context())
	require.NoError(t, err)
	for _, err := range s.Read(t.Context(), "w", store.From{}) {
		require.NoError(t, err)
	}
	for _, err := range s.Streams(t.Context()) {
		require.NoError(t, err)
	}

	entry, err := s.entry(t.Context(), sweepKey)
	require.NoError(t, err)
	require.Nil(t, entry)
	s.cfg.Retention = time.Nanosecond
	_, err = s.sweepOnce(t.Context(), sweeps{}, 0)
	require.NoError(t, err)
	require.NoError(t, s.DeleteStream(t.Context(), "w"))
	require.NotContains(t, logged.String(), "ermission")

	_, err = s.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "other", Subjects: []string{"other"}})
	require.NoError(t, err) // by the last line, for who is to create what is missing
	short, end := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer end()
	require.Error(t, s.js.DeleteStream(short, "other"))
}

// What the guide has an operator create is what Open creates.
func TestDocumentedStreams(t *testing.T) {
	t.Parallel()
	cfg := Config{URL: "nats://127.0.0.1:4222", Replicas: 3}
	require.NoError(t, cfg.complete())
	documented := blocks(t, "json")
	require.Len(t, documented, 5)
	i := 0
	for _, want := range cfg.streams() {
		want.Description = ""
		var got jetstream.StreamConfig
		require.NoError(t, json.Unmarshal([]byte(documented[i]), &got))
		require.Equal(t, want, got)
		if i++; want.Name == cfg.tokensStream() {
			consumer := cfg.consumer()
			consumer.Description = ""
			var got jetstream.ConsumerConfig
			require.NoError(t, json.Unmarshal([]byte(documented[i]), &got))
			require.Equal(t, consumer, got)
			i++
		}
	}
}
