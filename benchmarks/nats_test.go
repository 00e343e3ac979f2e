package benchmarks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsRole is a child that runs NATS servers with JetStream on file storage.
const natsRole = "nats"

// natsPayload is their max_payload, in bytes: room for the largest block.
const natsPayload = 8 << 20

// natsReady is how long they may take to start and to agree on a leader.
const natsReady = time.Minute

// natsOrder tells the child what to run.
type natsOrder struct {
	Dir     string
	Servers int
}

// natsServers is such a child and the addresses of its servers.
type natsServers struct {
	child
	url string
}

// startNATS starts so many servers, which are a cluster if they are several.
func startNATS(tb testing.TB, servers int) natsServers {
	tb.Helper()
	dir := tb.TempDir() // before the child, so that it is removed after its end
	process := startChild(tb, natsRole)
	process.tell(natsOrder{Dir: dir, Servers: servers})
	s := natsServers{child: process}
	process.hear(&s.url)
	return s
}

// serveNATS runs the servers that it is told to.
func serveNATS(in *json.Decoder, out *json.Encoder) error {
	var order natsOrder
	if err := in.Decode(&order); err != nil {
		return err
	}
	all, err := order.start()
	defer func() {
		for _, s := range all {
			s.Shutdown()
			s.WaitForShutdown()
		}
	}()
	if err != nil {
		return err
	}
	urls := make([]string, len(all))
	for i, s := range all {
		urls[i] = s.ClientURL()
	}
	if err = out.Encode(strings.Join(urls, ",")); err != nil {
		return err
	}
	return answerUsage(in, out)
}

// start starts the servers and waits until they are ready. It returns those that
// it has started, also with an error.
func (o natsOrder) start() ([]*server.Server, error) {
	options := make([]*server.Options, o.Servers)
	var routes []*url.URL
	for i := range options {
		name := fmt.Sprint("server-", i)
		options[i] = &server.Options{
			ServerName: name,
			Host:       "127.0.0.1",
			Port:       server.RANDOM_PORT,
			JetStream:  true,
			StoreDir:   filepath.Join(o.Dir, name),
			MaxPayload: natsPayload,
			NoLog:      true,
			NoSigs:     true,
		}
		if o.Servers > 1 {
			port, err := freePort()
			if err != nil {
				return nil, err
			}
			options[i].Cluster = server.ClusterOpts{Name: "benchmark", Host: "127.0.0.1", Port: port}
			routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
		}
	}
	var all []*server.Server
	for _, o := range options {
		o.Routes = routes
		s, err := server.NewServer(o)
		if err != nil {
			return all, err
		}
		s.Start()
		all = append(all, s)
	}
	deadline := time.Now().Add(natsReady)
	for _, s := range all {
		if !s.ReadyForConnections(time.Until(deadline)) {
			return all, errors.New("a server is not ready")
		}
	}
	for len(all) > 1 && !led(all) {
		if time.Now().After(deadline) {
			return all, errors.New("the cluster has no leader")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return all, nil
}

// freePort returns a port that was free just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// led tells whether there is a leader who knows all servers.
func led(all []*server.Server) bool {
	for _, s := range all {
		if s.JetStreamIsLeader() && len(s.JetStreamClusterPeers()) == len(all) {
			return true
		}
	}
	return false
}
