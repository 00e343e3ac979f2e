// Package plugintest runs the test vectors of package cef where gateways run
// their plug-ins: interpreted by yaegi, as Traefik does, and as WebAssembly with
// WASI, as Envoy and others do. The same program, runner, runs in both.
//
// It is a module of its own to keep both hosts out of the SDK's requirements.
// The go command caches results by the files inside a module, and these are not,
// so the tests are to be run with -count=1.
package plugintest
