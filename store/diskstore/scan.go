package diskstore

import (
	"bytes"
	"errors"
	"io"
)

// scanner finds the frames in a segment, and what is none.
type scanner struct {
	r     io.ReaderAt
	limit int64 // where to stop
	salt  uint64

	offset int64 // of the next frame
	window []byte
	at     int64 // the window's offset
}

// windowSize is how much is read at once, at least.
const windowSize = 256 << 10

// item is a frame, or a region that is none.
type item struct {
	header
	offset int64
	length int64
	err    error  // what is wrong with the region
	known  bool   // it is a frame with a good header and a bad body
	data   []byte // the body; valid until the next item
}

// peek returns n bytes at the offset, fewer if the file ends.
func (s *scanner) peek(offset int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.limit-offset))
	if n <= 0 {
		return nil, nil
	}
	if offset < s.at || offset+int64(n) > s.at+int64(len(s.window)) {
		size := int(min(int64(max(n, windowSize)), s.limit-offset))
		if cap(s.window) < size {
			s.window = make([]byte, size)
		}
		read, err := s.r.ReadAt(s.window[:size], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			s.window = s.window[:0]
			return nil, err
		}
		s.window, s.at = s.window[:read], offset
		n = min(n, read)
	}
	return s.window[offset-s.at:][:n], nil
}

// frame reads the frame at the offset. Its err tells that there is none, or
// what is wrong; the error is of the medium.
func (s *scanner) frame(offset int64) (item, error) {
	head, err := s.peek(offset, maxHeader)
	if err != nil {
		return item{}, err
	}
	it := item{offset: offset}
	if it.header, it.err = parseHeader(head, s.salt); it.err != nil {
		return it, nil //nolint:nilerr // the frame is at fault, not the medium
	}
	it.length = int64(it.size())
	data, err := s.peek(offset, it.size())
	if err != nil {
		return item{}, err
	}
	it.known = true
	if len(data) < it.size() {
		it.err, it.length = errShort, int64(len(data))
		return it, nil
	}
	it.data = data[it.size()-it.body:]
	it.err = it.checkBody(it.data)
	return it, nil
}

// next returns the next frame or region; io.EOF at the end.
func (s *scanner) next() (item, error) {
	if s.offset >= s.limit {
		return item{}, io.EOF
	}
	it, err := s.frame(s.offset)
	if err != nil {
		return item{}, err
	}
	if it.err != nil && !it.known {
		end, err := s.find(s.offset + 1)
		if err != nil {
			return item{}, err
		}
		it.length = end - s.offset
	}
	s.offset += it.length
	return it, nil
}

// find returns the offset of the next good header, or the limit.
func (s *scanner) find(offset int64) (int64, error) {
	for offset < s.limit {
		n := windowSize
		if left := s.at + int64(len(s.window)) - offset; offset >= s.at && left >= maxHeader {
			n = int(left) // without reading again what is there
		}
		data, err := s.peek(offset, n)
		if err != nil {
			return 0, err
		}
		i := bytes.Index(data, []byte(frameMagic))
		if i < 0 {
			if len(data) < len(frameMagic) {
				return s.limit, nil
			}
			offset += int64(len(data) - len(frameMagic) + 1)
			continue
		}
		offset += int64(i)
		head, err := s.peek(offset, maxHeader)
		if err != nil {
			return 0, err
		}
		if _, err := parseHeader(head, s.salt); err == nil {
			return offset, nil
		}
		offset++
	}
	return s.limit, nil
}

// zero tells whether there is nothing but zeros from the offset on.
func (s *scanner) zero(offset int64) (bool, error) {
	for offset < s.limit {
		data, err := s.peek(offset, windowSize)
		if err != nil {
			return false, err
		}
		if len(data) == 0 || len(bytes.TrimLeft(data, "\x00")) > 0 {
			return false, nil
		}
		offset += int64(len(data))
	}
	return true, nil
}
