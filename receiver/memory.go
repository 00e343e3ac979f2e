package receiver

import (
	"errors"
	"sync"
	"time"
)

// memory is what is left of Limits.Memory.
type memory struct {
	mu    sync.Mutex
	left  int64
	given chan struct{} // closed when some is given back; nil if nobody waits
}

var errNoMemory = errors.New("no memory is left for another body")

// memoryWait is how long a request waits for others to end. It is short, since
// requests that hold some memory may wait for each other's.
const memoryWait = time.Second

// take takes n bytes.
func (m *memory) take(n int64) error {
	var timeout <-chan time.Time
	for {
		m.mu.Lock()
		if m.left >= n {
			m.left -= n
			m.mu.Unlock()
			return nil
		}
		if m.given == nil {
			m.given = make(chan struct{})
		}
		given := m.given
		m.mu.Unlock()
		if timeout == nil {
			timer := time.NewTimer(memoryWait)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-given:
		case <-timeout:
			return errNoMemory
		}
	}
}

func (m *memory) give(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left += n
	if m.given != nil {
		close(m.given)
		m.given = nil
	}
}

const (
	// requestMemory is counted for what each request needs beside the body:
	// most of it is the decompressor.
	requestMemory = 64 << 10

	smallestBuffer = 64 << 10

	// growth keeps what a body is copied while its buffer grows to a third of
	// its length.
	growth = 4
)

// buffers are pools of the buffers that usual batches need, the second growth
// times as large as the first. Larger ones would outlast their use in a pool, and
// count for nothing while they do.
var buffers [2]sync.Pool

// buffer is a body, in memory that was taken from a memory.
type buffer struct {
	memory *memory
	taken  int64
	class  int
	data   []byte
}

// bufferSize returns the size of buffers of the class, for bodies of up to limit
// bytes.
func bufferSize(class int, limit int64) int64 {
	size := int64(smallestBuffer)
	for range class {
		size *= growth
	}
	if class >= len(buffers) {
		size = min(size, limit)
	}
	return size
}

// reserve takes n bytes for what belongs to the body.
func (b *buffer) reserve(n int64) error {
	if err := b.memory.take(n); err != nil {
		return err
	}
	b.taken += n
	return nil
}

// grow makes room for at least one more byte of up to limit. The old buffer is
// given back only when it was copied.
func (b *buffer) grow(limit int64) error {
	class := 0
	if b.data != nil {
		class = b.class + 1
	}
	size := bufferSize(class, limit)
	if err := b.reserve(size); err != nil {
		return err
	}
	data := newBuffer(class, size)
	length := copy(data, b.data)
	b.drop()
	b.data, b.class = data[:length], class
	return nil
}

func newBuffer(class int, size int64) []byte {
	if class < len(buffers) {
		if data, ok := buffers[class].Get().(*[]byte); ok {
			return *data
		}
	}
	return make([]byte, size)
}

// drop gives the bytes back, but not what was reserved beside them.
func (b *buffer) drop() {
	if b.data == nil {
		return
	}
	data := b.data[:cap(b.data)]
	if b.class < len(buffers) {
		buffers[b.class].Put(&data)
	}
	b.memory.give(int64(len(data)))
	b.taken -= int64(len(data))
	b.data = nil
}

// release gives everything back.
func (b *buffer) release() {
	b.drop()
	b.memory.give(b.taken)
	b.taken = 0
}
