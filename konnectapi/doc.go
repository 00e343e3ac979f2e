// Package konnectapi serves the audit log part of Konnect's management API, so
// that any service can let its customers configure where their audit logs go,
// with the clients that exist for Konnect: package client, curl, Terraform's
// provider, Kong's SDKs and kongctl.
//
// Start with [New], which makes an [net/http.Handler] over a
// [shipper.Shipper]. It serves the paths of versions 2 and 3: the webhook, its
// status, keys, replay job, destinations, the pull of audit logs, and the
// webhooks of developer portals. /openapi.json describes all of it.
//
// # Who may do what
//
// Config.Authenticate tells who sends a request and whose webhook it is about,
// the tenant; Config.Authorize whether they may. Without them every call is
// refused, but for the public keys and the OpenAPI document. An id in a path or
// a body is looked up among what belongs to the tenant: what is another
// tenant's is answered as what does not exist. Writes that a browser sends from
// another origin are refused ([net/http.CrossOriginProtection]).
//
// # One webhook, two views
//
// Version 2 gives a webhook an endpoint, version 3 binds it to a destination.
// Both show the same webhook: one that is bound to a destination shows that
// destination's endpoint in version 2, and a change of anything but enabled there takes
// it off the destination, which stays as it is. A webhook with an endpoint of
// its own does not exist in version 3. A change of a destination changes what
// all webhooks do that are bound to it.
//
// A PATCH changes the members that are there and not null, and nothing else:
// no default is filled in.
//
// # What is recorded
//
// Each change that is accepted is an event in the webhook's own stream before
// it takes effect: it tells who changed which members, and never their values. A
// webhook that is switched off sends that event before it stops. That of a
// destination is in the stream of the tenant's own webhook, if it has one, and in
// those of the webhooks that are bound to it. It is an authorization event of the
// class [EventService], whose name is "Authz." and the resource.
//
// # The audit log, and replays
//
// The audit log that is pulled is what the Shipper has recorded for the webhook, since
// that was configured and as long as retention keeps it: authentications,
// authorizations and accesses, for which alone Konnect has a form. A replay job
// is the Shipper's ([shipper.Shipper.StartReplay]). A webhook can be asked for ten
// jobs at once, then for one every six seconds.
//
// # Errors
//
// Errors are problem documents after RFC 9457, whatever the Accept header says.
// They repeat nothing of a request but the names of members that are not known, and
// no inner error. Their instance is random, and logged together with what went
// wrong.
package konnectapi
