// Package shipper ships audit events to webhooks, and loses none of those that
// it has accepted: not in a crash, not in an outage of an endpoint however long
// within the retention time, and not when a webhook is changed.
//
// Start with [New] over a store ([github.com/seed-6bcf82c5/auditlog/store/diskstore]),
// configure a webhook with [Shipper.Update], and call [Shipper.Record]. A webhook
// is named by any id, such as a tenant's; one Shipper serves one or ten thousand.
//
// # The way of an event
//
// Record returns when the event is durable. Events of one webhook are sent in
// order, in batches of at most 500 events or 1 000 000 bytes, or when the oldest
// has waited for a second. A batch gets its bounds and its id, sent as Webhook-Id,
// before its first attempt, and both are stored: a restart sends the same batch
// under the same id, so that a receiver can drop what it has seen. Delivery is at
// least once. Events are encoded when they are sent, by the webhook's
// configuration of that moment.
//
// # What becomes of a batch
//
// Package delivery makes up to five attempts. Then:
//
//   - A 2xx acknowledges it, and the status is active.
//   - Without an answer, with a 5xx, a 429, or a refusal of the sender (401, 403,
//     404, 410 and the like, redirects, certificates, the dial guard) the status
//     is inactive and the webhook is held: after Config.ProbeFirst it is probed with the
//     same batch and one attempt, then at intervals that double up to Config.ProbeMax,
//     until the endpoint answers. Then the backlog drains.
//   - A refusal that may be about an event (400, 413, 422) splits the batch in
//     half, down to the one event that is refused alone. It becomes a dead letter
//     only by evidence: when the same endpoint, configured as it was, takes another
//     event afterwards. If it takes none, the webhook is held, and nothing is
//     set aside. See [Shipper.DeadLetters].
//
// A change of the configuration releases a held webhook at once.
//
// # Where a webhook stands
//
// The status document ([Shipper.Status]) is that of package status.
// A webhook that is switched off keeps its events while retention lasts; switched
// on again it goes on where it stopped, or from then on if Config.ResumeFromNow
// is set. Record refuses events for one that was never configured.
//
// What retention removes unsent is counted and logged, and leaves a gap event
// in the stream, which says how many events are missing, from when to when, and
// why: no hole is silent.
//
// # Replay
//
// [Shipper.StartReplay] sends what was recorded in a range of time again, as far
// as the store still has it, beside the live events.
//
// # Secrets
//
// Authorizations are stored sealed: AES-256-GCM under Config.Keys, bound to the
// webhook's id and the endpoint's origin. With a key endpoints are sealed too, since
// they may hold a token, and by choice events. They appear in no log, error or
// printed value.
//
// # Load
//
// A webhook with nothing to send costs no goroutine and no memory here. At most
// Config.Workers webhooks are served at a time, in turn; one whose endpoint
// hangs steps aside after a second, so that it holds up nobody but itself.
// Config.Limits bound what waits; then Record blocks, or fails.
package shipper
