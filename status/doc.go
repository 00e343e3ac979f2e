// Package status keeps the answer to one question about a webhook: do its
// events arrive?
//
// [State] is a pure machine. Its methods take a state and return the next one;
// they read no clock and keep nothing, so a State can be stored as JSON, shared
// between processes by compare-and-swap, and replayed. [State.Status] turns it
// into [Status], the document that the management API shows.
//
// The customer's acts are [State.Configure], [State.Enable], [State.Disable]
// and [State.Remove]; the sender's reports are [State.AttemptFinished],
// [State.DeliverySucceeded] and [State.DeliveryFailed]. An attempt is one HTTP
// request and moves only the last_* members of the document. A delivery is one
// batch with all its retries, and only a delivery turns a webhook active or
// inactive.
//
// Whatever happens in whatever order, a webhook is in one of five conditions,
// those of Konnect's documentation:
//
//	webhook_enabled  webhook_status  meaning
//	true             active          ready to send: no attempt yet, or the last delivery succeeded
//	true             inactive        the last delivery failed; the customer wants sending to resume
//	false            active          configured, but switched off
//	false            inactive        the last delivery failed, and the customer has switched it off
//	false            unconfigured    never configured, or removed
//
// Reports may come late or out of order, from several senders: one that is
// older than what is known changes nothing.
package status
