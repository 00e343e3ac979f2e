//go:build unix

package natsstore_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/natsstore"
	"github.com/seed-6bcf82c5/auditlog/natsstore/internal/natstest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

var (
	chaosTime = flag.Duration("chaos", 20*time.Second, "for how long TestChaos does harm")
	chaosSeed = flag.Uint64("chaosseed", 0, "the seed of TestChaos; 0 for a random one")
)

const (
	instances   = 3
	nodes       = 3 // NATS servers
	webhooks    = 8
	chaosLease  = 2 * time.Second
	chaosSweep  = time.Second
	chaosBounds = time.Minute // for what must happen at last
)

// TestChaos kills and stops instances, restarts NATS servers one at a time, and
// ships to a receiver that fails, all at random. Everything that an instance
// said to have accepted must arrive, in order, and no event twice but under a
// Webhook-Id that the receiver has seen before.
func TestChaos(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	long := *chaosTime
	if testing.Short() {
		long = min(long, 10*time.Second)
	}
	harm, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var all sync.WaitGroup
	for i := range instances {
		all.Go(func() { c.report(c.torment(harm, i)) })
	}
	all.Go(func() { c.report(c.restart(harm)) })
	all.Go(func() { c.fail(harm) })
	all.Wait()
	if !t.Failed() {
		c.end()
	}
	figures, faults := c.ledger.check(c.siem.Requests())
	t.Logf("seed %d: %+v, %d calls of Record; %v", c.seed, figures, len(c.ledger.calls), c.ledger.tally)
	require.Empty(t, faults[:min(len(faults), 10)], "the first of %d", len(faults))
	for _, done := range []string{killed, stopped, restarted} {
		require.Positive(t, c.ledger.tally[done], done)
	}
	require.Positive(t, figures.handedOver, "batches that were handed over")
}

// What is done to instances and servers, for the tally.
const (
	killed    = "an instance that was killed"
	stopped   = "an instance that was stopped"
	restarted = "a server that was restarted"
)

// chaos is servers, instances, and the receiver that they ship to.
type chaos struct {
	t         *testing.T
	seed      uint64
	cluster   *natstest.Cluster
	js        jetstream.JetStream
	siem      *konnecttest.SIEM
	ledger    *ledger
	webhooks  []string
	instances [instances]*process // each one that of its torment
	lives     [instances]int
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	c := &chaos{t: t, seed: *chaosSeed, cluster: startServers(t, nodes), ledger: newLedger()}
	if c.seed == 0 {
		c.seed = rand.Uint64()
	}
	conn, err := nats.Connect(c.cluster.URL(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	c.js, err = jetstream.New(conn)
	require.NoError(t, err)
	c.siem = konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: chaosAuthorization})
	for i := range webhooks {
		c.webhooks = append(c.webhooks, fmt.Sprint("tenant-", i))
	}
	for i := range instances { // the first one configures
		require.NoError(t, c.start(i))
	}
	return c
}

// startServers starts so many servers.
func startServers(t *testing.T, n int) *natstest.Cluster {
	t.Helper()
	c, err := natstest.Start(t.TempDir(), n, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Stop()) })
	return c
}

// chaosStore is the configuration of a store on so many servers.
func chaosStore(url string, servers int) natsstore.Config {
	return natsstore.Config{
		URL: url, Replicas: servers, Lease: chaosLease, Sweep: chaosSweep, Logger: slog.New(slog.DiscardHandler),
	}
}

// start starts the next life of an instance and waits until it records.
func (c *chaos) start(i int) error {
	p, err := start(c.t, &child{
		Role: "instance", URL: c.cluster.URL(), Servers: nodes,
		Instance: i, Life: c.lives[i], Configure: i == 0 && c.lives[i] == 0, Webhooks: c.webhooks,
		Endpoint: c.siem.URL(), CA: c.siem.CertificatePEM(), Repeat: c.ledger.repeat(i),
	}, c.ledger.note)
	if err != nil {
		return err
	}
	c.instances[i] = p
	c.lives[i]++
	ctx, cancel := context.WithTimeout(c.t.Context(), chaosBounds)
	defer cancel()
	_, err = p.await(ctx, "started")
	return err
}

// report makes the test fail.
func (c *chaos) report(err error) {
	if err != nil {
		c.t.Error(err)
	}
}

// met adds to the tally.
func (c *chaos) met(what string) { c.ledger.note("met " + what) }

// random returns the random numbers of one of those who do harm.
func (c *chaos) random(number int) *rand.Rand { return rand.New(rand.NewPCG(c.seed, uint64(number))) }

// pause waits for a random time, and reports whether there is time for more harm.
func pause(ctx context.Context, r *rand.Rand, least, most time.Duration) bool {
	return store.SystemClock{}.Sleep(ctx, least+time.Duration(r.Int64N(int64(most-least)))) == nil
}

