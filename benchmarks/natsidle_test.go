package benchmarks

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
)

// idleVariable is how many webhooks are idle, if it is not a thousand: enough to
// see that the benchmark works.
const idleVariable = "AUDITLOG_BENCHMARK_IDLE"

// BenchmarkNATSIdle is of webhooks that have nothing to send: each is configured
// and has had one event, which was delivered. It tells what they cost an instance
// and the server, in processes of their own, and how many consumers there are.
func BenchmarkNATSIdle(b *testing.B) {
	webhooks := 1000
	if text := os.Getenv(idleVariable); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(b, err)
		webhooks = n
	}
	for b.Loop() {
		idle(b, webhooks)
	}
}

func idle(b *testing.B, webhooks int) {
	nats := startNATS(b, 1)
	hello, _ := startReceiver(b, http1)
	deliverOne(b, nats.url, hello)
	instance := startInstance(b, instanceOrder{NATS: nats.url, Receiver: hello})
	one := settled(instance)
	instance.stop()
	before := nats.usage()
	idleWebhooks(b, nats.url, webhooks-1)

	began := time.Now()
	all := settled(startInstance(b, instanceOrder{NATS: nats.url, Receiver: hello}))
	b.ReportMetric(time.Since(began).Seconds(), "settled-s")
	b.ReportMetric(float64(consumers(b, nats.url)), "consumers")
	b.ReportMetric(float64(one.Goroutines), "goroutines-of-one")
	b.ReportMetric(float64(all.Goroutines), "goroutines")
	b.ReportMetric(float64(one.Heap)/(1<<20), "heap-of-one-MiB")
	b.ReportMetric(float64(all.Heap)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(all.RSS)/(1<<20), "rss-MiB")
	server := nats.usage()
	b.ReportMetric(float64(before.Heap)/(1<<20), "server-heap-of-one-MiB")
	b.ReportMetric(float64(before.RSS)/(1<<20), "server-rss-of-one-MiB")
	b.ReportMetric(float64(server.Heap)/(1<<20), "server-heap-MiB")
	b.ReportMetric(float64(server.RSS)/(1<<20), "server-rss-MiB")
}

// deliverOne takes an event of the first webhook all the way.
func deliverOne(b *testing.B, url string, hello greeting) {
	to, err := hello.receiver()
	require.NoError(b, err)
	keeping, err := natsstore.Open(b.Context(), natsConfig(url, natsstore.DefaultName, 1))
	require.NoError(b, err)
	s, err := newEngineOver(keeping, to, engine.Config{BatchAge: time.Millisecond})
	require.NoError(b, err)
	configure(b, s, to, webhookName(0))
	require.NoError(b, s.Record(b.Context(), webhookName(0), events(1)...))
	require.NoError(b, s.Drain(b.Context(), webhookName(0)))
	require.NoError(b, s.Close(context.Background()))
	require.NoError(b, keeping.Close())
}

// idleWebhooks makes n more such webhooks: their messages are those of the first
// one, under their names.
func idleWebhooks(b *testing.B, url string, n int) {
	js := connectNATS(b, url, jetstream.WithPublishAsyncMaxPending(1024), jetstream.WithPublishAsyncErrHandler(
		func(_ jetstream.JetStream, _ *nats.Msg, err error) { b.Error(err) },
	))
	var like []*jetstream.RawStreamMsg
	require.Eventually(b, func() bool {
		like = messagesOf(b, js, webhookName(0))
		token := slices.ContainsFunc(like, func(msg *jetstream.RawStreamMsg) bool { return strings.Contains(msg.Subject, ".work.") })
		return len(like) >= 3 && !token // an event, a state, a configuration; perhaps the mark of a wake
	}, time.Minute, time.Millisecond)
	for i := range n {
		for _, msg := range like {
			next := &nats.Msg{Subject: strings.Replace(msg.Subject, webhookName(0), webhookName(i+1), 1), Data: msg.Data}
			_, err := js.PublishMsgAsync(next, jetstream.WithStallWait(time.Minute))
			require.NoError(b, err)
		}
	}
	<-js.PublishAsyncComplete()
}

// messagesOf returns the last message of each subject that ends in the name.
func messagesOf(b *testing.B, js jetstream.JetStream, name string) (all []*jetstream.RawStreamMsg) {
	streams := js.StreamNames(b.Context())
	for stream := range streams.Name() {
		of, err := js.Stream(b.Context(), stream)
		require.NoError(b, err)
		info, err := of.Info(b.Context(), jetstream.WithSubjectFilter(">"))
		require.NoError(b, err)
		for subject := range info.State.Subjects {
			if strings.HasSuffix(subject, "."+name) {
				msg, err := of.GetLastMsgForSubject(b.Context(), subject)
				require.NoError(b, err)
				all = append(all, msg)
			}
		}
	}
	require.NoError(b, streams.Err())
	return all
}

// settled waits until the instance does nothing any more, and returns what it
// takes then.
func settled(p instanceProcess) usage {
	last := p.do(instanceCommand{Usage: true}).usage
	for {
		time.Sleep(time.Second)
		now := p.do(instanceCommand{Usage: true}).usage
		if now.CPU-last.CPU < 100*time.Millisecond {
			return now
		}
		last = now
	}
}

// consumers returns how many consumers there are of all streams.
func consumers(b *testing.B, url string) int {
	js := connectNATS(b, url)
	streams := js.ListStreams(b.Context())
	n := 0
	for info := range streams.Info() {
		n += info.State.Consumers
	}
	require.NoError(b, streams.Err())
	return n
}
