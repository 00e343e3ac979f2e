package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"time"

	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
)

const (
	webhooks   = 6
	calls      = 240 // each for the next webhook
	callEvents = 5
	interval   = 25 * time.Millisecond // between calls
)

// service is the instances as those see them who use the service.
type service struct{ instances []*process }

// startService starts two instances, each of which configures half of the webhooks.
func startService(ctx context.Context, nats string, siem *konnecttest.SIEM, logs io.Writer) (*service, error) {
	key := make([]byte, shipper.KeyBytes)
	_, _ = rand.Read(key) // a real one comes from a vault
	s := &service{}
	for _, name := range []string{"instance-1", "instance-2"} {
		p, err := start(ctx, settings{name, nats, key, siem.URL(), siem.CertificatePEM()}, logs)
		if err != nil {
			_ = s.stop()
			return nil, err
		}
		s.instances = append(s.instances, p)
	}
	for i, id := range webhookIDs() {
		p := s.instances[i%len(s.instances)]
		if err := p.Call("Instance.Configure", id, nil); err != nil {
			_ = s.stop()
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return s, nil
}

func webhookIDs() []string {
	var ids []string
	for i := range webhooks {
		ids = append(ids, fmt.Sprint("tenant-", i+1))
	}
	return ids
}

// record has events recorded, webhook after webhook, by the instances in turn.
func (s *service) record(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	ids := webhookIDs()
	for i := range calls {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		args := Call{Webhook: ids[i%webhooks], First: i / webhooks * callEvents, Events: callEvents}
		if err := s.call(i, "Instance.Record", args); err != nil {
			return err
		}
	}
	return nil
}

// drain waits until everything is delivered.
func (s *service) drain() error { return s.call(0, "Instance.Drain", webhookIDs()) }

// call asks an instance and, as a load balancer does, the next one if it is dead.
func (s *service) call(first int, method string, args any) error {
	var err error
	for i := range s.instances {
		p := s.instances[(first+i)%len(s.instances)]
		err = p.Call(method, args, nil)
		var answer rpc.ServerError
		if err == nil || errors.As(err, &answer) {
			break
		}
	}
	return err
}

// kill kills the instance of that name.
func (s *service) kill(name string) error {
	for _, p := range s.instances {
		if p.name == name {
			return p.kill()
		}
	}
	return fmt.Errorf("there is no instance %q", name)
}

// stop lets the instances end that live.
func (s *service) stop() error {
	var errs []error
	for _, p := range s.instances {
		errs = append(errs, p.stop())
	}
	return errors.Join(errs...)
}
