package delivery

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
)

// Batch is a number of events that are sent, and accepted or refused, together.
type Batch struct {
	// ID is sent as Webhook-Id: 1 to 256 visible ASCII characters, see
	// [NewID]. Give the same batch the same id whenever it is sent again,
	// also by another process, for receivers drop duplicates by it. Where
	// it is empty Deliver makes one up, which its Result tells.
	ID string

	// Body holds the events, each a line of any format, with "\n" between
	// them. One "\n" after the last is tolerated and not sent. Empty lines
	// are refused. It is not modified, nor kept after Deliver returned.
	Body []byte
}

// NewID returns a new batch id: 26 letters and digits with 130 random bits.
func NewID() string { return rand.Text() }

// maxID is in bytes.
const maxID = 256

// checkID reports why id cannot be a batch id.
func checkID(id string) error {
	if len(id) > maxID {
		return fmt.Errorf("the batch id has %d characters, more than %d", len(id), maxID)
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return fmt.Errorf("the batch id has a character that is not visible ASCII, at %d", i)
		}
	}
	return nil
}

var errEmptyBatch = errors.New("the batch is empty")

// trim returns what is to be sent of body and the number of events in it.
func trim(body []byte) (trimmed []byte, events int, err error) {
	trimmed = bytes.TrimSuffix(body, []byte("\n"))
	switch {
	case len(trimmed) == 0:
		return nil, 0, errEmptyBatch
	case trimmed[0] == '\n', trimmed[len(trimmed)-1] == '\n', bytes.Contains(trimmed, []byte("\n\n")):
		return nil, 0, errors.New("the batch has an empty line")
	}
	return trimmed, 1 + bytes.Count(trimmed, []byte("\n")), nil
}

// Limits bounds batches. A zero field stands for the default, a batch that
// every receiver known to us takes.
type Limits struct {
	Events int // in lines; default 500
	Bytes  int // of the body, before compression; default 1 000 000
}

// The defaults of [Limits]. Receivers that take "1 MB" read it as 1 000 000
// bytes or more.
const (
	DefaultBatchEvents = 500
	DefaultBatchBytes  = 1_000_000
)

// Batches groups lines, in their order, into batches within limits, each with a
// new id. A line that is larger than the limit by itself makes a batch of its
// own: receivers differ in what they do with it, and here it cannot be split.
//
// A line that is empty or has a CR or LF in it is left out; an error that names
// its index is yielded instead, as soon as it is met. The lines are copied.
func Batches(lines iter.Seq[[]byte], limits Limits) iter.Seq2[Batch, error] {
	if limits.Events <= 0 {
		limits.Events = DefaultBatchEvents
	}
	if limits.Bytes <= 0 {
		limits.Bytes = DefaultBatchBytes
	}
	return func(yield func(Batch, error) bool) {
		var body []byte
		events, index := 0, -1
		for line := range lines {
			index++
			if len(line) == 0 || bytes.ContainsAny(line, "\r\n") {
				if !yield(Batch{}, fmt.Errorf("delivery: line %d is empty or has a line break in it", index)) {
					return
				}
				continue
			}
			if events == limits.Events || events > 0 && len(body)+1+len(line) > limits.Bytes {
				if !yield(Batch{ID: NewID(), Body: body}, nil) {
					return
				}
				body, events = make([]byte, 0, len(body)), 0 // the next is about as large
			}
			if events > 0 {
				body = append(body, '\n')
			}
			body = append(body, line...)
			events++
		}
		if events > 0 {
			yield(Batch{ID: NewID(), Body: body}, nil)
		}
	}
}
