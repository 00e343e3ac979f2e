package diskstore

import (
	"bytes"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// kill ends the process: nothing is closed, what was written stays.
func (l *lab) kill() {
	l.t.Helper()
	l.fs.mu.Lock()
	l.fs.down = true
	l.fs.mu.Unlock()
	_ = l.Close() // only its goroutines
	l.fs = l.fs.kill()
	l.docs = l.docs.reboot(l.fs)
}

// data returns what is in the segment's file.
func (l *lab) data(segment int) []byte { return l.fs.entries[l.segments()[segment]].data }

// used returns how long the data is without the zeros that it ends in. Events
// and checksums of these tests do not end in zeros.
func used(data []byte) int { return len(bytes.TrimRight(data, "\x00")) }

// failWrite lets the nth write from now on find no room.
func (l *lab) failWrite(n int) {
	l.setFault(func(op string) error {
		if op == "write" {
			if n--; n == 0 {
				return syscall.ENOSPC
			}
		}
		return nil
	})
}

// countWrites counts writes from now on.
func (l *lab) countWrites() *int {
	writes := new(int)
	l.setFault(func(op string) error {
		if op == "write" {
			*writes++
		}
		return nil
	})
	return writes
}

// What was ahead of the log's end when the process died is no damage, and is
// written on. A process that ends leaves none.
func TestZerosAhead(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	length := len(l.data(0))
	require.Greater(t, length, 2*used(l.data(0)))
	writes := l.countWrites()
	require.NoError(t, l.append("a", "second"))
	require.Equal(t, 1, *writes)
	l.kill()
	l.open()
	writes = l.countWrites()
	require.NoError(t, l.append("a", "third"))
	require.Equal(t, 1, *writes)
	require.Len(t, l.data(0), length)
	l.kill()
	l.open()
	got, _ := l.read("a")
	require.Equal(t, []string{"first", "second", "third"}, got)
	require.NoError(t, l.Close())
	require.Len(t, l.data(0), used(l.data(0)))
	require.Len(t, l.segments(), 1)
	require.Empty(t, l.damage)
}

// The log is written on where a torn write was cut out of the zeros.
func TestTornAhead(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	l.kill()
	end := used(l.data(0))
	copy(l.data(0)[end+40:], "the end of a frame whose beginning never reached the disk")
	l.open()
	require.Len(t, l.damage, 1)
	require.True(t, l.damage[0].Torn)
	require.EqualValues(t, end, l.damage[0].Offset)
	require.NoError(t, l.append("a", "second"))
	require.Greater(t, len(l.data(0)), used(l.data(0)))
	l.kill()
	l.open()
	got, _ := l.read("a")
	require.Equal(t, []string{"first", "second"}, got)
	require.Len(t, l.damage, 1)
	require.NoError(t, l.Close())
}

// Zeros in place of what is known to have been durable are damage.
func TestZerosInsteadOfEvents(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	end := used(l.data(0))
	require.NoError(t, l.append("a", "second"))
	_, err := l.Put(t.Context(), "k", nil, 0) // any document tells
	require.NoError(t, err)
	l.kill()
	clear(l.data(0)[end:])
	l.open()
	require.Len(t, l.damage, 1)
	require.False(t, l.damage[0].Torn)
	require.EqualValues(t, end, l.damage[0].Offset)
	require.Equal(t, errNoFrame.Error(), l.damage[0].Reason)
	require.NoError(t, l.Close())
}

// Zeros at the end of a segment that is not the last one are no damage, even if
// the next one does not tell where they begin.
func TestZerosInEarlierSegment(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	l.setFault(func(op string) error {
		if op == "truncate" {
			return syscall.EIO
		}
		return nil
	})
	require.NoError(t, l.append("a", strings.Repeat("x", 1000))) // in a new segment
	l.setFault(func(string) error { return nil })
	require.NoError(t, l.Close())
	require.Len(t, l.segments(), 2)
	require.Greater(t, len(l.data(0)), used(l.data(0)))
	l.data(1)[30] ^= 1
	l.open()
	require.Len(t, l.damage, 1)
	require.Equal(t, l.segments()[1], l.damage[0].Segment)
	got, _ := l.read("a")
	require.Len(t, got, 2)
	require.NoError(t, l.Close())
}

// A block is accepted where there is room for it and none for zeros behind it.
func TestNoRoomAhead(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", strings.Repeat("x", 1000))) // the segment is full
	l.failWrite(3)                                               // of header, block and zeros
	require.NoError(t, l.append("a", "second"))
	require.Len(t, l.data(1), used(l.data(1)))
	require.NoError(t, l.append("a", "third"))
	l.reopen()
	got, _ := l.read("a")
	require.Len(t, got, 3)
	require.Empty(t, l.damage)
	require.NoError(t, l.Close())
}

// Zeros that were cut off with a write that went wrong are written again.
func TestZerosAfterAFailedWrite(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.open()
	require.NoError(t, l.append("a", "first"))
	l.failWrite(1)
	require.ErrorIs(t, l.append("a", "second"), store.ErrFull)
	require.Len(t, l.data(0), used(l.data(0)))
	require.NoError(t, l.append("a", "third"))
	require.Greater(t, len(l.data(0)), used(l.data(0)))
	require.NoError(t, l.Close())
}
