// Package preset knows what the usual receivers of audit logs take: the shape of
// their endpoints, the form of the authorization, formats, bounds of a batch,
// compression, and how old an event may be when it is replayed. Receivers that
// cannot take such requests at all are there too, each with what to put in
// between.
//
// Start with [Get] or [All]; [Preset.Check] holds a configuration against what
// its receiver takes. It is one table for clients that configure webhooks, for
// servers that offer them, and for pages that ask people what they have.
//
// Vendors change their products. Every fact has its source, and those that
// nobody has seen in the vendor's own documentation or code say so.
package preset
