package delivery

import (
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Result tells what a delivery did. It holds no secrets.
type Result struct {
	Endpoint string // scheme, host and port only
	BatchID  string // as sent; made up by Deliver where the Batch had none
	Events   int
	Bytes    int // before compression
	Sent     int // bytes of the body of one attempt, after compression; 0 before the first

	// Attempts has every attempt, oldest first: at most five, and none where
	// the batch was bad or the context ended too early.
	Attempts []Attempt
}

// Attempt is one HTTP request of a delivery, which net/http may have sent twice:
// see the documentation of the package.
type Attempt struct {
	Time     time.Time     // of its start, by the Clock
	Duration time.Duration // until the answer was read or had failed

	// Status is the HTTP status of the answer, 0 where there was none.
	Status int

	// Err is why there was no answer, nil where there was one. Its text is
	// masked; see [Error] for what it wraps.
	Err error

	// Snippet is the beginning of an answer that was not a 2xx: at most 256
	// printable characters, with all secrets masked.
	Snippet string

	// Wait is how long the next attempt waits, 0 where there is none. (It is
	// not, for an [AttemptFinishedHook], where the delivery is cancelled later,
	// in the wait.) Waits for rate limits are not in it.
	Wait time.Duration
}

// OK reports whether the attempt delivered the batch: any 2xx status.
func (a Attempt) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// String tells the outcome in a few words: "503 Service Unavailable", or why
// there was no answer.
func (a Attempt) String() string {
	if a.Err != nil {
		return a.Err.Error()
	}
	text := strconv.Itoa(a.Status)
	if name := http.StatusText(a.Status); name != "" {
		text += " " + name
	}
	return text
}

// Last returns the last attempt, the zero Attempt where there was none.
func (r Result) Last() Attempt {
	if len(r.Attempts) == 0 {
		return Attempt{}
	}
	return r.Attempts[len(r.Attempts)-1]
}

// LastStatus returns the last HTTP status that the endpoint answered in this
// delivery, 0 where it never did. Attempts after that may have had no answer.
func (r Result) LastStatus() int {
	for _, a := range slices.Backward(r.Attempts) {
		if a.Status != 0 {
			return a.Status
		}
	}
	return 0
}

// LogValue implements [slog.LogValuer].
func (r Result) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("endpoint", r.Endpoint),
		slog.String("batch", r.BatchID),
		slog.Int("events", r.Events),
		slog.Int("bytes", r.Bytes),
		slog.Int("sent", r.Sent),
		slog.Int("attempts", len(r.Attempts)),
		slog.Int("status", r.LastStatus()),
	)
}
