// Package deptest holds a test: that every package of the SDK imports only what
// the table in table_test.go gives it, so that the light packages stay light and
// no package calls back into one above it.
package deptest
