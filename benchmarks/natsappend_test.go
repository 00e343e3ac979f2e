package benchmarks

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore"
	"github.com/seed-6bcf82c5/auditlog/store"
)

const (
	natsWindow = natsstore.DefaultWindow // blocks that wait for the server's answer
	natsStream = "plain"                 // as long as "store"
)

// BenchmarkNATSAppend is of 64 blocks under way at a time: published with nats.go
// to a stream of its own, and appended to the store. An operation is so many
// blocks each way, in turn, so that both meet the same moods of the machine.
// All connections are to the same server, which leads both streams of events: where
// it was by chance another, one would have a longer way.
// of-raw is the median of the ratios of their speeds.
func BenchmarkNATSAppend(b *testing.B) {
	all := lines(b, eventCount)
	for _, servers := range []int{1, 3} {
		to := startNATS(b, servers)
		for _, row := range []struct{ size, blocks, webhooks int }{
			{1, 4096, 1},
			{1, 4096, 1000},
			{100, 512, 1},
			{100, 512, 1000},
		} {
			b.Run(fmt.Sprintf("servers=%d/events=%d/webhooks=%d", servers, row.size, row.webhooks), func(b *testing.B) {
				blocks := make([]store.Block, row.blocks)
				for i := range blocks {
					blocks[i] = all[i%(len(all)/row.size)*row.size:][:row.size]
				}
				names := make([]string, row.webhooks)
				for i := range names {
					names[i] = fmt.Sprint("webhook-", i)
				}
				appendInTurn(b, to.url, servers, blocks, names)
			})
		}
	}
}

// appendInTurn times the ways to append all blocks, the webhooks in turn.
func appendInTurn(b *testing.B, url string, replicas int, blocks []store.Block, webhooks []string) {
	events := openNATSStore(b, url, "store", replicas)
	raw := newRawNATS(b, url, "store", natsStream, webhooks)
	ways := []struct {
		name string
		run  func()
	}{
		{"raw", func() { raw.publish(b, blocks) }},
		{"raw-callers", func() { raw.publishByCallers(b, blocks) }},
		{"store", func() { appendByCallers(b, events, blocks, webhooks) }},
	}
	lead(b, url, eventsOf("store"))
	lead(b, url, natsStream)
	for _, w := range ways {
		w.run() // subjects and connections are known from now on
	}
	took := make([][]time.Duration, len(ways))
	b.ResetTimer()
	for b.Loop() {
		for i := range ways {
			began := time.Now()
			ways[i].run()
			took[i] = append(took[i], time.Since(began))
		}
		slices.Reverse(took)
		slices.Reverse(ways)
	}
	b.StopTimer()
	if ways[0].name != "raw" {
		slices.Reverse(took)
		slices.Reverse(ways)
	}
	for i, w := range ways {
		ratios := make([]float64, len(took[i]))
		for n := range ratios {
			ratios[n] = took[0][n].Seconds() / took[i][n].Seconds()
		}
		slices.Sort(ratios)
		slices.Sort(took[i])
		b.ReportMetric(float64(len(blocks))/took[i][len(took[i])/2].Seconds(), w.name+"-blocks/s")
		if i > 0 {
			b.ReportMetric(ratios[len(ratios)/2], w.name+"-of-raw")
		}
	}
}

// openNATSStore opens a store and removes what it keeps in the end.
func openNATSStore(tb testing.TB, url, name string, replicas int) store.Store {
	tb.Helper()
	s, err := natsstore.Open(tb.Context(), natsConfig(url, name, replicas))
	require.NoError(tb, err)
	tb.Cleanup(func() {
		require.NoError(tb, s.Close())
		removeStreams(tb, url, name)
	})
	return s
}

func natsConfig(url, name string, replicas int) natsstore.Config {
	return natsstore.Config{
		URL: url, Name: name, Replicas: replicas, Logger: slog.New(slog.DiscardHandler),
		Options: []nats.Option{nats.DontRandomize()},
	}
}

// lead makes the server that everybody is connected to the leader of a stream with
// several replicas.
func lead(tb testing.TB, url, stream string) {
	tb.Helper()
	js := connectNATS(tb, url)
	request := fmt.Appendf(nil, `{"placement":{"preferred":%q}}`, js.Conn().ConnectedServerName())
	require.Eventually(tb, func() bool {
		s, err := js.Stream(tb.Context(), stream)
		if err != nil || s.CachedInfo().Cluster == nil {
			return err == nil // a single server
		}
		if s.CachedInfo().Cluster.Leader == js.Conn().ConnectedServerName() {
			return true
		}
		_, _ = js.Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, request, time.Second)
		return false
	}, time.Minute, 100*time.Millisecond)
}

// eventsOf is the name of the stream in which a store keeps events.
func eventsOf(name string) string { return name + "-events" }

// removeStreams removes the streams of a store.
func removeStreams(tb testing.TB, url, name string) {
	tb.Helper()
	ctx := context.Background()
	js := connectNATS(tb, url)
	names := js.StreamNames(ctx)
	var all []string
	for stream := range names.Name() {
		all = append(all, stream)
	}
	require.NoError(tb, names.Err())
	for _, stream := range all {
		if strings.HasPrefix(strings.TrimPrefix(stream, "KV_"), name) {
			require.NoError(tb, js.DeleteStream(ctx, stream))
		}
	}
}

