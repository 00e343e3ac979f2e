package status

import "time"

// State is all that a webhook's status depends on. The zero State is a webhook
// that was never configured. Its methods return the next state and leave the
// receiver as it is.
//
// A State survives encoding/json unchanged. Times are wall-clock times, in UTC
// and without a monotonic reading, because the senders that report may be
// different processes.
type State struct {
	// Configured tells that the customer has set the webhook up. Unless it is
	// true, nothing else in the state shows.
	Configured bool `json:"configured"`
	// ConfiguredAt is when that happened. A report of an earlier time belongs
	// to a webhook that was removed since, and is ignored.
	ConfiguredAt time.Time `json:"configured_at,omitzero"`
	// Enabled tells that the customer wants events to be sent.
	Enabled bool `json:"enabled"`
	// Failing tells that the newest delivery failed.
	Failing bool `json:"failing"`
	// LastDeliveryAt is the time of the newest delivery that succeeded or
	// failed, zero before the first.
	LastDeliveryAt time.Time `json:"last_delivery_at,omitzero"`
	// LastAttempt is the newest attempt, zero before the first.
	LastAttempt Attempt `json:"last_attempt,omitzero"`
}

// Attempt is the result of one HTTP request to the endpoint.
type Attempt struct {
	// At is when the attempt started. It orders attempts.
	At time.Time `json:"at"`
	// Code is the HTTP status of the answer, 0 if there was none.
	Code int `json:"code,omitzero"`
	// Message says why the attempt failed, for a reader: the text of the HTTP
	// status, or the cause of a connection error. It must not hold secrets.
	Message string `json:"message,omitzero"`
}

// Configure records that the webhook was configured at the time at, or
// configured anew. A new webhook starts switched off and active. One that is
// configured already keeps its state: a failing webhook stays inactive until
// its next delivery shows whether the change has helped.
func (s State) Configure(at time.Time) State {
	if s.Configured {
		return s
	}
	return State{Configured: true, ConfiguredAt: wall(at)}
}

// Enable records that the customer switched sending on. It is ignored while
// the webhook is not configured.
func (s State) Enable() State {
	s.Enabled = s.Configured
	return s
}

// Disable records that the customer switched sending off.
func (s State) Disable() State {
	s.Enabled = false
	return s
}

// Remove records that the customer removed the webhook. Nothing of it is kept.
func (s State) Remove() State { return State{} }

// AttemptFinished records one HTTP attempt. It moves the last_* members of the
// document only. An attempt that started before the newest one known, or
// before the webhook was configured, is ignored; so is every attempt while it
// is not configured. The message of an attempt answered with 2xx is dropped:
// it is there to explain a failure.
func (s State) AttemptFinished(a Attempt) State {
	a.At = wall(a.At)
	if s.outdated(a.At, s.LastAttempt.At) {
		return s
	}
	if a.Code/100 == 2 {
		a.Message = ""
	}
	s.LastAttempt = a
	return s
}

// DeliverySucceeded records that a batch was accepted, which makes the webhook
// active. The time at is that of the delivery's last attempt. A delivery older
// than the newest one known, or than the webhook, is ignored.
func (s State) DeliverySucceeded(at time.Time) State { return s.deliveryFinished(at, false) }

// DeliveryFailed records that a batch was given up for now: its retries are
// used up, or the answer was one that is not retried. It makes the webhook
// inactive. Times are treated as in [State.DeliverySucceeded].
func (s State) DeliveryFailed(at time.Time) State { return s.deliveryFinished(at, true) }

func (s State) deliveryFinished(at time.Time, failed bool) State {
	at = wall(at)
	if s.outdated(at, s.LastDeliveryAt) {
		return s
	}
	s.LastDeliveryAt, s.Failing = at, failed
	return s
}

// outdated reports whether a report of the time at has nothing to say about
// this webhook, given the newest report of its kind. Of two reports of the
// same time the one that comes later counts.
func (s State) outdated(at, newest time.Time) bool {
	return !s.Configured || at.Before(s.ConfiguredAt) || at.Before(newest)
}

// Status returns the document that describes the state.
func (s State) Status() Status {
	if !s.Configured {
		return Status{WebhookStatus: Unconfigured}
	}
	condition := Active
	if s.Failing {
		condition = Inactive
	}
	return Status{
		LastAttemptAt:       s.LastAttempt.At,
		LastResponseCode:    s.LastAttempt.Code,
		LastResponseMessage: s.LastAttempt.Message,
		WebhookEnabled:      s.Enabled,
		WebhookStatus:       condition,
	}
}

// wall makes times of different processes, and of a state before and after it
// was stored, comparable: UTC also takes the monotonic reading away.
func wall(t time.Time) time.Time { return t.UTC() }
