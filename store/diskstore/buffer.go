package diskstore

import (
	"sync"

	"github.com/seed-6bcf82c5/auditlog/store/internal/core"
)

// maxBuffer is how large a buffer is kept for others, in bytes.
const maxBuffer = 1 << 20

// buffers are those of frames that were written. New ones would cost more than
// all else that is done with them: the system clears their memory first.
var buffers sync.Pool // of *[]byte

// newBuffer returns an empty buffer with room for so many bytes.
func newBuffer(size int) []byte {
	if b, ok := buffers.Get().(*[]byte); ok && cap(*b) >= size {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

// recycle takes the blocks' frames, which are written, for others.
func recycle(group []*core.Block) {
	for _, b := range group {
		frame := b.Frame
		b.Frame = nil
		if cap(frame) <= maxBuffer {
			buffers.Put(&frame)
		}
	}
}
