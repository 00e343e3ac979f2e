package konnecttest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// ErrNotEnabled is what Ship returns where the webhook is not configured, or
// switched off: nothing was sent.
var ErrNotEnabled = errors.New("konnecttest: the webhook is not enabled")

// ShipError tells which of the events given to Ship were not delivered.
type ShipError struct {
	// Delivered is how many events were delivered, from the first one on.
	Delivered int
	// Err is why the next batch was not; it is a [*delivery.Error] unless an
	// event could not be encoded.
	Err error
}

func (e *ShipError) Error() string {
	return fmt.Sprintf("konnecttest: %d events delivered, then: %v", e.Delivered, e.Err)
}

// Unwrap returns Err.
func (e *ShipError) Unwrap() error { return e.Err }

// Ship delivers events to the webhook, as it is configured now, in batches and
// in order, with Konnect's retries. It returns when all have been taken or the
// first batch has finally failed; the error is then a [*ShipError], and the
// events it names can be shipped again. The status moves meanwhile. A batch
// that is shipped again has another Webhook-Id.
func (k *Konnect) Ship(ctx context.Context, events ...auditlog.Event) error {
	k.shipping.Lock()
	defer k.shipping.Unlock()
	config := k.Webhook()
	if !config.Enabled {
		return ErrNotEnabled
	}
	deliverer, err := delivery.New(delivery.Config{
		Endpoint:           config.Endpoint,
		Authorization:      config.Authorization,
		InsecureSkipVerify: config.SkipSSLVerification,
		RootCAs:            k.config.RootCAs,
		DialContext:        k.config.DialContext,
		Clock:              k.config.Clock,
		Hooks:              append([]delivery.Hook{recorder{k}}, k.config.Hooks...),
	})
	if err != nil {
		return &ShipError{Err: err}
	}
	defer deliverer.Close()

	lines, encodeErr := encode(config.LogFormat, events)
	delivered := 0
	for batch, err := range delivery.Batches(lines, delivery.Limits{}) {
		var result delivery.Result
		if err == nil {
			result, err = deliverer.Deliver(ctx, batch)
		}
		if err != nil {
			return &ShipError{Delivered: delivered, Err: err}
		}
		delivered += result.Events
	}
	if err := encodeErr(); err != nil {
		return &ShipError{Delivered: delivered, Err: err}
	}
	return nil
}

// encode yields the events' lines, up to the first that cannot be encoded.
func encode(format webhook.LogFormat, events []auditlog.Event) (iter.Seq[[]byte], func() error) {
	var failed error
	lines := func(yield func([]byte) bool) {
		var line []byte
		for i := range events {
			var err error
			if line, err = auditlog.Format(format).Append(line[:0], &events[i]); err != nil {
				failed = fmt.Errorf("event %d: %w", i, err)
				return
			}
			if !yield(line) {
				return
			}
		}
	}
	return lines, func() error { return failed }
}

// recorder moves the status.
type recorder struct{ k *Konnect }

// AttemptFinished implements [delivery.AttemptFinishedHook].
func (r recorder) AttemptFinished(_ context.Context, result delivery.Result) {
	last := result.Last()
	message := http.StatusText(last.Status)
	if last.Err != nil {
		message = last.Err.Error()
	}
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	r.k.state = r.k.state.AttemptFinished(status.Attempt{At: last.Time, Code: last.Status, Message: message})
}

// DeliveryFinished implements [delivery.DeliveryFinishedHook]. A delivery that
// was never begun, or that its caller ended, says nothing about the endpoint.
func (r recorder) DeliveryFinished(_ context.Context, result delivery.Result, err error) {
	at := result.Last().Time
	failure, _ := errors.AsType[*delivery.Error](err)
	r.k.mu.Lock()
	defer r.k.mu.Unlock()
	if err == nil {
		r.k.state = r.k.state.DeliverySucceeded(at)
		return
	}
	switch failure.Reason {
	case delivery.ReasonExhausted, delivery.ReasonRefused, delivery.ReasonConnection, delivery.ReasonGuard:
		r.k.state = r.k.state.DeliveryFailed(at)
	}
}

var (
	_ delivery.AttemptFinishedHook  = recorder{}
	_ delivery.DeliveryFinishedHook = recorder{}
)
