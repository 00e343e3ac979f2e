package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	replicas   = 3 // servers, each of which keeps everything
	maxPayload = 8 << 20
)

// servers is a cluster of NATS servers with JetStream in this process. Real ones
// run on three machines, with TLS and accounts.
type servers struct {
	dir  string
	each []*server.Server
}

// startServers returns when the servers have agreed on a leader.
func startServers() (s *servers, err error) {
	s = &servers{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	if s.dir, err = os.MkdirTemp("", "auditlog-cluster-"); err != nil {
		return s, err
	}
	ports, err := freePorts(replicas)
	if err != nil {
		return s, err
	}
	var routes []*url.URL
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprint("127.0.0.1:", port)})
	}
	for i, port := range ports {
		name := fmt.Sprint("server-", i+1)
		one, err := server.NewServer(&server.Options{
			ServerName: name,
			Host:       "127.0.0.1",
			Port:       server.RANDOM_PORT,
			MaxPayload: maxPayload, // room for the largest call
			Cluster:    server.ClusterOpts{Name: "auditlog", Host: "127.0.0.1", Port: port},
			Routes:     routes,
			JetStream:  true,
			StoreDir:   filepath.Join(s.dir, name),
			NoLog:      true,
			NoSigs:     true,
		})
		if err != nil {
			return s, err
		}
		one.Start()
		s.each = append(s.each, one)
	}
	return s, s.ready()
}

// freePorts returns ports that were free just now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // at the end, so that they differ
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// ready waits until one of the servers leads all of them.
func (s *servers) ready() error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		for _, one := range s.each {
			if one.JetStreamIsLeader() && len(one.JetStreamClusterPeers()) == len(s.each) {
				return nil
			}
		}
	}
	return errors.New("the NATS servers found no leader")
}

// url returns the addresses of all, as clients take them.
func (s *servers) url() string {
	var urls []string
	for _, one := range s.each {
		urls = append(urls, one.ClientURL())
	}
	return strings.Join(urls, ",")
}

// stop stops the servers and removes what they kept.
func (s *servers) stop() error {
	for _, one := range s.each {
		one.Shutdown()
		one.WaitForShutdown()
	}
	return os.RemoveAll(s.dir)
}
