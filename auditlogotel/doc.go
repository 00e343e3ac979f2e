// Package auditlogotel exports what a Shipper does through OpenTelemetry: its
// figures as metrics, and each delivery as a trace.
//
//	hook, err := auditlogotel.New(auditlogotel.Config{})
//	…
//	s, err := shipper.New(shipper.Config{Hooks: []shipper.Hook{hook}, …})
//	…
//	registration, err := hook.Register(s)
//
// [New] returns a hook that counts what happens and traces deliveries;
// [Hook.Register] adds the figures of how things stand, such as the length of
// the queue. The package needs OpenTelemetry's API only; which SDK the figures
// go to, and where from there, is up to the program.
//
// # Metrics
//
// What happens is counted from the moment the hook is made:
//
//	auditlog.recorded.events       {event}    events accepted
//	auditlog.recorded.size         By         bytes of them, as the store counts
//	auditlog.record.duration       s          how long it took to accept the events of a call
//	auditlog.attempts              {attempt}  HTTP requests, by auditlog.attempt.class
//	auditlog.attempt.duration      s          how long they took, by status and error
//	auditlog.delivered.events      {event}    events that an endpoint took
//	auditlog.delivered.size        By         bytes of them before compression
//	auditlog.delivery.delay        s          from a batch's oldest event being accepted to its delivery
//	auditlog.dead_lettered.events  {event}    events set aside
//	auditlog.lost.events           {event}    events lost unsent, by auditlog.lost.reason
//
// How things stand is observed when metrics are collected:
//
//	auditlog.queue.events          {event}    events that wait to be delivered
//	auditlog.queue.size            By         bytes of them
//	auditlog.queue.age             s          age of the oldest of them
//	auditlog.webhooks.serving      {webhook}  webhooks that are being served
//	auditlog.webhooks.held         {webhook}  webhooks whose endpoints take nothing
//	auditlog.record.blocked        {call}     calls of Record that wait for room
//	auditlog.skipped.events        {event}    events passed over, by ResumeFromNow
//	auditlog.replayed.events       {event}    events that an endpoint took of replay jobs
//
// The classes of attempts are those of [shipper.Attempts]: ok, too_many,
// client_error, server_error, other, no_answer. The reasons of losses are those
// of package store: expired, damaged.
//
// # Traces
//
// Each delivery of a batch, but those of replay jobs, is a span, auditlog.deliver, with a span for each of its
// attempts below it, POST. They are made when the delivery has ended, with the
// times that were. Attributes follow OpenTelemetry's semantic conventions for HTTP
// clients; but url.full, which these require, is left out: paths and queries of
// endpoints hold tokens. So no attribute has more of an endpoint than host and port, and
// none anything of what it answered but the status.
//
// A span that failed has the status Error and an error.type: that of an attempt
// is the HTTP status or, without an answer, one of timeout, dns, certificate,
// guard, canceled and connection; that of a delivery its [delivery.Reason].
//
// # Compatibility
//
// Names of metrics and attributes change with a major version only.
package auditlogotel