func appendByCallers(tb testing.TB, s store.Store, blocks []store.Block, webhooks []string) {
	inTurn(natsWindow, len(blocks), func(i int) {
		if _, err := s.Append(tb.Context(), webhooks[i%len(webhooks)], "", blocks[i]); err != nil {
			tb.Error(err)
		}
	})
}

// inTurn calls do with the numbers below n, from so many callers.
func inTurn(callers, n int, do func(i int)) {
	var wait sync.WaitGroup
	for caller := range callers {
		wait.Go(func() {
			for i := caller; i < n; i += callers {
				do(i)
			}
		})
	}
	wait.Wait()
}

// rawNATS publishes blocks with nats.go, as the store does: the same bytes to a
// stream with the same configuration.
type rawNATS struct {
	js       jetstream.JetStream
	subjects []string
}

func newRawNATS(tb testing.TB, url, like, name string, webhooks []string) *rawNATS {
	tb.Helper()
	js := connectNATS(tb, url, jetstream.WithPublishAsyncMaxPending(natsWindow), jetstream.WithPublishAsyncErrHandler(
		func(_ jetstream.JetStream, _ *nats.Msg, err error) { tb.Error(err) },
	))
	events, err := js.Stream(tb.Context(), eventsOf(like))
	require.NoError(tb, err)
	cfg := events.CachedInfo().Config
	cfg.Name, cfg.Subjects = name, []string{strings.Replace(cfg.Subjects[0], like, name, 1)}
	_, err = js.CreateStream(tb.Context(), cfg)
	require.NoError(tb, err)
	tb.Cleanup(func() { removeStreams(tb, url, name) })
	r := &rawNATS{js: js}
	for _, webhook := range webhooks {
		r.subjects = append(r.subjects, strings.Replace(cfg.Subjects[0], "*", webhook, 1))
	}
	return r
}

func connectNATS(tb testing.TB, url string, options ...jetstream.JetStreamOpt) jetstream.JetStream {
	tb.Helper()
	conn, err := nats.Connect(url, nats.DontRandomize())
	require.NoError(tb, err)
	tb.Cleanup(conn.Close)
	js, err := jetstream.New(conn, options...)
	require.NoError(tb, err)
	return js
}

// publish publishes all blocks and waits until the last is acknowledged, as
// fast as one caller can.
func (r *rawNATS) publish(tb testing.TB, blocks []store.Block) {
	for i, block := range blocks {
		if _, err := r.send(i, block); err != nil {
			tb.Fatal(err)
		}
	}
	<-r.js.PublishAsyncComplete()
}

// publishByCallers does so for callers that wait for the acknowledgement of each.
func (r *rawNATS) publishByCallers(tb testing.TB, blocks []store.Block) {
	inTurn(natsWindow, len(blocks), func(i int) {
		future, err := r.send(i, blocks[i])
		if err != nil {
			tb.Error(err)
			return
		}
		select {
		case <-future.Ok():
		case err = <-future.Err():
			tb.Error(err)
		}
	})
}

func (r *rawNATS) send(i int, block store.Block) (jetstream.PubAckFuture, error) {
	msg := &nats.Msg{Subject: r.subjects[i%len(r.subjects)], Data: rawBlock(block)}
	return r.js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute))
}

// rawBlock returns a block as the store writes it.
func rawBlock(block store.Block) []byte {
	size := 0
	for _, event := range block {
		size += len(event)
	}
	data := make([]byte, 0, 1+binary.MaxVarintLen32*(1+len(block))+size)
	data = append(data, 1)
	data = binary.AppendUvarint(data, uint64(len(block)))
	for _, event := range block {
		data = binary.AppendUvarint(data, uint64(len(event)))
	}
	for _, event := range block {
		data = append(data, event...)
	}
	return data
}

// The comparison is fair only if both write the same to streams of the same
// configuration.
func TestNATSAppendersWriteTheSame(t *testing.T) {
	t.Parallel()
	const name = "webhook-1"
	url := startNATS(t, 1).url
	events := openNATSStore(t, url, "store", 1)
	raw := newRawNATS(t, url, "store", natsStream, []string{name})
	blocks := []store.Block{lines(t, 100), lines(t, 1)}
	for _, block := range blocks {
		_, err := events.Append(t.Context(), name, "", block)
		require.NoError(t, err)
	}
	raw.publishByCallers(t, blocks[:1])
	raw.publishByCallers(t, blocks[1:])
	js := connectNATS(t, url)
	ours, err := js.Stream(t.Context(), eventsOf("store"))
	require.NoError(t, err)
	theirs, err := js.Stream(t.Context(), natsStream)
	require.NoError(t, err)
	for seq := range uint64(len(blocks)) {
		want, err := ours.GetMsg(t.Context(), seq+1)
		require.NoError(t, err)
		got, err := theirs.GetMsg(t.Context(), seq+1)
		require.NoError(t, err)
		require.Equal(t, want.Data, got.Data)
		require.Equal(t, slices.Sorted(maps.Keys(want.Header)), slices.Sorted(maps.Keys(got.Header)))
		require.Equal(t, want.Subject, strings.Replace(got.Subject, natsStream, "store", 1))
	}
	want, got := ours.CachedInfo().Config, theirs.CachedInfo().Config
	got.Name, got.Subjects = want.Name, want.Subjects
	require.Equal(t, want, got)
}
