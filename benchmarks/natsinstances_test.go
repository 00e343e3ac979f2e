package benchmarks

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/natsstore"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
)

const (
	// instancesVariable turns the benchmark of instances on, which takes long and
	// starts many processes.
	instancesVariable = "AUDITLOG_BENCHMARK_INSTANCES"

	instanceCallers = 64 // calls of Record at a time, of all instances together
)

// instanceLoad is what is recorded in an operation.
type instanceLoad struct {
	Webhooks int
	Calls    int // of Record, for each of them
	Events   int // in each call
}

func (l instanceLoad) calls() int  { return l.Webhooks * l.Calls }
func (l instanceLoad) events() int { return l.calls() * l.Events }

// BenchmarkNATSInstances takes events all the way by several instances, which
// are processes, with a thousand webhooks: durable on JetStream in calls of 100,
// encoded as CEF, compressed, sent over TLS, acknowledged. An operation is all
// events. The processor time that each part takes for an event, in the last
// operation, is beside it. The same for 500 webhooks with one event each, and so as
// many batches: with a hundred operations before, their delivery logs are full.
func BenchmarkNATSInstances(b *testing.B) {
	if os.Getenv(instancesVariable) == "" {
		b.Skipf("%s is not set", instancesVariable)
	}
	for _, servers := range []int{1, 3} {
		for _, instances := range []int{1, 2, 4} {
			b.Run(fmt.Sprintf("servers=%d/instances=%d", servers, instances), func(b *testing.B) {
				shipByInstances(b, servers, instances, instanceLoad{Webhooks: 1000, Calls: 3, Events: callEvents})
			})
		}
		b.Run(fmt.Sprintf("small/servers=%d", servers), func(b *testing.B) {
			shipByInstances(b, servers, 1, instanceLoad{Webhooks: 500, Calls: 1, Events: 1})
		})
	}
}

func shipByInstances(b *testing.B, servers, instances int, load instanceLoad) {
	nats := startNATS(b, servers)
	hello, receiving := startReceiver(b, http1)
	to, err := hello.receiver()
	require.NoError(b, err)
	configureInstances(b, nats.url, servers, to, load.Webhooks)
	all := make([]instanceProcess, instances)
	for i := range all {
		all[i] = startInstance(b, instanceOrder{NATS: nats.url, Receiver: hello})
	}
	total := int64(load.events())
	var before, after [3]usage // of instances, servers, receiver
	count := func() (of [3]usage, events, batches int64) {
		for _, i := range all {
			r := i.do(instanceCommand{})
			of[0].CPU += r.CPU
			events += r.Events
			batches += r.Batches
		}
		return of, events, batches
	}
	var wanted, batches int64
	b.ResetTimer()
	for b.Loop() {
		wanted += total
		b.StopTimer()
		before, _, _ = count()
		before[1], before[2] = nats.usage(), receiving.usage()
		b.StartTimer()
		for i, instance := range all {
			instance.do(instanceCommand{Record: load, Instance: i, Instances: instances})
		}
		for delivered := int64(0); delivered < wanted; {
			time.Sleep(10 * time.Millisecond)
			after, delivered, batches = count()
		}
		b.StopTimer()
		after[1], after[2] = nats.usage(), receiving.usage()
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(float64(wanted)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(wanted)/float64(batches), "events/batch")
	for i, part := range []string{"instances", "servers", "receiver"} {
		b.ReportMetric(float64((after[i].CPU-before[i].CPU).Microseconds())/float64(total), part+"-cpu-µs/event")
	}
}

func webhookName(i int) string { return fmt.Sprintf("webhook-%06d", i) }

// configureInstances configures so many webhooks.
func configureInstances(b *testing.B, url string, replicas int, to receiver, webhooks int) {
	events, err := natsstore.Open(b.Context(), natsConfig(url, natsstore.DefaultName, replicas))
	require.NoError(b, err)
	s, err := newEngineOver(events, to, engine.Config{})
	require.NoError(b, err)
	inTurn(natsWindow, webhooks, func(i int) { configure(b, s, to, webhookName(i)) })
	require.NoError(b, s.Close(context.Background()))
	require.NoError(b, events.Close())
}
