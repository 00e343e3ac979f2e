package receiver

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// magic is what every gzip stream begins with, and no text: its second byte
// begins no character of UTF-8.
var magic = []byte{0x1f, 0x8b}

// unratioed is the length up to which a body may be of any ratio: a run of equal
// lines compresses well.
const unratioed = 1 << 20

// compressed reports whether the request names gzip as the coding of its body, by
// any of the names that senders have for it. Another coding, or more than one,
// is refused.
func compressed(header http.Header) (bool, *refusal) {
	values := header.Values("Content-Encoding")
	if len(values) == 0 {
		return false, nil
	}
	if len(values) == 1 {
		switch strings.ToLower(strings.TrimSpace(values[0])) {
		case "gzip", "x-gzip", "application/gzip":
			return true, nil
		case "identity", "":
			return false, nil
		}
	}
	return false, refuse(http.StatusUnsupportedMediaType, "the only content coding taken is gzip, once")
}

// inflater is what reading a body needs, for a pool.
type inflater struct {
	wire   wire
	buffed *bufio.Reader
	gzip   gzip.Reader
}

var inflaters = sync.Pool{New: func() any {
	i := new(inflater)
	i.buffed = bufio.NewReader(&i.wire)
	return i
}}

// wire counts the bytes of a body as they are sent.
type wire struct {
	from io.Reader
	n    int64
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.from.Read(p)
	w.n += int64(n)
	return n, err
}

// read reads the body of the request into b, decompressed. It returns the length
// of the body as it was sent.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, zipped bool, b *buffer) (int64, *refusal) {
	limits := &h.config.Limits
	// Where it cannot be set, see Limits. It ends with the body.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limits.BodyTime))
	if err := b.reserve(requestMemory); err != nil {
		return 0, busy(err)
	}
	i := inflaters.Get().(*inflater)
	defer func() {
		i.wire.from = nil
		inflaters.Put(i)
	}()
	i.wire = wire{from: http.MaxBytesReader(innermost(w), r.Body, limits.WireBytes)}
	i.buffed.Reset(&i.wire)
	refused := i.read(b, zipped, limits)
	return i.wire.n, refused
}

func (i *inflater) read(b *buffer, zipped bool, limits *Limits) *refusal {
	first, err := i.buffed.Peek(len(magic))
	if err != nil && !errors.Is(err, io.EOF) {
		return fault(err)
	}
	if !zipped && !bytes.Equal(first, magic) {
		return b.fill(i.buffed, limits.Bytes, func(int64) bool { return false })
	}
	if err := i.gzip.Reset(i.buffed); err != nil {
		return fault(err)
	}
	i.gzip.Multistream(false)
	excessive := func(n int64) bool { return n > unratioed && n/int64(limits.Ratio) > i.wire.n }
	if refused := b.fill(&i.gzip, limits.Bytes, excessive); refused != nil {
		return refused
	}
	switch _, err := i.buffed.ReadByte(); {
	case err == nil:
		return refuse(http.StatusBadRequest, "something follows the gzip stream")
	case !errors.Is(err, io.EOF):
		return fault(err)
	}
	if bytes.HasPrefix(b.data, magic) {
		return refuse(http.StatusUnsupportedMediaType, "the body is compressed twice")
	}
	return nil
}

// fill reads to the end of r, but no more than limit bytes.
func (b *buffer) fill(r io.Reader, limit int64, excessive func(n int64) bool) *refusal {
	var beyond [1]byte
	for {
		if len(b.data) == cap(b.data) && int64(len(b.data)) < limit {
			if err := b.grow(limit); err != nil {
				return busy(err)
			}
		}
		room := b.data[len(b.data):min(int64(cap(b.data)), limit)]
		if len(room) == 0 {
			room = beyond[:]
		}
		n, err := r.Read(room)
		if n > 0 && int64(len(b.data)) == limit {
			return refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes when it is decompressed", limit)
		}
		b.data = b.data[:len(b.data)+n]
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fault(err)
		case excessive(int64(len(b.data))):
			return refuse(http.StatusRequestEntityTooLarge, "the body decompresses to too many times its length")
		}
	}
}

// fault says what an error in reading a body means.
func fault(err error) *refusal {
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuse(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", tooLong.Limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse(http.StatusRequestTimeout, "the body took too long")
	}
	return &refusal{status: http.StatusBadRequest, reason: "the body could not be read to its end, or is not the gzip that it should be", err: err}
}

func busy(err error) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, reason: "busy", err: err}
}
