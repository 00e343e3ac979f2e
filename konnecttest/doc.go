// Package konnecttest has what a test, or a demonstration, needs in place of
// the outside world: a SIEM that takes audit logs over real HTTPS and fails as
// it is told to ([SIEM]), a Konnect whose audit log webhook really delivers
// ([Konnect]), and realistic events ([Events]).
//
// Both servers listen on a loopback port of their own choosing and know nothing
// of each other. In a test they stop by themselves:
//
//	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer secret"})
//	siem.Script(konnecttest.Step{Status: 500}, konnecttest.Step{Status: 429})
//	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{RootCAs: siem.RootCAs()})
//
// In a program use [StartSIEM] and [StartKonnect], which return errors, and
// Close.
package konnecttest

// TB is the part of testing.TB that the servers need.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatalf(format string, args ...any)
}
