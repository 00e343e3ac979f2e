package webhook

// KeySet is the set of public keys that audit log entries are signed with, a
// JSON Web Key Set (RFC 7517 §5). An entry does not name its key. Decoding
// checks nothing: whoever verifies signatures must.
type KeySet struct {
	Keys []Key `json:"keys"`
}

// Key is a public key of a [KeySet] as it stands on the wire (RFC 8037 §2). Of
// those of audit logs Type is OKP, Algorithm EdDSA and Curve Ed25519.
type Key struct {
	Type      string `json:"kty"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	Curve     string `json:"crv"`
	X         string `json:"x"` // the key's 32 bytes in base64url without padding
}
