// Package natstest runs NATS servers with JetStream in the process of a test,
// one or a cluster.
package natstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Payload is the servers' max_payload, in bytes: room for the largest block.
const Payload = 8 << 20

// ready is how long servers may take to start and to agree on a leader.
const ready = time.Minute

// Cluster is servers that know each other, with their data in a directory.
type Cluster struct {
	options []*server.Options
	servers []*server.Server
}

// Start starts so many servers, which keep what they store below the directory.
// change, unless it is nil, can change the options of each.
func Start(dir string, servers int, change func(*server.Options)) (*Cluster, error) {
	c := &Cluster{servers: make([]*server.Server, servers)}
	for i := range servers {
		o := &server.Options{
			ServerName: fmt.Sprint("server-", i),
			Host:       "127.0.0.1",
			Port:       server.RANDOM_PORT,
			JetStream:  true,
			StoreDir:   filepath.Join(dir, fmt.Sprint("server-", i)),
			MaxPayload: Payload,
			NoLog:      true,
			NoSigs:     true,
		}
		c.options = append(c.options, o)
	}
	if err := c.join(); err != nil {
		return nil, err
	}
	for i, o := range c.options {
		if change != nil {
			change(o)
		}
		if err := c.start(i); err != nil {
			return nil, errors.Join(err, c.Stop())
		}
	}
	err := c.wait()
	if err != nil {
		err = errors.Join(err, c.Stop())
	}
	return c, err
}

// join makes a cluster of several servers: each knows the ports of all.
func (c *Cluster) join() error {
	if len(c.options) == 1 {
		return nil
	}
	var routes []*url.URL
	for _, o := range c.options {
		port, err := freePort()
		if err != nil {
			return err
		}
		o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
	}
	for _, o := range c.options {
		o.Routes = routes
	}
	return nil
}

// freePort returns a port that was free just now, and that no connection gets for
// its own end while a server is stopped: systems give those higher ones.
func freePort() (int, error) {
	const lowest, ephemeral = 10_240, 32_768
	for tries := 1; ; tries++ {
		port := lowest + rand.IntN(ephemeral-lowest) //nolint:gosec // no secret
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", fmt.Sprint("127.0.0.1:", port))
		if err == nil {
			return port, l.Close()
		}
		if tries == 100 {
			return 0, err
		}
	}
}

// start starts a server. Its port stays the same when it is started again.
func (c *Cluster) start(i int) (err error) {
	o := c.options[i]
	if o.Port == server.RANDOM_PORT {
		if o.Port, err = freePort(); err != nil {
			return err
		}
	}
	s, err := server.NewServer(o.Clone())
	if err != nil {
		return err
	}
	s.Start()
	c.servers[i] = s
	return nil
}

// wait waits until the servers take connections and, if they are several, have
// a leader.
func (c *Cluster) wait() error {
	for i, s := range c.servers {
		if s != nil && !s.ReadyForConnections(ready) {
			return fmt.Errorf("%s is not ready after %v", c.options[i].ServerName, ready)
		}
	}
	if !until(c.led) {
		return fmt.Errorf("the cluster has no leader after %v", ready)
	}
	return nil
}

// until waits until something holds, not for ever: then it returns false.
func until(holds func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(ready); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// led tells whether there is a leader who sees all the others.
func (c *Cluster) led() bool {
	if len(c.servers) == 1 {
		return true
	}
	for _, s := range c.servers {
		if s == nil || !s.JetStreamIsLeader() {
			continue
		}
		info, err := s.Jsz(nil)
		if err != nil || info.Meta == nil || len(info.Meta.Replicas) != len(c.servers)-1 {
			continue
		}
		seen := true
		for _, peer := range info.Meta.Replicas {
			seen = seen && !peer.Offline && peer.Current
		}
		if seen {
			return true
		}
	}
	return false
}

// URL returns the addresses of the servers, as nats.Connect takes them.
func (c *Cluster) URL() string {
	urls := make([]string, len(c.options))
	for i, o := range c.options {
		urls[i] = fmt.Sprintf("nats://127.0.0.1:%d", o.Port)
	}
	return strings.Join(urls, ",")
}

// Server returns a server.
func (c *Cluster) Server(i int) *server.Server { return c.servers[i] }

// StopOne stops a server and waits until it has ended.
func (c *Cluster) StopOne(i int) {
	if s := c.servers[i]; s != nil {
		s.Shutdown()
		s.WaitForShutdown()
		c.servers[i] = nil
	}
}

// StartOne starts a stopped server again, on the same port.
func (c *Cluster) StartOne(i int) error {
	if err := c.start(i); err != nil {
		return err
	}
	return c.wait()
}

// Stop stops all servers. Their data stays.
func (c *Cluster) Stop() error {
	for i := range c.servers {
		c.StopOne(i)
	}
	return nil
}

// Remove stops all servers and removes their data.
func (c *Cluster) Remove() error {
	err := c.Stop()
	for _, o := range c.options {
		err = errors.Join(err, os.RemoveAll(o.StoreDir))
	}
	return err
}
