// Package client calls Konnect's management API for audit logs, and any server
// that offers the same API: it configures where audit logs are sent, tells how
// sending goes, sends past events again and pulls the log itself.
//
// Start with [New]. Calls are grouped by resource, as in c.Webhook.Get:
//
//   - Webhook is the webhook of a region with an endpoint of its own, Binding
//     the same webhook where it is bound to one of the Destinations.
//     [BindingService.SetUp] and [BindingService.TearDown] take all the steps
//     there and back.
//   - Replay sends past events again.
//   - Logs is the audit log, and [Event] makes events of what is pulled.
//   - [Client.Portal] has the webhook and the replay job of a developer portal.
//
// Failures are [*APIError] where the server answered, and match the sentinels
// such as [ErrNotFound] by [errors.Is]; else they wrap the cause, such as a
// context error or a certificate error.
//
// # Safety
//
// An update sends the fields that were set and no others. Nothing is filled in
// with a default, so a call that changes the format cannot switch the webhook
// off.
//
// The token travels over https only, to the host given to [New] and to no
// other: redirects are not followed, not even on the same host, for the
// management API has none, and of the links between the pages of a list only
// the cursor is taken. Plain http is accepted for loopback hosts, for use with a
// fake. Tokens and authorization values appear in no error, log line or printed
// value, also where a server echoes them.
//
// # Retries
//
// A failed call is repeated up to four times, after 1, 2, 4 and 8 seconds or
// the server's Retry-After if that is longer, but never after more than 30. A
// GET is repeated after a connection error, 429 and any 5xx but 501. Any other
// call is repeated after 429 only, which says that it was not carried out: a 5xx
// or a lost connection may hide a change that was, and that somebody else has
// changed since. Errors of certificates are not retried. The context bounds it
// all.
package client
