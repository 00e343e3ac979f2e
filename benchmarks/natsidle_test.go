package benchmarks

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// idleVariable is how many webhooks are idle, if it is not a thousand: enough to
// see that the benchmark works. A million take a quarter of an hour to be made.
const idleVariable = "AUDITLOG_BENCHMARK_IDLE"

const idleCallers = 256

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
	keeping, err := natsstore.Open(b.Context(), natsConfig(nats.url, natsstore.DefaultName, 1))
	require.NoError(b, err)
	config, status := deliverOne(b, keeping, hello)
	instance := startInstance(b, instanceOrder{NATS: nats.url, Receiver: hello})
	few := settled(instance)
	instance.stop() // it would claim the others as well
	server := nats.usage()
	idleWebhooks(b, keeping, config, status, webhooks-1)
	require.NoError(b, keeping.Close())

	began := time.Now()
	many := settled(startInstance(b, instanceOrder{NATS: nats.url, Receiver: hello}))
	b.ReportMetric(time.Since(began).Seconds(), "settled-s")
	b.ReportMetric(float64(consumers(b, nats.url)), "consumers")
	b.ReportMetric(float64(few.Goroutines), "goroutines-of-one")
	b.ReportMetric(float64(many.Goroutines), "goroutines")
	b.ReportMetric(float64(few.Heap)/(1<<20), "heap-of-one-MiB")
	b.ReportMetric(float64(many.Heap)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(many.RSS)/(1<<20), "rss-MiB")
	full := nats.usage()
	b.ReportMetric(float64(full.Heap-server.Heap)/float64(webhooks), "server-heap-B/webhook")
	b.ReportMetric(float64(full.Heap)/(1<<20), "server-heap-MiB")
	b.ReportMetric(float64(full.RSS)/(1<<20), "server-rss-MiB")
}

// deliverOne takes an event of the first webhook all the way. It returns the
// webhook's configuration and its status, as the engine stores them.
func deliverOne(b *testing.B, keeping store.Store, hello greeting) (config, status []byte) {
	to, err := hello.receiver()
	require.NoError(b, err)
	s, err := newEngineOver(keeping, to, engine.Config{BatchAge: time.Millisecond})
	require.NoError(b, err)
	id := webhookName(0)
	configure(b, s, to, id)
	require.NoError(b, s.Record(b.Context(), id, events(1)...))
	require.NoError(b, s.Drain(b.Context(), id))
	require.NoError(b, s.Close(context.Background()))
	for doc, err := range keeping.List(b.Context(), "") {
		require.NoError(b, err)
		if strings.HasSuffix(doc.Key, "/"+id) {
			config = doc.Value
		}
	}
	require.NotEmpty(b, config)
	state, err := keeping.State(b.Context(), id)
	require.NoError(b, err)
	require.NotEmpty(b, state.Status)
	return config, state.Status
}

// idleWebhooks makes n more such webhooks, without an endpoint.
func idleWebhooks(b *testing.B, keeping store.Store, config, status []byte, n int) {
	block := lines(b, 1)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var delivering sync.WaitGroup
	delivered := make(chan struct{}, idleCallers)
	for range idleCallers {
		delivering.Go(func() {
			for {
				err := deliverClaimed(ctx, keeping, status)
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					b.Error(err)
				}
				delivered <- struct{}{}
			}
		})
	}
	go inTurn(idleCallers, n, func(i int) {
		id := webhookName(i + 1)
		_, err := keeping.Put(ctx, "webhook/"+id, config, 0)
		if err == nil {
			_, err = keeping.Append(ctx, id, "", block)
		}
		if err != nil {
			b.Error(err)
		}
	})
	for range n {
		<-delivered
	}
	cancel()
	delivering.Wait()
}

// deliverClaimed does what a session does with one event, but for the delivery.
func deliverClaimed(ctx context.Context, keeping store.Store, status []byte) error {
	claim, err := keeping.Claim(ctx)
	if err != nil {
		return err
	}
	batch, err := claim.Batch(ctx, store.Limits{Events: 500, Bytes: 1_000_000})
	if err == nil {
		err = claim.Ack(ctx, batch.ID, status, store.Limits{})
	}
	return errors.Join(err, claim.Release(ctx, store.Wait{}))
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
