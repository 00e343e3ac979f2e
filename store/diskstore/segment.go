package diskstore

import (
	"crypto/rand"
	"fmt"
	"hash/crc32"
	"strconv"
)

// formatVersion is that of the log.
const formatVersion = 1

// A segment's file is named by its number and its salt, each as 16
// hexadecimal digits, so that damage in its header costs nothing. The header,
// numbers little-endian:
//
//	 0  8  "AUDITLOG"
//	 8  4  version of the format
//	12  4  zero
//	16  8  the segment's number: its first sequence
//	24  8  number of the segment before it when it was begun, or 0
//	32  8  size of that in bytes: what it has behind was never acknowledged
//	40 20  zero
//	60  4  CRC-32C of the 60 bytes above
const (
	segmentMagic  = "AUDITLOG"
	segmentHeader = 64
	suffix        = ".log"
	asideSuffix   = ".damaged"
)

// segment is a file of the log.
type segment struct {
	number uint64
	salt   uint64
	size   int64 // what was synced
}

func (s *segment) name() string { return fmt.Sprintf("%016x-%016x%s", s.number, s.salt, suffix) }

// aside returns the name of the file for damage at the offset.
func (s *segment) aside(offset int64) string {
	return fmt.Sprintf("%016x-%08x%s", s.number, offset, asideSuffix)
}

// parseName returns the segment of that file name.
func parseName(name string) (*segment, bool) {
	if len(name) != 33+len(suffix) {
		return nil, false
	}
	number, err1 := strconv.ParseUint(name[:16], 16, 64)
	salt, err2 := strconv.ParseUint(name[17:33], 16, 64)
	s := &segment{number: number, salt: salt}
	return s, err1 == nil && err2 == nil && s.name() == name
}

// newSalt is not to be guessed.
func newSalt() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return order.Uint64(b[:])
}

// header returns the segment's header. The one before it may be nil.
func (s *segment) header(before *segment) []byte {
	h := make([]byte, segmentHeader)
	copy(h, segmentMagic)
	order.PutUint32(h[8:], formatVersion)
	order.PutUint64(h[16:], s.number)
	if before != nil {
		order.PutUint64(h[24:], before.number)
		order.PutUint64(h[32:], uint64(before.size))
	}
	order.PutUint32(h[60:], crc32.Checksum(h[:60], castagnoli))
	return h
}

// parseHeader returns what the header says of the segment before. It
// returns a *FormatError if its version is unknown, and not ok if it is damaged.
func (s *segment) parseHeader(h []byte) (before uint64, size int64, ok bool, err error) {
	if len(h) < segmentHeader || string(h[:8]) != segmentMagic ||
		crc32.Checksum(h[:60], castagnoli) != order.Uint32(h[60:]) {
		return 0, 0, false, nil
	}
	if v := order.Uint32(h[8:]); v != formatVersion {
		return 0, 0, false, &FormatError{File: s.name(), Version: v}
	}
	if order.Uint64(h[16:]) != s.number {
		return 0, 0, false, nil
	}
	return order.Uint64(h[24:]), int64(order.Uint64(h[32:])), true, nil
}
