// Package natsstore keeps accepted events and documents on NATS JetStream, so
// that any number of processes share the work: a service that outgrows one
// machine opens this store in place of package diskstore's.
//
//	events, err := natsstore.Open(ctx, natsstore.Config{
//		URL:      "tls://nats-1.example.com,tls://nats-2.example.com",
//		Options:  []nats.Option{nats.UserCredentials("audit.creds")},
//		Replicas: 3,
//	})
//
// It needs nats-server 2.12 or later with JetStream. docs/scaling.md has figures
// and configurations of servers.
//
// # What it promises
//
// An Append returns when the stream of events has acknowledged the block. By
// default a server acknowledges before it syncs to disk, which it does every two
// minutes, so a power failure can lose that much of a single one. Three replicas lose
// nothing when one of them loses its power, but for a rare case that docs/scaling.md
// tells; a server with "sync_interval: always" loses nothing but with its disk. [Open]
// warns where there is neither.
//
// A dedup id is remembered for Config.DedupWindow: three minutes by default, so
// that a call which is repeated within store.DedupWindow, two minutes, of its
// answer adds nothing. A call that is repeated later is another block, and so can be
// one that is repeated after DeleteStream.
//
// When the servers cannot be reached, Append returns store.ErrUnavailable at once,
// and a Shipper waits or fails as its FailWhenFull says. When only the answer is
// missing, nobody knows whether the block is kept: with a dedup id it is published
// again under that id, until the context ends or the stream may have forgotten the
// id; without one, or then, the call fails, and the error says so. Who must know
// uses shipper.Shipper.RecordOnce, and repeats it within store.DedupWindow.
//
// A claim of a webhook is a lease of Config.Lease. When a process dies, its
// webhooks go to others after that time, when they come up in the queue, with the
// batches that were frozen, under the same ids. Claims, and calls that changed something, go on through an
// outage that is shorter than a lease. Configurations are seen by all as they
// change.
//
// # How it is laid out
//
// With Config.Name "auditlog", the default:
//
//   - The stream auditlog-events has a message for each block, on the subject
//     auditlog.ev.<webhook>. It has no consumer: claims read it by batched direct
//     gets, and ask the leader whether that was all.
//   - The stream auditlog-tokens is a work queue with at most one message, a
//     token, for each webhook, on auditlog.work.<webhook>, and one consumer,
//     "shippers". Who has a token unacknowledged owns the webhook: progress
//     prolongs the lease, a negative acknowledgement with a delay is a wait.
//   - The bucket auditlog-states has a document for each webhook: position,
//     frozen batches, gaps, status and the token of its owner. Every change is an
//     update by revision. An owner writes it before anything else; so one
//     whose lease has ended, and who does not know it, can change nothing any more.
//   - The bucket auditlog-documents has the documents.
//
// A webhook with nothing to send has one document and no token: no consumer,
// timer or goroutine, neither here nor at the server.
//
// # Tokens
//
// A block and the token for it are two messages. The token is published by
// expecting that there is none. An owner publishes one by expecting its own, which
// then moves to the end of the queue, and removes it by its sequence when there is
// nothing left, then looks for events once more. A token whose lease has ended, or that
// was to wait for much longer, is never taken as it is: whoever gets it replaces it
// by a new one first, so that what the former owner still does to it has no effect.
//
// Whoever dies between a block and its token leaves events that nobody is told
// of. Every Config.Sweep one of the instances reads the headers of recent
// messages, and publishes the tokens that are missing. It reads those of all when a
// single server was started anew, for that one may have lost tokens with its power.
//
// # Lost events
//
// A single server that lost its power gives the sequences of the events that it has
// lost to others. A document remembers which process of the server had its events;
// when there is another, whoever claims the webhook looks whether the event before its
// position is still the same one. If not, it goes back to the first event that was not
// acknowledged, of those that are there, and tells the log. With three replicas nobody
// looks: where all of them lose their power at once, see docs/scaling.md, also for
// what follows where positions and configurations are lost.
//
// # Retention
//
// The stream of events has no maximum age: the server would remove unsent events
// without a trace. The sweep removes what is older than Config.Retention, after
// it has made gaps of unsent events. Events of webhooks that are claimed at that
// moment stay, and those behind them, until the next time.
//
// # Limits
//
// A message must fit into the servers' max_payload. Any single event that a
// Shipper takes fits into the default, 1 MB; blocks of up to store.MaxBlockBytes
// need 8 MB. What does not fit is refused with a [*store.SizeError].
//
// A full stream of events, by Config.MaxBytes or by a limit of the account or the
// server, makes Append return store.ErrFull. MaxBytes belongs below those limits:
// when one of them is reached, positions may not be stored either, and nothing is
// delivered until there is more room.
//
// Backlogs beyond 4 096 events or a megabyte are estimates. Store.Total, which a
// Shipper asks at most every ten seconds as long as its limits are far, costs a
// few requests for each webhook that has a backlog.
//
// # Permissions
//
// A user who may do nothing else needs to publish to these subjects, here with
// the default name and subject:
//
//	auditlog.ev.*
//	auditlog.work.*
//	$KV.auditlog-states.>
//	$KV.auditlog-documents.>
//	$JS.ACK.auditlog-tokens.shippers.>
//	$JS.FC.KV_auditlog-documents.>
//	$JS.API.STREAM.INFO.auditlog-events
//	$JS.API.STREAM.INFO.auditlog-tokens
//	$JS.API.STREAM.INFO.KV_auditlog-states
//	$JS.API.STREAM.INFO.KV_auditlog-documents
//	$JS.API.STREAM.MSG.GET.auditlog-events
//	$JS.API.STREAM.MSG.GET.auditlog-tokens
//	$JS.API.STREAM.MSG.GET.KV_auditlog-states
//	$JS.API.STREAM.MSG.GET.KV_auditlog-documents
//	$JS.API.DIRECT.GET.auditlog-events
//	$JS.API.STREAM.MSG.DELETE.auditlog-tokens
//	$JS.API.STREAM.PURGE.auditlog-events
//	$JS.API.STREAM.PURGE.KV_auditlog-states
//	$JS.API.CONSUMER.INFO.auditlog-tokens.shippers
//	$JS.API.CONSUMER.MSG.NEXT.auditlog-tokens.shippers
//	$JS.API.CONSUMER.CREATE.auditlog-events.*
//	$JS.API.CONSUMER.MSG.NEXT.auditlog-events.*
//	$JS.API.CONSUMER.DELETE.auditlog-events.*
//	$JS.API.CONSUMER.CREATE.KV_auditlog-documents.>
//	$JS.API.CONSUMER.DELETE.KV_auditlog-documents.*
//
// and, so that [Open] can create the streams and the consumer where an operator
// has not, to these:
//
//	$JS.API.STREAM.CREATE.auditlog-events
//	$JS.API.STREAM.CREATE.auditlog-tokens
//	$JS.API.STREAM.CREATE.KV_auditlog-states
//	$JS.API.STREAM.CREATE.KV_auditlog-documents
//	$JS.API.CONSUMER.CREATE.auditlog-tokens.shippers
//
// Answers come to subjects that the user needs to subscribe to, unless
// nats.CustomInboxPrefix is among the options:
//
//	_INBOX.>
//
// With a domain, or a prefix of the API, that one stands in place of $JS.API,
// and before $KV too. Servers with the feature flag js_ack_fc_v2 put two more
// tokens behind $JS.ACK and $JS.FC. A permission that is missing shows as calls
// that get no answer, while the log tells the subject.
//
// Where JetStream belongs to another account, that one exports $JS.API.> (with
// response_type: stream), $KV.>, auditlog.>, $JS.ACK.> and $JS.FC.> as services,
// and as a stream the subjects of nats.CustomInboxPrefix, on which watched
// documents come. The account of the store imports $JS.API.> as, for example,
// JS.audit.API.>, $KV.> as JS.audit.API.$KV.>, and the others as they are; then
// JS.audit.API is Config.APIPrefix.
package natsstore
