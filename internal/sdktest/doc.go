// Package sdktest lets the Go SDK that Kong generates from its OpenAPI files
// (github.com/Kong/sdk-konnect-go) use the handler of package konnectapi. It has
// nothing but tests, and is a module of its own to keep that SDK, which is large,
// out of everybody else's.
package sdktest
