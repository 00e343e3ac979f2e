// Package interop tests the SDK against software of others: what it sends is
// taken by the HTTP server layer that all receivers of the OpenTelemetry
// Collector have, and curl's requests are taken by our receiver. It is a module of
// its own, so that the Collector reaches nobody.
package interop
