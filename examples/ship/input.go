package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/shipper"
)

// What is accepted together, and how long a line may be: an event can be much
// shorter than its line, which may escape every character.
const (
	groupEvents = 500
	groupBytes  = 1_000_000
	maxLine     = 8 * shipper.MaxEventBytes
)

// group is events with the numbers of their lines.
type group struct {
	lines  []int
	events []auditlog.Event
}

func (g group) part(from, to int) group { return group{g.lines[from:to], g.events[from:to]} }

// input reads lines.
type input struct {
	r   *bufio.Reader
	bad func(line int, reason error)
	n   int   // lines read
	err error // why read has ended; nil at the end of the input
}

func newInput(r io.Reader, bad func(line int, reason error)) *input {
	return &input{r: bufio.NewReaderSize(r, groupBytes), bad: bad}
}

// read sends the events of the lines that are there together, so that they share
// one sync of the store, and none is held back while more are awaited.
func (in *input) read(groups chan<- group) {
	defer close(groups)
	var g group
	var line []byte
	for bytes := 0; ; {
		var err error
		if line, err = readLine(in.r, line[:0]); err != nil && len(line) == 0 {
			if !errors.Is(err, io.EOF) {
				in.err = err
			}
			break
		}
		in.n++
		bytes += len(line)
		if event, err := parse(line); err != nil {
			in.bad(in.n, err)
		} else {
			g.lines, g.events = append(g.lines, in.n), append(g.events, event)
		}
		if len(g.events) >= groupEvents || bytes >= groupBytes || !in.more() {
			groups <- g
			g, bytes = group{}, 0
		}
	}
	groups <- g
}

// more tells whether a line can be read without waiting.
func (in *input) more() bool {
	there, _ := in.r.Peek(in.r.Buffered())
	return bytes.IndexByte(there, '\n') >= 0
}

// parse returns the event of a line.
func parse(line []byte) (auditlog.Event, error) {
	switch {
	case len(line) == 0:
		return auditlog.Event{}, errors.New("empty")
	case len(line) > maxLine:
		return auditlog.Event{}, fmt.Errorf("it has more than %d bytes", maxLine)
	}
	event, _, err := auditlog.Parse(line)
	return event, err
}

// readLine appends the next line to dst, without its line break. Of one that is
// too long it keeps so much that this shows.
func readLine(r *bufio.Reader, dst []byte) ([]byte, error) {
	for {
		piece, err := r.ReadSlice('\n')
		if len(dst) <= maxLine {
			dst = append(dst, piece...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		dst = bytes.TrimSuffix(dst, []byte("\n"))
		return bytes.TrimSuffix(dst, []byte("\r")), err
	}
}
