package receiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
)

// Hooks of one method each, and of both.
type (
	requestHook struct{ add func(string) }
	lineHook    struct{ add func(string) }
	bothHooks   struct {
		requestHook
		lineHook
	}
)

func (h requestHook) RequestFinished(ctx context.Context, r receiver.Result) {
	h.add(fmt.Sprintf("%v: status %d", ctx.Value(contextKey{}), r.Status))
}

func (h lineHook) LineRejected(ctx context.Context, b receiver.Batch, l receiver.Rejected) {
	h.add(fmt.Sprintf("%v: %s line %d of %d: %s", ctx.Value(contextKey{}), b.ID, l.Number, len(b.Lines)+len(b.Rejected), l.Raw))
}

func TestHooks(t *testing.T) {
	t.Parallel()
	var told []string
	add := func(s string) { told = append(told, s) }
	h, _, _ := setup(t, receiver.Config{Hooks: []receiver.Hook{bothHooks{requestHook{add}, lineHook{add}}, requestHook{add}, &lineHook{add}}})
	r := request(cefLine+"\nrubbish", "Webhook-Id", "a")
	serve(h, r.WithContext(context.WithValue(t.Context(), contextKey{}, "ctx")))
	require.Equal(t, []string{
		"ctx: a line 2 of 2: rubbish", "ctx: a line 2 of 2: rubbish",
		"ctx: status 200", "ctx: status 200",
	}, told)
}

func TestLogHook(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "took" {
				return slog.Attr{}
			}
			return a
		},
	}))
	h, taken, _ := setup(t, receiver.Config{Hooks: []receiver.Hook{receiver.NewLogHook(logger)}})
	post(h, cefLine, "Webhook-Id", "a")
	post(h, cefLine, "Webhook-Id", "a")
	post(h, cefOther+"\n{\"x\x1b\":[]}", "Webhook-Id", "a")
	taken.errs = []error{fmt.Errorf("line\nbreak: %w", errTest)}
	post(h, cefLine, "Webhook-Id", "b")
	r := request(cefLine)
	r.Header.Set("Authorization", "Bearer t0k-wrong")
	serve(h, r)
	broken, _, _ := setup(t, receiver.Config{Window: brokenWindow{}, Hooks: []receiver.Hook{receiver.NewLogHook(logger)}})
	post(broken, cefLine, "Webhook-Id", "c")

	result := func(status int, sender, batch, counts string, duplicate bool, size int) string {
		return fmt.Sprintf("request.status=%d request.remote=192.0.2.1:1234 request.sender=%s request.batch=%s %s request.duplicate=%t request.wire_bytes=%d request.bytes=%d",
			status, sender, batch, counts, duplicate, size, size)
	}
	none := "request.lines=0 request.rejected=0 request.duplicate_lines=0"
	one := "request.lines=1 request.rejected=0 request.duplicate_lines=0"
	require.Equal(t, []string{
		`level=DEBUG msg="audit log batch taken" ` + result(200, "one", "a", one, false, 166),
		`level=INFO msg="audit log batch known" ` + result(200, "one", "a", none, true, 166),
		`level=WARN msg="audit log line rejected" sender=one batch=a line=2 outcome="" error="byte 3: a control character in a string"`,
		`level=WARN msg="audit log batch taken, but another one had its id" ` + result(200, "one", "a", "request.lines=1 request.rejected=1 request.duplicate_lines=0", false, 73),
		`level=ERROR msg="audit log batch put off" ` + result(503, "one", "b", none, false, 166) + ` error="receiver: 503: the batch could not be taken now: line break: the disk is full"`,
		`level=WARN msg="audit log batch refused" ` + result(401, `""`, `""`, none, false, 0) + ` error="receiver: 401: the authorization is missing or wrong"`,
		`level=ERROR msg="audit log batch taken" ` + result(200, "one", "c", one, false, 166) + ` window_error="the window is broken the window is broken"`,
	}, strings.Split(strings.TrimSpace(logged.String()), "\n"))
	require.NotContains(t, logged.String(), secretMark)
}

// Whatever is printed or logged of what holds an authorization does not show it.
func TestSecrets(t *testing.T) {
	t.Parallel()
	cfg := receiver.Config{Senders: []receiver.Sender{sender()}, HandOver: new(sink).handOver}
	h, err := receiver.New(cfg)
	require.NoError(t, err)
	r := request(cefLine)
	answer := serve(h, r)
	answers := text(t, answer) + fmt.Sprint(answer.Header)
	r.Header.Set("Authorization", authorization+"x")
	answers += text(t, serve(h, r))
	require.NotContains(t, answers, secretMark)

	for name, value := range map[string]any{"Config": cfg, "*Config": &cfg, "Sender": cfg.Senders[0], "Handler": h, "nested": struct{ c receiver.Config }{cfg}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var printed bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
				fmt.Fprintf(&printed, verb, value)
			}
			slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "value", value)
			slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "value", value)
			if marshalled, err := json.Marshal(value); err == nil {
				printed.Write(marshalled)
			}
			require.NotContains(t, printed.String(), secretMark)
			require.NotContains(t, printed.String(), fmt.Sprintf("%x", secretMark))
		})
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "config", cfg, "sender", cfg.Senders[0])
	require.Contains(t, logged.String(), `"config":{"senders":["one"],"path":""},"sender":"one"`)
}
