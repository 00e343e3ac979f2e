// Package cef writes and reads ArcSight Common Event Format lines:
//
//	2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.control-planes|1|rt=1750280466889 src=127.0.0.6 action=list
//
// To write, start with [Encoder]; it appends to a buffer of the caller's,
// escapes everything, and cannot be made to emit a field that was not asked
// for. To read, start with [Parse]; [Scan] is the same reader as a visitor that
// allocates nothing. [Validate] holds a record against the CEF dictionary.
//
// # What a line can carry
//
// Reading back what was written gives the same event after this
// normalisation, and nothing else is changed:
//
//   - bytes that are not UTF-8 become U+FFFD;
//   - CR, LF and CRLF in a header field become one space, for no reader
//     understands an escape there (in extension values they survive as \r and \n);
//   - control characters other than TAB, CR and LF (C0, DEL, U+0085, U+2028,
//     U+2029) become U+FFFD;
//   - trailing spaces of the last value are dropped, for no reader keeps them.
//
// A value cannot forge an extension for any reader that we know. A header field
// cannot for a reader that takes the header off first, as CEF is meant to be
// read; one that searches the whole line for key=value finds such text in a
// name as well, since the format escapes no equals signs there.
//
// [Encoder.Replaced] counts the characters that became U+FFFD. Keys are never
// rewritten: a key that a reader could misunderstand is an error.
//
// # Where it runs
//
// The package uses a small part of the standard library and of the language
// (no generics, reflection or unsafe), so that it also runs interpreted in
// Traefik plug-ins, compiled to WebAssembly, and inside other gateways'
// plug-in hosts. Its test vectors, in testdata, are language-neutral JSON
// lines.
package cef
