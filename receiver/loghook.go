package receiver

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/seed-6bcf82c5/auditlog/internal/redact"
)

// NewLogHook returns a [Hook] that logs to logger: batches that were handed over
// at the level Debug, duplicates and batches under an id that is known for
// another one at Info and Warn, requests that were refused and lines that were
// rejected at Warn, and what was put off at Error. It logs no line of a batch.
func NewLogHook(logger *slog.Logger) Hook { return &logHook{logger} }

type logHook struct{ logger *slog.Logger }

var (
	_ RequestFinishedHook = (*logHook)(nil)
	_ LineRejectedHook    = (*logHook)(nil)
)

// RequestFinished implements [RequestFinishedHook].
func (h *logHook) RequestFinished(ctx context.Context, r Result) {
	level, message := slog.LevelWarn, "audit log batch refused"
	switch {
	case r.HandedOver && r.Conflict:
		message = "audit log batch taken, but another one had its id"
	case r.HandedOver:
		level, message = slog.LevelDebug, "audit log batch taken"
	case r.Duplicate:
		level, message = slog.LevelInfo, "audit log batch known"
	case r.Status == http.StatusServiceUnavailable:
		level, message = slog.LevelError, "audit log batch put off"
	}
	attributes := []slog.Attr{slog.Any("request", r)}
	if r.Err != nil {
		attributes = append(attributes, slog.String("error", oneLine(r.Err)))
	}
	if r.WindowErr != nil {
		level = max(level, slog.LevelError)
		attributes = append(attributes, slog.String("window_error", oneLine(r.WindowErr)))
	}
	h.logger.LogAttrs(ctx, level, message, attributes...)
}

// LineRejected implements [LineRejectedHook].
func (h *logHook) LineRejected(ctx context.Context, batch Batch, line Rejected) {
	h.logger.LogAttrs(ctx, slog.LevelWarn, "audit log line rejected",
		slog.String("sender", batch.Sender),
		slog.String("batch", batch.ID),
		slog.Int("line", line.Number),
		slog.String("outcome", string(line.Outcome)),
		slog.String("error", oneLine(line.Err)))
}

// oneLine returns the text of an error, fit for one line of a log.
func oneLine(err error) string { return redact.NewMasker().Text(err.Error()) }
