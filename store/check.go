package store

import (
	"unicode"
	"unicode/utf8"
)

// CheckName returns a [*NameError] unless the name, of the field given, is 1
// to [MaxName] bytes of UTF-8 without control characters. It is for stores.
func CheckName(field, name string) error {
	if name == "" {
		return &NameError{Field: field, Name: name, Reason: "is empty"}
	}
	return CheckPrefix(field, name)
}

// CheckPrefix is [CheckName] that lets an empty name pass: for prefixes and
// dedup ids.
func CheckPrefix(field, name string) error {
	reason := ""
	switch {
	case len(name) > MaxName:
		reason = "is longer than 255 bytes"
	case !utf8.ValidString(name):
		reason = "is not UTF-8"
	default:
		for _, r := range name {
			if unicode.IsControl(r) {
				reason = "has a control character"
			}
		}
	}
	if reason == "" {
		return nil
	}
	return &NameError{Field: field, Name: name, Reason: reason}
}

// CheckBlock returns the bytes of the block's events, or a [*SizeError] if
// the block is not one that stores must take.
func CheckBlock(block Block) (bytes int, err error) {
	if len(block) == 0 || len(block) > MaxBlockEvents {
		return 0, &SizeError{Field: "the block's events", Size: len(block), Min: 1, Max: MaxBlockEvents}
	}
	for _, event := range block {
		if len(event) == 0 {
			return 0, &SizeError{Field: "an event's bytes", Min: 1, Max: MaxBlockBytes}
		}
		bytes += len(event)
	}
	if bytes > MaxBlockBytes {
		return 0, &SizeError{Field: "the block's bytes", Size: bytes, Min: 1, Max: MaxBlockBytes}
	}
	return bytes, nil
}

// CheckDocument returns a [*SizeError] if the value, of the field given, is
// longer than [MaxDocument].
func CheckDocument(field string, value []byte) error {
	if len(value) > MaxDocument {
		return &SizeError{Field: field, Size: len(value), Max: MaxDocument}
	}
	return nil
}
