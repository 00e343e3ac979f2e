// Package delivery sends batches of audit log events to one HTTPS endpoint, as
// Kong Konnect does for its audit log webhooks: compressed, authorized, retried
// within bounds, and refused for good where trying again cannot help.
//
// Start with [New] and [Deliverer.Deliver]. A [Batch] holds encoded events, one
// a line; [Batches] forms them from lines. The package works alone: it encodes
// nothing, stores nothing and starts nothing in the background.
//
// # One delivery
//
// A delivery is one POST of text/plain, attempted at most five times. Any 2xx
// answer ends it well. It is attempted again after a connection error (any
// error before the end of the answer's header, timeouts included), after 429
// and after every 5xx but 501; any other answer is final, redirects too, which
// are never followed. So are errors of certificates, host names and the
// protocol, which do not heal in seconds, TLS alerts from the peer among them,
// and refusals of the [Guard]. The waits are 1, 2, 4 and 8 s, longer where the
// answer has a Retry-After (429 and 503), and never outside 1 to 30 s.
//
// The status decides, whatever becomes of the rest of an answer, but for one
// case: where the header does not come to its end within the attempt's timeout,
// is malformed (a bad Content-Length, for instance) or larger than 1 MiB,
// net/http does not pass the status on. That is a connection error, be the
// status a 200, and the batch is sent again.
//
// Each batch has an id, sent as Webhook-Id with every attempt, so that a
// receiver can drop a batch that it has seen: an answer may be lost on its way
// when the batch was not. Webhook-Timestamp has the time of the attempt, in
// Unix seconds. (Both are names of the Standard Webhooks specification.)
//
// An attempt is one request, with an exception: net/http sends it again, once
// and at once, where it was lost on a connection that the server had closed
// while it was idle, or where an HTTP/2 server tells that it has not processed
// it (REFUSED_STREAM, GOAWAY).
//
// # What went wrong
//
// Every error of Deliver is an [*Error]: its Reason tells why the delivery
// ended, Retryable whether a later one may succeed, and its Result, which
// Deliver also returns, has every attempt.
//
// # Secrets
//
// Endpoints are named by scheme, host and port only, since paths and queries
// hold tokens at several vendors. Answers, which often echo what was sent, are
// cut to 256 printable characters, and the authorization, the custom headers
// and the endpoint's path and query are masked in them and in all error texts.
// One thing is out of reach: bytes that an HTTP/1.1 server sends beyond the end
// of its answer are logged by net/http itself, through the standard logger.
//
// # Compatibility
//
// Fields may be added to the structs and hooks to the package; use field names
// in literals.
package delivery
