package delivery_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// Hooks of every kind, and one of them alone.
type (
	startHook struct {
		add func(format string, args ...any)
	}
	finishHook struct {
		add func(format string, args ...any)
	}
	doneHook struct {
		add func(format string, args ...any)
	}
	allHooks struct {
		startHook
		finishHook
		doneHook
	}
)

type contextKey struct{}

func (h startHook) AttemptStarted(ctx context.Context, r delivery.Result) {
	h.add("%v: start after %d, sent %v", ctx.Value(contextKey{}), len(r.Attempts), r.Sent > 0)
}

func (h finishHook) AttemptFinished(_ context.Context, r delivery.Result) {
	h.add("attempt %d: %v, wait %v", len(r.Attempts), r.Last(), r.Last().Wait)
}

func (h doneHook) DeliveryFinished(_ context.Context, r delivery.Result, err error) {
	h.add("done after %d: %v", len(r.Attempts), err)
}

func TestHooks(t *testing.T) {
	t.Parallel()

	var told []string
	add := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	receiver := newReceiver(t, status(503, 429, 200, 500, 403))
	cfg := receiver.config()
	cfg.Clock = newFakeClock()
	cfg.Hooks = []delivery.Hook{allHooks{startHook{add}, finishHook{add}, doneHook{add}}, &doneHook{add}}
	deliverer := newDeliverer(t, cfg)
	ctx := context.WithValue(t.Context(), contextKey{}, "ctx")

	_, err := deliverer.Deliver(ctx, batch)
	require.NoError(t, err)
	require.Equal(t, []string{
		"ctx: start after 0, sent true",
		"attempt 1: 503 Service Unavailable, wait 1s",
		"ctx: start after 1, sent true",
		"attempt 2: 429 Too Many Requests, wait 2s",
		"ctx: start after 2, sent true",
		"attempt 3: 200 OK, wait 0s",
		"done after 3: <nil>",
		"done after 3: <nil>",
	}, told)

	told = nil
	_, err = deliverer.Deliver(ctx, batch)
	failure(t, err, delivery.ReasonRefused)
	require.Equal(t, []string{
		"ctx: start after 0, sent true",
		"attempt 1: 500 Internal Server Error, wait 1s",
		"ctx: start after 1, sent true",
		"attempt 2: 403 Forbidden, wait 0s",
		"done after 2: " + err.Error(),
		"done after 2: " + err.Error(),
	}, told)

	told = nil
	_, err = deliverer.Deliver(ctx, delivery.Batch{})
	failure(t, err, delivery.ReasonInvalid)
	require.Equal(t, []string{"done after 0: " + err.Error(), "done after 0: " + err.Error()}, told)
}

func TestLogHook(t *testing.T) {
	t.Parallel()

	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "sent" {
				return slog.Attr{}
			}
			return a
		},
	}))
	statuses := status(503, 200, 401)
	receiver := newReceiver(t, func(w http.ResponseWriter, r *http.Request, n int) {
		statuses(w, r, n)
		if n != 1 {
			_, _ = fmt.Fprint(w, "not with ", r.Header.Get("Authorization"))
		}
	})
	cfg := receiver.config()
	cfg.Clock = newFakeClock()
	cfg.Hooks = []delivery.Hook{delivery.NewLogHook(logger)}
	deliverer := newDeliverer(t, cfg)

	_, err := deliverer.Deliver(t.Context(), batch)
	require.NoError(t, err)
	_, err = deliverer.Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonRefused)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = deliverer.Deliver(canceled, batch)
	failure(t, err, delivery.ReasonCanceled)

	result := func(attempts, status int) string {
		return fmt.Sprintf("delivery.endpoint=%s delivery.batch=batch-1 delivery.events=3 delivery.bytes=13 delivery.attempts=%d delivery.status=%d",
			receiver.URL, attempts, status)
	}
	require.Equal(t, []string{
		`level=WARN msg="audit log delivery will be tried again" ` + result(1, 503) +
			` outcome="503 Service Unavailable" snippet="not with [redacted]" took=0s wait=1s`,
		`level=DEBUG msg="audit log delivered" ` + result(2, 200) + ` took=0s`,
		`level=ERROR msg="audit log delivery failed" ` + result(1, 401) + ` reason=refused error="delivery: batch \"batch-1\" to ` +
			receiver.URL + `: refused: 401 Unauthorized: not with [redacted]"`,
		`level=INFO msg="audit log delivery failed" ` + result(0, 0) + ` reason=canceled error="delivery: batch \"batch-1\" to ` +
			receiver.URL + `: canceled: context canceled"`,
	}, strings.Split(strings.TrimSpace(logged.String()), "\n"))
}
