// Command cluster shows what happens when a machine dies: two instances of a
// service share three NATS servers and, through them, the audit logs of six
// tenants. In the middle of a batch one instance is killed. The other takes over
// within the lease, sends the batch again under the Webhook-Id that it had, and
// nothing is lost.
//
//	go run -C examples/cluster .
//
// Servers, instances (processes of their own) and the receiver all run on this
// machine. It exits with status 1 unless every event arrived, in order, and
// twice only under a Webhook-Id that the receiver had seen.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	if s := os.Getenv(instanceEnv); s != "" {
		exit(serveInstance(context.Background(), s))
	}
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: cluster\n\nKills one of two instances that share a cluster of NATS servers, and counts what\narrives nonetheless. It takes about ten seconds.\n")
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, os.Stdout, os.Stderr))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