// torment kills an instance again and again, or stops it for longer than its
// claims last. In the end it runs.
func (c *chaos) torment(ctx context.Context, i int) error {
	r := c.random(i)
	how := i // so that each of them happens
	for ; pause(ctx, r, 500*time.Millisecond, 4*time.Second); how = r.IntN(4) {
		if how != 0 {
			c.met(stopped)
			if err := c.instances[i].signal(syscall.SIGSTOP); err != nil {
				return err
			}
			pause(ctx, r, chaosLease, 2*chaosLease)
		}
		if how > 1 {
			if err := c.instances[i].signal(syscall.SIGCONT); err != nil {
				return err
			}
			continue
		}
		c.met(killed)
		if err := c.instances[i].kill(); err != nil {
			return err
		}
		pause(ctx, r, 0, time.Second)
		if err := c.start(i); err != nil {
			return err
		}
	}
	return nil
}

// restart restarts the servers, one at a time.
func (c *chaos) restart(ctx context.Context) error {
	r := c.random(instances)
	for pause(ctx, r, 500*time.Millisecond, 2*time.Second) {
		c.met(restarted)
		i := r.IntN(nodes)
		c.cluster.StopOne(i)
		pause(ctx, r, 0, 2*time.Second)
		if err := c.cluster.StartOne(i); err != nil {
			return err
		}
		if err := c.healthy(); err != nil {
			return err
		}
	}
	return nil
}

// healthy waits until all servers have all of each stream.
func (c *chaos) healthy() error {
	ctx, cancel := context.WithTimeout(c.t.Context(), chaosBounds)
	defer cancel()
	for {
		err := c.unhealthy(ctx)
		if err == nil {
			return nil
		}
		if (store.SystemClock{}).Sleep(ctx, 50*time.Millisecond) != nil {
			return err
		}
	}
}

func (c *chaos) unhealthy(ctx context.Context) error {
	streams := c.js.ListStreams(ctx)
	for info := range streams.Info() {
		if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != nodes-1 {
			return fmt.Errorf("%s has not all its servers: %+v", info.Config.Name, info.Cluster)
		}
		for _, p := range info.Cluster.Replicas {
			if !p.Current || p.Offline || p.Lag != 0 {
				return fmt.Errorf("%s is behind: %+v", info.Config.Name, p)
			}
		}
	}
	return streams.Err()
}

// fail makes the receiver fail, at random, and ends that.
func (c *chaos) fail(ctx context.Context) {
	defer c.siem.Otherwise(konnecttest.Step{})
	r := c.random(instances + 1)
	for pause(ctx, r, 5*time.Millisecond, 15*time.Millisecond) {
		c.siem.Otherwise(failure(r))
	}
}

// failure is what the receiver does with a request.
func failure(r *rand.Rand) konnecttest.Step {
	switch r.IntN(20) {
	case 0:
		return konnecttest.Step{Status: 500}
	case 1:
		return konnecttest.Step{Status: 503}
	case 2:
		return konnecttest.Step{Status: 429, Header: map[string][]string{"Retry-After": {"1"}}}
	case 3:
		return konnecttest.Step{Status: 403} // the webhook is held
	case 4:
		return konnecttest.Step{Break: konnecttest.BreakBeforeReading}
	case 5:
		return konnecttest.Step{Break: konnecttest.BreakAfterReading} // it has taken the events
	case 6:
		return konnecttest.Step{Break: konnecttest.BreakAfterStatus} // the status is 200
	case 7:
		return konnecttest.Step{Delay: chaosLease + time.Duration(r.Int64N(int64(chaosLease)))}
	case 8, 9, 10, 11:
		return konnecttest.Step{Delay: time.Duration(r.IntN(300)) * time.Millisecond}
	default:
		return konnecttest.Step{}
	}
}

// end lets the instances deliver everything, and end.
func (c *chaos) end() {
	ctx, cancel := context.WithTimeout(c.t.Context(), chaosBounds)
	defer cancel()
	for _, step := range []struct{ tell, said string }{{"stop recording", "recorded"}, {"drain", "drained"}} {
		for _, p := range c.instances {
			require.NoError(c.t, p.tell(step.tell))
		}
		for i, p := range c.instances {
			if _, err := p.await(ctx, step.said); err != nil {
				c.t.Fatalf("instance %d: %v\n%s", i, err, c.left())
			}
		}
	}
	for _, p := range c.instances {
		require.NoError(c.t, p.wait())
	}
}

// left tells what is in the streams.
func (c *chaos) left() string {
	var text strings.Builder
	streams := c.js.ListStreams(c.t.Context())
	for info := range streams.Info() {
		fmt.Fprintf(&text, "stream %s: %+v\n", info.Config.Name, info.State)
		s, err := c.js.Stream(c.t.Context(), info.Config.Name)
		if err != nil {
			fmt.Fprintln(&text, err)
			continue
		}
		consumers := s.ListConsumers(c.t.Context())
		for consumer := range consumers.Info() {
			fmt.Fprintf(&text, "consumer %s: delivered %+v, acknowledged %+v, %d pending, %d not acknowledged, %d redelivered\n", consumer.Name,
				consumer.Delivered, consumer.AckFloor, consumer.NumPending, consumer.NumAckPending, consumer.NumRedelivered)
		}
	}
	return text.String()
}
