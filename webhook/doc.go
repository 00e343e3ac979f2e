// Package webhook describes the resources of the management API for audit logs:
// the webhook, what it sends to, and what else belongs to it, with the rules
// that their values must keep and their exact wire forms. A client and a server
// share it, so it holds no HTTP and no delivery.
//
//   - [Config] is a webhook with an endpoint of its own (version 2 of the API),
//     and [Patch] an update of it that knows which fields were set.
//     [Config.Apply] carries it out.
//   - [Destination] is an endpoint that webhooks are bound to, [Binding] such a
//     webhook (version 3, and developer portals). [DestinationPatch] and
//     [BindingPatch] update them.
//   - [ReplayJob] sends events of the past again.
//   - [Entry] is an entry of the audit log that a client pulls, [KeySet] the
//     keys that entries are signed with.
//   - [ValidationError] names each field at fault, and [Problem] is what a
//     server answers.
//   - [Secret] holds a credential that cannot be printed by accident.
//
// As JSON each resource is the API's answer, which never holds an
// authorization. Reading answers is lenient, as a client must be. The functions
// named Decode read the bodies of requests, as strictly as a server must; those
// named Encode write them, and reveal the authorization where there is one.
//
// Names, texts and defaults are those of Konnect's OpenAPI files (audit logs,
// versions 2 and 3, and portal management) and of its set-up guide. Where they
// are silent the comments say that a rule is this package's own.
package webhook
