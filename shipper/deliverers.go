package shipper

import (
	"container/list"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	retry "github.com/sethvargo/go-retry"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
)

// deliverers keeps the Deliverers of the webhooks served last, whose
// connections may still be open. The connections of others close when they have
// been idle for a while.
type deliverers struct {
	s    *Shipper
	most int

	mu       sync.Mutex
	byStream map[string]*list.Element // of *deliverer
	recent   list.List                // the latest first
}

// deliverer delivers to one webhook as it is configured.
type deliverer struct {
	*delivery.Deliverer
	stream  string
	change  string      // that made the configuration
	probing atomic.Bool // deliveries have one attempt
}

func newDeliverers(s *Shipper) *deliverers {
	return &deliverers{s: s, most: s.cfg.Workers + s.cfg.SlowWorkers, byStream: map[string]*list.Element{}}
}

// get returns the Deliverer of the webhook's configuration for a stream.
func (ds *deliverers) get(ctx context.Context, stream, id string, st *stored) (*deliverer, error) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	if at := ds.byStream[stream]; at != nil {
		d, _ := at.Value.(*deliverer)
		if d.change == st.change {
			ds.recent.MoveToFront(at)
			return d, nil
		}
		ds.remove(at)
	}
	d, err := ds.s.newDeliverer(ctx, id, st)
	if err != nil {
		return nil, err
	}
	d.stream = stream
	ds.byStream[stream] = ds.recent.PushFront(d)
	if ds.recent.Len() > ds.most {
		ds.remove(ds.recent.Back())
	}
	return d, nil
}

// remove forgets a Deliverer. A delivery under way goes on.
func (ds *deliverers) remove(at *list.Element) {
	d, _ := ds.recent.Remove(at).(*deliverer)
	delete(ds.byStream, d.stream)
	d.Close()
}

func (ds *deliverers) closeAll() {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	for ds.recent.Len() > 0 {
		ds.remove(ds.recent.Back())
	}
}

// newDeliverer returns a Deliverer for the configuration.
func (s *Shipper) newDeliverer(ctx context.Context, id string, st *stored) (*deliverer, error) {
	if st.config.SkipSSLVerification {
		if s.cfg.ForbidSkipSSLVerification {
			return nil, errSkipForbidden
		}
		s.warnInsecure(ctx, id, &st.config)
	}
	d := &deliverer{change: st.change}
	cfg := s.cfg.Delivery
	cfg.Endpoint = st.config.Endpoint
	cfg.Authorization = st.config.Authorization
	cfg.InsecureSkipVerify = st.config.SkipSSLVerification
	cfg.Clock = s.cfg.Clock
	cfg.Hooks = append([]delivery.Hook{attemptHook{}}, cfg.Hooks...)
	cfg.Backoff = func() retry.Backoff {
		if d.probing.Load() {
			return retry.BackoffFunc(func() (time.Duration, bool) { return 0, true })
		}
		return httpretry.NewBackoff()
	}
	if s.cfg.Tune != nil {
		s.cfg.Tune(id, &cfg)
	}
	var err error
	if d.Deliverer, err = delivery.New(cfg); err != nil {
		return nil, fmt.Errorf("shipper: webhook %q: %w", id, err)
	}
	return d, nil
}

// attemptHook tells who delivers what happens.
type attemptHook struct{}

type flightKey struct{}

type attemptObserver interface {
	attemptStarted()
	attemptFinished(ctx context.Context, result delivery.Result)
}

// AttemptStarted implements [delivery.AttemptStartedHook].
func (attemptHook) AttemptStarted(ctx context.Context, _ delivery.Result) {
	if f, ok := ctx.Value(flightKey{}).(attemptObserver); ok {
		f.attemptStarted()
	}
}

// AttemptFinished implements [delivery.AttemptFinishedHook].
func (attemptHook) AttemptFinished(ctx context.Context, result delivery.Result) {
	if f, ok := ctx.Value(flightKey{}).(attemptObserver); ok {
		f.attemptFinished(ctx, result)
	}
}

var (
	_ delivery.AttemptStartedHook  = attemptHook{}
	_ delivery.AttemptFinishedHook = attemptHook{}
)
