// Package webhook describes the webhook resource of the management API: its
// configuration, the partial update of it, the rules both must keep, and their
// exact wire forms. A client and a server share it, so it holds no HTTP and no
// delivery.
//
//   - [Config] is a configuration; as JSON it is the answer to a GET.
//   - [Patch] is an update that knows which fields were set. [EncodePatch] and
//     [DecodePatch] are its wire form, [Config.Apply] carries it out.
//   - [ValidationError] names each field at fault, and [Problem] is what a
//     server answers.
//   - [Secret] holds a credential that cannot be printed by accident.
//
// Names, texts and defaults are those of Konnect's OpenAPI files (audit logs,
// version 2) and of its set-up guide. Where they are silent the comments say
// that a rule is this package's own.
package webhook
