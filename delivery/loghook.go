package delivery

import (
	"context"
	"errors"
	"log/slog"
)

// NewLogHook returns a [Hook] that logs to logger: deliveries that succeeded at
// the level Debug, attempts that will be repeated at Warn, deliveries that
// failed at Error (at Info where the context was cancelled).
func NewLogHook(logger *slog.Logger) Hook { return &logHook{logger} }

type logHook struct{ logger *slog.Logger }

var (
	_ AttemptFinishedHook  = (*logHook)(nil)
	_ DeliveryFinishedHook = (*logHook)(nil)
)

// AttemptFinished implements [AttemptFinishedHook].
func (h *logHook) AttemptFinished(ctx context.Context, result Result) {
	attempt := result.Last()
	if attempt.Wait == 0 {
		return // the end of the delivery tells it
	}
	h.logger.LogAttrs(ctx, slog.LevelWarn, "audit log delivery will be tried again",
		slog.Any("delivery", result),
		slog.String("outcome", attempt.String()),
		slog.String("snippet", attempt.Snippet),
		slog.Duration("took", attempt.Duration),
		slog.Duration("wait", attempt.Wait))
}

// DeliveryFinished implements [DeliveryFinishedHook].
func (h *logHook) DeliveryFinished(ctx context.Context, result Result, err error) {
	if err == nil {
		h.logger.LogAttrs(ctx, slog.LevelDebug, "audit log delivered",
			slog.Any("delivery", result),
			slog.Duration("took", result.Last().Duration))
		return
	}
	level, reason := slog.LevelError, ReasonInvalid
	if failure, ok := errors.AsType[*Error](err); ok {
		reason = failure.Reason
	}
	if reason == ReasonCanceled {
		level = slog.LevelInfo
	}
	h.logger.LogAttrs(ctx, level, "audit log delivery failed",
		slog.Any("delivery", result),
		slog.String("reason", string(reason)),
		slog.String("error", err.Error()))
}
