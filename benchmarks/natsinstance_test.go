package benchmarks

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/natsstore"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
)

// instanceRole is a child that runs a Shipper over JetStream.
const instanceRole = "instance"

// instanceOrder is what the instance needs to know.
type instanceOrder struct {
	NATS     string
	Receiver greeting
}

// instanceCommand asks the instance for a report. With Record it begins to make
// its part of the calls, if it is the first, second … of so many instances.
type instanceCommand struct {
	Record              instanceLoad
	Instance, Instances int
	Usage               bool // the report has the memory and the goroutines
}

// instanceReport is what an instance has done by now.
type instanceReport struct {
	usage
	Events, Batches int64 // delivered
	Error           string
}

// instanceProcess is an instance as the benchmark sees it.
type instanceProcess struct{ child }

// startInstance starts an instance and waits until it is ready.
func startInstance(b *testing.B, order instanceOrder) instanceProcess {
	b.Helper()
	p := instanceProcess{startChild(b, instanceRole)}
	p.tell(order)
	p.do(instanceCommand{})
	return p
}

func (p instanceProcess) do(command instanceCommand) instanceReport {
	p.tb.Helper()
	p.tell(command)
	var r instanceReport
	p.hear(&r)
	require.Empty(p.tb, r.Error)
	return r
}

// instance is one as it sees itself.
type instance struct {
	s               *engine.Shipper
	all             []auditlog.Event // to be recorded
	events, batches atomic.Int64
	failed          atomic.Pointer[string]
}

// beInstance does what it is told to.
func beInstance(in *json.Decoder, out *json.Encoder) error {
	var order instanceOrder
	if err := in.Decode(&order); err != nil {
		return err
	}
	to, err := order.Receiver.receiver()
	if err != nil {
		return err
	}
	store, err := natsstore.Open(context.Background(), natsConfig(order.NATS, natsstore.DefaultName, 0))
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }()
	i := &instance{all: events(eventCount)}
	if i.s, err = newEngineOver(store, to, engine.Config{Hooks: []engine.Hook{i}}); err != nil {
		return err
	}
	defer func() { _ = i.s.Close(context.Background()) }()
	for {
		var command instanceCommand
		if err := in.Decode(&command); err != nil {
			return err
		}
		if command.Record.calls() > 0 {
			go i.record(command)
		}
		if err := out.Encode(i.report(command.Usage)); err != nil {
			return err
		}
	}
}

func (i *instance) report(all bool) (r instanceReport) {
	r.Events, r.Batches = i.events.Load(), i.batches.Load()
	if failed := i.failed.Load(); failed != nil {
		r.Error = *failed
	}
	if all {
		r.usage = used()
	} else {
		r.CPU, r.RSS = processUsage()
	}
	return r
}

// DeliveryFinished implements [engine.DeliveryFinishedHook].
func (i *instance) DeliveryFinished(_ context.Context, _ string, result delivery.Result, _ time.Time, err error) {
	if err != nil {
		i.fail(err)
		return
	}
	i.events.Add(int64(result.Events))
	i.batches.Add(1)
}

// record makes calls of Record, for all webhooks in turn.
func (i *instance) record(command instanceCommand) {
	load := command.Record
	inTurn(instanceCallers/command.Instances, load.calls()/command.Instances, func(n int) {
		call := n*command.Instances + command.Instance
		at := call % (len(i.all) / load.Events) * load.Events
		if err := i.s.Record(context.Background(), webhookName(call%load.Webhooks), i.all[at:at+load.Events]...); err != nil {
			i.fail(err)
		}
	})
}

func (i *instance) fail(err error) {
	text := err.Error()
	i.failed.Store(&text)
}
