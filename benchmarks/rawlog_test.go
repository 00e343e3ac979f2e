package benchmarks

import (
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// rawLog is the log that one would write by hand: it appends the events to a
// file with a checksum, and syncs. Nothing can be found in it, no file ever
// ends, no damage is noticed, and a disk that hangs holds all callers.
type rawLog struct {
	tb   testing.TB
	file *os.File
	buf  []byte
	size int64

	// ahead is how far the file is filled with zeros, in bytes. A sync of what
	// overwrites them costs no commit of the file system's journal.
	ahead  int64
	filled int64
}

var zeros [ahead]byte

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func newRawLog(tb testing.TB, ahead int64) *rawLog {
	tb.Helper()
	file, err := os.Create(filepath.Join(tb.TempDir(), "raw"))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, file.Close()) })
	return &rawLog{tb: tb, file: file, ahead: ahead}
}

// add puts the block into the buffer.
func (l *rawLog) add(block store.Block) {
	for _, event := range block {
		l.buf = append(l.buf, event...)
		l.buf = append(l.buf, '\n')
	}
}

// flush makes the buffer durable.
func (l *rawLog) flush() {
	sum := crc32.Checksum(l.buf, castagnoli)
	l.buf = append(l.buf, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
	l.write(l.buf, l.size)
	l.size += int64(len(l.buf))
	if l.ahead > 0 && l.size > l.filled {
		l.write(zeros[:l.ahead], l.size)
		l.filled = l.size + l.ahead
	}
	if err := syncData(l.file); err != nil {
		l.tb.Error(err)
	}
	l.buf = l.buf[:0]
}

func (l *rawLog) write(data []byte, offset int64) {
	if _, err := l.file.WriteAt(data, offset); err != nil {
		l.tb.Error(err)
	}
}

// append is add and flush.
func (l *rawLog) append(block store.Block) {
	l.add(block)
	l.flush()
}

// rawGroup is a rawLog for many callers: one who comes while nobody writes does
// it for all who wait.
type rawGroup struct {
	log *rawLog

	mu      sync.Mutex
	writing bool
	buf     []byte
	done    chan struct{} // closed when buf is durable
}

func newRawGroup(log *rawLog) *rawGroup { return &rawGroup{log: log, done: make(chan struct{})} }

func (g *rawGroup) append(block store.Block) {
	g.mu.Lock()
	for _, event := range block {
		g.buf = append(g.buf, event...)
		g.buf = append(g.buf, '\n')
	}
	if g.writing {
		done := g.done
		g.mu.Unlock()
		<-done
		return
	}
	g.writing = true
	for len(g.buf) > 0 {
		done := g.done
		g.done = make(chan struct{})
		g.log.buf, g.buf = g.buf, g.log.buf[:0]
		g.mu.Unlock()
		g.log.flush()
		close(done)
		g.mu.Lock()
	}
	g.writing = false
	g.mu.Unlock()
}
