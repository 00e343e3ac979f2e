// Package conformance checks requests and answers of the management API against
// Konnect's own OpenAPI files, those of the organization and of developer
// portals, versions 2 and 3.
//
// The files are not part of the module. The environment variable
// AUDITLOG_OPENAPI names the folder that has them; without it the tests are
// skipped.
//
// A [Suite] holds the files, mends their known flaws in memory ([Exceptions]
// names each with its reason), finds the operation that a request belongs to,
// and keeps count of what was checked. [Suite.Transport] checks all that passes
// through it: a client's requests, a server's answers.
//
// It is a module of its own because nobody but these tests needs an OpenAPI
// validator.
package conformance
