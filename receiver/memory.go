package receiver

import (
	"errors"
	"sync"
	"sync/atomic"
)

// memory counts down what is left of Limits.Memory.
type memory struct{ left atomic.Int64 }

var errNoMemory = errors.New("no memory is left for another body")

// take takes n bytes. It never waits: requests that hold some while they wait
// for more could wait for each other.
func (m *memory) take(n int64) error {
	for {
		left := m.left.Load()
		if left < n {
			return errNoMemory
		}
		if m.left.CompareAndSwap(left, left-n) {
			return nil
		}
	}
}

func (m *memory) give(n int64) { m.left.Add(n) }

const (
	// requestMemory is counted for what each request needs beside the body:
	// most of it is the decompressor.
	requestMemory = 64 << 10

	smallestBuffer = 64 << 10

	// growth keeps what a body is copied while its buffer grows to a third of
	// its length.
	growth = 4
)

// buffers are pools of buffers, each growth times as large as those before.
var buffers [8]sync.Pool

// buffer is a body, in memory that was taken from a memory.
type buffer struct {
	memory *memory
	taken  int64
	class  int
	data   []byte
}

func bufferSize(class int) int64 {
	size := int64(smallestBuffer)
	for range class {
		size *= growth
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

// grow makes room for at least one more byte. The old buffer is given back only
// when it was copied.
func (b *buffer) grow() error {
	class := 0
	if b.data != nil {
		class = b.class + 1
	}
	size := bufferSize(class)
	if err := b.reserve(size); err != nil {
		return err
	}
	data, ok := buffers[class].Get().(*[]byte)
	if !ok {
		made := make([]byte, size)
		data = &made
	}
	length := copy(*data, b.data)
	b.drop()
	b.data, b.class = (*data)[:length], class
	return nil
}

// drop gives the bytes back, but not what was reserved beside them.
func (b *buffer) drop() {
	if b.data == nil {
		return
	}
	data := b.data[:cap(b.data)]
	buffers[b.class].Put(&data)
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
