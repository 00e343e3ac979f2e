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
// cut to 256 printable characters, and masked in them and in all error texts are:
//
//   - the authorization and the custom headers, and what follows the first space
//     in them, from 4 bytes on; of Basic credentials also the decoded ones and the
//     password in them;
//   - the endpoint's path and query, each as a whole and both together;
//   - a segment of the path that has 16 bytes or more, or 8 with a digit in it;
//   - a value in the query, or a key without one, that has 4 bytes or more;
//   - the credentials of a proxy.
//
// Their letters may be in any case, their characters escaped for JSON, HTML or a
// URL, and they may be in base64. A single character is never masked. What a peer
// does to them beyond that, such as to reverse, hash or cut them, is not seen
// through; so keep tokens in the authorization where the receiver allows it.
//
// Error texts have no addresses of the sender's network, its resolver or proxy.
//
// Two things are out of reach: what fmt prints of a [Config] in an unexported
// field, see there; and the bytes that an HTTP/1.1 server sends beyond the end of
// its answer, which net/http logs itself, through the standard logger.
//
// # Compatibility
//
// Fields may be added to the structs and hooks to the package; use field names
// in literals.
package delivery
