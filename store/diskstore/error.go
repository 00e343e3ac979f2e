package diskstore

import (
	"fmt"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// DamageError tells where a segment of the log is damaged. It wraps
// store.ErrDamaged.
type DamageError struct {
	Segment string // the file's name
	Offset  int64  // of the first byte
	Length  int64  // in bytes
	Reason  string

	// Torn tells that the damage is what a crash leaves of a write that was
	// never acknowledged: nothing accepted is lost.
	Torn bool

	// Stream, Events and Seq tell what is lost, if that can still be read:
	// Events is 0 otherwise. Those unsent are in the stream's gap.
	Stream string
	Events int
	Seq    uint64

	// Aside is the name of the file that has a copy of the bytes, if any
	// could be made.
	Aside string
}

// Error names segment, offset, length and reason.
func (e *DamageError) Error() string {
	kind := "damaged"
	if e.Torn {
		kind = "a write that was never acknowledged was cut off"
	}
	s := fmt.Sprintf("segment %s at offset %d, %d bytes: %s: %s", e.Segment, e.Offset, e.Length, kind, e.Reason)
	if e.Events > 0 {
		s += fmt.Sprintf(" (%d events of stream %q, sequence %d)", e.Events, e.Stream, e.Seq)
	}
	if e.Aside != "" {
		s += ", copied to " + e.Aside
	}
	return s
}

// Unwrap returns store.ErrDamaged.
func (e *DamageError) Unwrap() error { return store.ErrDamaged }

// LockedError tells that the directory is in use, by another process or by
// another store of this one.
type LockedError struct {
	Dir string
}

// Error names the directory.
func (e *LockedError) Error() string {
	return fmt.Sprintf("the store in %s is in use: only one process can open it at a time", e.Dir)
}

// FormatError tells that a file was written by a version of this package that
// this one does not know.
type FormatError struct {
	File    string
	Version uint32 // the file's
}

// Error names the file and both versions.
func (e *FormatError) Error() string {
	return fmt.Sprintf("%s has format version %d; this program reads %d", e.File, e.Version, formatVersion)
}
