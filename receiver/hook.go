package receiver

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Hook is told what happens, for logs and metrics. It has one or both of the
// methods of [RequestFinishedHook] and [LineRejectedHook]; [New] refuses one that
// has none.
//
// Hooks are called in the goroutine of the request, with its context, in the
// order of Config.Hooks; the answer waits for them. They are called
// concurrently.
type Hook any

// RequestFinishedHook is called with each request, before it is answered.
type RequestFinishedHook interface {
	RequestFinished(ctx context.Context, result Result)
}

// LineRejectedHook is called with each line that was not handed over, when the
// others of its batch were. The batch and the line last until it returns.
type LineRejectedHook interface {
	LineRejected(ctx context.Context, batch Batch, line Rejected)
}

// Result is what became of a request.
type Result struct {
	// Status is that of the answer, Err why it is not 200. With a 503 it wraps
	// the error of HandOver, if that was the reason.
	Status int
	Err    error

	// Received, Remote, Sender, Authorization and BatchID are as in [Batch]. The
	// last three are empty where the request was refused before they were known.
	Received      time.Time
	Remote        string
	Sender        string
	Authorization int
	BatchID       string

	// WireBytes is the length of the body as it was sent, as far as it was
	// read; Bytes is that when it was decompressed.
	WireBytes int64
	Bytes     int64

	// HandedOver: HandOver has taken the batch (or all its lines were known).
	// Lines and Rejected are the numbers of its lines, and DuplicateLines of
	// those dropped because they were known.
	HandedOver     bool
	Lines          int
	Rejected       int
	DuplicateLines int

	// Duplicate: the batch was handed over before, and not now.
	Duplicate bool

	// Conflict: another body was handed over before under the same Webhook-Id.
	// This one was as well, if HandedOver says so.
	Conflict bool

	// WindowErr is what went wrong in the Window. A duplicate may have passed
	// because of it, or may when it comes.
	WindowErr error

	Duration time.Duration
}

// LogValue implements [slog.LogValuer].
func (r Result) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("status", r.Status),
		slog.String("remote", r.Remote),
		slog.String("sender", r.Sender),
		slog.String("batch", r.BatchID),
		slog.Int("lines", r.Lines),
		slog.Int("rejected", r.Rejected),
		slog.Int("duplicate_lines", r.DuplicateLines),
		slog.Bool("duplicate", r.Duplicate),
		slog.Int64("wire_bytes", r.WireBytes),
		slog.Int64("bytes", r.Bytes),
		slog.Duration("took", r.Duration),
	)
}

// hooks are the Hooks by what they implement.
type hooks struct {
	finished []RequestFinishedHook
	rejected []LineRejectedHook
}

func newHooks(all []Hook) (*hooks, error) {
	h := new(hooks)
	for i, hook := range all {
		finished, isFinished := hook.(RequestFinishedHook)
		if isFinished {
			h.finished = append(h.finished, finished)
		}
		rejected, isRejected := hook.(LineRejectedHook)
		if isRejected {
			h.rejected = append(h.rejected, rejected)
		}
		if !isFinished && !isRejected {
			return nil, fmt.Errorf("receiver: Hooks[%d]: %T has none of the methods of a hook", i, hook)
		}
	}
	return h, nil
}

func (h *hooks) requestFinished(ctx context.Context, result Result) {
	for _, hook := range h.finished {
		hook.RequestFinished(ctx, result)
	}
}

func (h *hooks) lineRejected(ctx context.Context, batch Batch, line Rejected) {
	for _, hook := range h.rejected {
		hook.LineRejected(ctx, batch, line)
	}
}
