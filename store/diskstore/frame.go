package diskstore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/seed-6bcf82c5/auditlog/store"
	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// A frame is a block in a segment, all numbers little-endian:
//
//	 0  4  "aEv1"
//	 4  4  length of the body
//	 8  8  sequence
//	16  8  time, Unix milliseconds
//	24  4  offset of the first frame that was synced together with this one
//	28  4  number of events
//	32  4  bytes of events
//	36  2  length of the stream's name
//	38  2  length of the dedup id
//	40  4  CRC-32C of the body
//	44  4  CRC-32C of the segment's salt, the 44 bytes above and both names
//	48     name, dedup id
//	       body: the length of each event as a uvarint, then the events
//
// The salt keeps an event that contains a frame from being taken for one when
// the reader looks for the next frame behind damage.
const (
	frameMagic  = "aEv1"
	frameHeader = 48
	maxHeader   = frameHeader + 2*store.MaxName
	maxBody     = store.MaxBlockBytes + 4*store.MaxBlockEvents
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	order      = binary.LittleEndian
)

var (
	errNoFrame   = errors.New("no frame begins here")
	errHeaderSum = errors.New("the header's checksum is wrong")
	errBodySum   = errors.New("the events' checksum is wrong")
	errShort     = errors.New("the file ends in it")
	errBody      = errors.New("the events' lengths are wrong")
)

// header is a frame's header with its names.
type header struct {
	body    int
	seq     uint64
	time    int64
	group   uint32
	count   int
	bytes   int
	bodySum uint32
	stream  string
	dedupID string
}

// size is the frame's.
func (h *header) size() int { return frameHeader + len(h.stream) + len(h.dedupID) + h.body }

// maxFrame bounds the size of a block's frame, of which the dedup id is not
// known.
func maxFrame(stream string, events, bytes int) int {
	return frameHeader + len(stream) + store.MaxName + bytes + 4*events
}

// appendFrame appends the block's frame as far as it is known before its place
// is.
func appendFrame(dst []byte, b *core.Block) []byte {
	start := len(dst)
	dst = append(dst, frameMagic...)
	dst = append(dst, make([]byte, frameHeader-len(frameMagic))...)
	dst = append(dst, b.Stream...)
	dst = append(dst, b.DedupID...)
	body := len(dst)
	for _, event := range b.Events {
		dst = binary.AppendUvarint(dst, uint64(len(event)))
	}
	for _, event := range b.Events {
		dst = append(dst, event...)
	}
	h := dst[start:]
	order.PutUint32(h[4:], uint32(len(dst)-body))
	order.PutUint32(h[28:], uint32(b.Count))
	order.PutUint32(h[32:], uint32(b.Bytes))
	order.PutUint16(h[36:], uint16(len(b.Stream)))
	order.PutUint16(h[38:], uint16(len(b.DedupID)))
	order.PutUint32(h[40:], crc32.Checksum(dst[body:], castagnoli))
	return dst
}

// completeFrame adds what is known when the block has its place.
func completeFrame(b *core.Block, salt uint64, group uint32) {
	h := b.Frame
	order.PutUint64(h[8:], b.Seq)
	order.PutUint64(h[16:], uint64(b.Time.UnixMilli()))
	order.PutUint32(h[24:], group)
	names := h[frameHeader : frameHeader+len(b.Stream)+len(b.DedupID)]
	order.PutUint32(h[44:], headerSum(salt, h, names))
}

func headerSum(salt uint64, head, names []byte) uint32 {
	var s [8]byte
	order.PutUint64(s[:], salt)
	sum := crc32.Update(0, castagnoli, s[:])
	sum = crc32.Update(sum, castagnoli, head[:44])
	return crc32.Update(sum, castagnoli, names)
}

// parseHeader reads the header at the beginning of data, which has at least
// maxHeader bytes unless the file ends before.
func parseHeader(data []byte, salt uint64) (header, error) {
	if len(data) < len(frameMagic) || string(data[:len(frameMagic)]) != frameMagic {
		return header{}, errNoFrame
	}
	if len(data) < frameHeader {
		return header{}, errShort
	}
	stream, dedup := int(order.Uint16(data[36:])), int(order.Uint16(data[38:]))
	if stream > store.MaxName || dedup > store.MaxName {
		return header{}, errHeaderSum
	}
	if len(data) < frameHeader+stream+dedup {
		return header{}, errShort
	}
	names := data[frameHeader : frameHeader+stream+dedup]
	if headerSum(salt, data, names) != order.Uint32(data[44:]) {
		return header{}, errHeaderSum
	}
	h := header{
		body: int(order.Uint32(data[4:])),
		seq:  order.Uint64(data[8:]), time: int64(order.Uint64(data[16:])),
		group: order.Uint32(data[24:]),
		count: int(order.Uint32(data[28:])), bytes: int(order.Uint32(data[32:])),
		bodySum: order.Uint32(data[40:]),
		stream:  string(names[:stream]), dedupID: string(names[stream:]),
	}
	// What we write is within these bounds; what we read must not make us
	// ask for gigabytes.
	if h.body > maxBody || h.count < 1 || h.count > store.MaxBlockEvents || h.bytes > h.body {
		return header{}, errHeaderSum
	}
	return h, nil
}

// checkBody tells whether the body is what was written.
func (h *header) checkBody(body []byte) error {
	if crc32.Checksum(body, castagnoli) != h.bodySum {
		return errBodySum
	}
	return nil
}

// events returns the events in a body that was checked. They share its memory.
func (h *header) events(body []byte) ([][]byte, error) {
	data := body[len(body)-h.bytes:]
	lengths := body[:len(body)-h.bytes]
	events := make([][]byte, h.count)
	for i := range events {
		length, n := binary.Uvarint(lengths)
		if n <= 0 || length > uint64(len(data)) {
			return nil, errBody
		}
		events[i] = data[:length:length]
		lengths, data = lengths[n:], data[length:]
	}
	if len(lengths)+len(data) > 0 {
		return nil, errBody
	}
	return events, nil
}

// block returns the block of a frame, without events.
func (h *header) block(segment uint64, offset int64) *core.Block {
	return &core.Block{
		Stream: h.stream, DedupID: h.dedupID, Count: h.count, Bytes: h.bytes,
		Seq: h.seq, Time: time.UnixMilli(h.time).UTC(), Segment: segment, Offset: uint32(offset),
	}
}
