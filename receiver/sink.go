package receiver

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/seed-6bcf82c5/auditlog"
)

// LogSink returns a HandOver that logs each event to logger at the level Info,
// under its name, with where it comes from, its header's fields and its
// attributes. It fails if the logger's handler does, with some of the events
// logged, and if the handler is not enabled at Info: the sender keeps the batch,
// which would be lost otherwise.
func LogSink(logger *slog.Logger) func(context.Context, Batch) error {
	return func(ctx context.Context, batch Batch) error {
		handler := logger.Handler()
		if len(batch.Lines) > 0 && !handler.Enabled(ctx, slog.LevelInfo) {
			return errNotLogged
		}
		for i := range batch.Lines {
			event, err := batch.Lines[i].Event()
			if err != nil {
				return err
			}
			record := slog.NewRecord(batch.Received, slog.LevelInfo, event.Name, 0)
			record.AddAttrs(
				slog.String("sender", batch.Sender),
				slog.String("batch", batch.ID),
				slog.Int("number", batch.Lines[i].Number))
			if outcome := batch.Lines[i].Outcome; outcome != "" {
				record.AddAttrs(slog.String("verified", string(outcome)))
			}
			record.AddAttrs(eventGroup(&event))
			// Logger's methods would drop the error.
			if err := handler.Handle(ctx, record); err != nil {
				return err
			}
		}
		return nil
	}
}

var errNotLogged = errors.New("receiver: LogSink: the logger is not enabled at the level Info")

// eventGroup returns the event as a group of its fields. Its time is left out if
// it has none.
func eventGroup(e *auditlog.Event) slog.Attr {
	attributes := make([]slog.Attr, 0, len(e.Attributes))
	for _, a := range e.Attributes {
		attributes = append(attributes, slog.Attr{Key: a.Key, Value: logValue(a.Value)})
	}
	fields := []slog.Attr{
		slog.String("host", e.Host),
		slog.String("vendor", e.Vendor),
		slog.String("product", e.Product),
		slog.String("version", e.Version),
		slog.String("class_id", e.ClassID),
		slog.String("severity", e.Severity.String()),
		slog.GroupAttrs("attributes", attributes...),
	}
	if !e.Time.IsZero() {
		fields = append([]slog.Attr{slog.Time("time", e.Time)}, fields...)
	}
	return slog.GroupAttrs("event", fields...)
}

func logValue(v auditlog.Value) slog.Value {
	if n, ok := v.Int64(); ok {
		return slog.Int64Value(n)
	}
	if b, ok := v.Bool(); ok {
		return slog.BoolValue(b)
	}
	return slog.StringValue(strings.ToValidUTF8(v.String(), "\ufffd"))
}

// ChannelSink returns a HandOver that sends a copy of each batch to batches. The
// sender is told of success when the batch is in the channel: if the process ends
// before somebody has done with it, it is lost.
func ChannelSink(batches chan<- Batch) func(context.Context, Batch) error {
	return func(ctx context.Context, batch Batch) error {
		select {
		case batches <- batch.Clone():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
