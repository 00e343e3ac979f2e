// Package signature signs audit log lines and verifies them: Ed25519 over the
// bytes of a line of CEF, JSON or CPS, carried in its field sig, as Kong's
// Konnect does.
//
// To verify, start with [ParseKeySet] or [NewRemote], which fetches the keys
// that the sender publishes, and [Verify]. To sign, start with [CreateKeyFile]
// and [NewSigner]; [Ring] changes keys, and [Handler] publishes them. [Split]
// alone takes a signature off a line, for other tools to verify.
//
// # What is signed
//
// An entry is a line without its line break: its "\n", and one "\r" before that.
// It is refused if it is empty, is not UTF-8, begins with a byte up to 0x20 or a
// byte order mark, or has a CR or LF in it. If its first byte is { it is JSON or
// CPS, else CEF. A signature is 64 bytes, written as exactly 86 characters of
// base64url without padding and with zero spare bits.
//
//   - CEF: the header ends with the seventh unescaped pipe after the first
//     "CEF:"; without one the entry is refused. What stands after the last " sig="
//     behind it is the signature and must run to the end of the entry; all
//     before that space is signed. Without " sig=" the entry is unsigned, but
//     refused if sig= follows the header directly. An earlier sig= is content.
//   - JSON: the entry is one strict object, with nothing after it. Its member
//     names are compared decoded, and no two may be equal. Without sig it is
//     unsigned. The signature must stand as "sig":"…" without escapes, and
//     without white space in it or next to it. What is signed is the object
//     without it and without the comma before it (after it, if it comes first);
//     an object of nothing else is refused. A nested sig is content.
//   - CPS: the entry is exactly {"event":, an object and }. The rule of JSON
//     holds for that object, and it is the object that is signed, so that it
//     has the same signature as a line of JSON. Any other entry with an object
//     as its member event is refused.
//
// An entry that is not refused is unsigned, or it is valid if one of the keys
// verifies its signature, for it names none, and else invalid. What no rule
// refuses is content, however odd, or else a user agent could suppress the
// evidence that it is part of.
//
// Kong documents the field and its encoding. Where the signature stands, what
// becomes of duplicates and white space, and all of CPS is documented nowhere;
// the rules above are stricter than what is. No genuine signed entry is public,
// so whether Konnect's own signer agrees is unproven.
//
// # What a signature proves
//
// That the holder of the key made this line, once. It proves neither that lines
// are complete, nor their order, nor that one is new: who can drop, swap or
// repeat lines on the way can still do so. [Signer.SignBatch] makes a signature
// over a batch with its id and time, which [VerifyBatch] holds against the clock.
//
// Parse what [Result] has as Payload, never the line: only those bytes are what
// was signed.
package signature
