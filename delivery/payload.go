package delivery

import (
	"bytes"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
)

// payload is the body of a delivery as it goes on the wire. It is made once and
// read by each attempt. Its buffer returns to the pool with the last reader:
// net/http may go on reading a request's body after the answer has arrived.
type payload struct {
	buffer bytes.Buffer
	users  atomic.Int32 // the delivery itself, and each open reader
}

// Pools of the process: a gzip writer holds more than half a megabyte, too much
// for each of ten thousand idle Deliverers.
var (
	payloads    = sync.Pool{New: func() any { return new(payload) }}
	gzipWriters = sync.Pool{New: func() any {
		// Level 1 has three times the speed of the standard library's
		// default at nearly its ratio. Compression is what costs here.
		w, err := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed)
		if err != nil {
			panic(err) // the level is a valid constant
		}
		return w
	}}
)

// maxPooled is the largest buffer to keep, in bytes: one huge batch must not
// stay in memory for good.
const maxPooled = 4 << 20

// newPayload encodes body. It is copied even where it is not compressed, for
// its owner may reuse it while net/http still reads. The caller must release
// the payload.
func newPayload(body []byte, encoding Encoding) *payload {
	p := payloads.Get().(*payload)
	p.users.Store(1)
	p.buffer.Reset()
	if encoding == EncodingNone {
		p.buffer.Write(body)
		return p
	}
	w := gzipWriters.Get().(*gzip.Writer)
	w.Reset(&p.buffer)
	_, _ = w.Write(body) // a bytes.Buffer takes everything
	_ = w.Close()
	w.Reset(io.Discard)
	gzipWriters.Put(w)
	return p
}

// release gives up one use of the payload.
func (p *payload) release() {
	if p.users.Add(-1) == 0 && p.buffer.Cap() <= maxPooled {
		payloads.Put(p)
	}
}

// reader returns the payload as a request body. Call it only while holding a
// use of the payload.
func (p *payload) reader() io.ReadCloser {
	p.users.Add(1)
	return &payloadReader{payload: p, rest: p.buffer.Bytes()}
}

// payloadReader reads a payload until it is closed. net/http reads and closes
// in different goroutines.
type payloadReader struct {
	mu      sync.Mutex
	payload *payload // nil when closed
	rest    []byte
}

func (r *payloadReader) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.payload == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *payloadReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.payload != nil {
		r.payload.release()
		r.payload, r.rest = nil, nil
	}
	return nil
}
