package receiver_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/signature"
)

func TestLogSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		from := sender()
		from.Keys = newSigner(t, 1)
		h, _, _ := setup(t, receiver.Config{
			Senders:  []receiver.Sender{from},
			Verify:   receiver.VerifyAnnotate,
			HandOver: receiver.LogSink(slog.New(slog.NewJSONHandler(&logged, nil))),
		})
		const odd = `CEF:0|a|b|c|d|e|High|k=x\r\ny`
		require.Equal(t, 200, post(h, cefLine+"\n"+odd, "Webhook-Id", "b1").StatusCode)
		lines := strings.Split(strings.TrimSpace(logged.String()), "\n")
		require.Empty(t, cmp.Diff([]string{
			`{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"Authz.x","sender":"one","batch":"b1","number":1,"verified":"unsigned","event":{"time":"2025-06-18T21:02:36Z","host":"konghq.com","vendor":"KongInc","product":"Konnect","version":"1.0","class_id":"konnect","severity":"1","attributes":{"rt":1,"src":"127.0.0.6","action":"list","granted":true,"org_id":"o","principal_id":"p","trace_id":"7","user_agent":""}}}`,
			`{"time":"2000-01-01T00:00:00Z","level":"INFO","msg":"e","sender":"one","batch":"b1","number":2,"verified":"unsigned","event":{"host":"","vendor":"a","product":"b","version":"c","class_id":"d","severity":"High","attributes":{"k":"x\r\ny"}}}`,
		}, lines))
	})
}

// A line break in an event does not begin another line of the log.
func TestLogSinkAsText(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	take := receiver.LogSink(slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, take(t.Context(), batchOfFormat(`CEF:0|a|b|c|d|name|1|k=x\nlevel\=INFO msg\=forged`)))
	require.Equal(t, 1, strings.Count(logged.String(), "\n"))
}

func batchOfFormat(lines ...string) receiver.Batch {
	b := batchOf(lines...)
	for i := range b.Lines {
		b.Lines[i].Format = "cef"
	}
	return b
}

type failingHandler struct{ slog.Handler }

func (failingHandler) Handle(context.Context, slog.Record) error { return errTest }

func TestLogSinkFails(t *testing.T) {
	t.Parallel()
	inner := slog.NewTextHandler(&bytes.Buffer{}, nil)
	take := receiver.LogSink(slog.New(failingHandler{inner}))
	require.ErrorIs(t, take(t.Context(), batchOfFormat(cefOther)), errTest)

	quiet := slog.New(failingHandler{slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelError})})
	require.ErrorContains(t, receiver.LogSink(quiet)(t.Context(), batchOfFormat(cefOther)), "not enabled at the level Info")
	h, _, told := setup(t, receiver.Config{HandOver: receiver.LogSink(quiet)})
	require.Equal(t, 503, post(h, cefOther).StatusCode, "the sender keeps what is not logged")
	require.False(t, told.last(t).HandedOver)
	require.NoError(t, receiver.LogSink(quiet)(t.Context(), batchOf()), "a batch of rejected lines")

	require.Error(t, receiver.LogSink(slog.New(inner))(t.Context(), batchOfFormat("rubbish")))
}

func TestChannelSink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		batches := make(chan receiver.Batch)
		h, _, told := setup(t, receiver.Config{HandOver: receiver.ChannelSink(batches), Dedup: receiver.DedupOff})
		answered := make(chan int, 1)
		go func() { answered <- post(h, threeForm+"\nrubbish").StatusCode }()
		batch := <-batches
		require.Equal(t, 200, <-answered)
		for range 5 { // other batches use the memory of the first
			go func() { answered <- post(h, strings.Repeat("x", len(threeForm))+"\n"+cefOther).StatusCode }()
			<-batches
			<-answered
		}
		require.Len(t, batch.Lines, 3)
		for n, want := range strings.Split(threeForm, "\n") {
			require.Equal(t, want, string(batch.Lines[n].Raw))
			require.Equal(t, want, string(batch.Lines[n].Payload))
		}
		require.Equal(t, "rubbish", string(batch.Rejected[0].Raw))

		require.Equal(t, 503, post(h, cefLine, "Webhook-Id", "nobody-takes-it").StatusCode)
		require.ErrorContains(t, told.last(t).Err, "HandOver took too long")
	})
}

func TestClone(t *testing.T) {
	t.Parallel()
	raw := []byte("line sig=s")
	batch := receiver.Batch{
		ID:       "a",
		Lines:    []receiver.Line{{Number: 1, Raw: raw, Payload: raw[:4], Outcome: signature.Valid}, {Raw: raw[:4], Payload: raw[:4]}, {Raw: raw[:0]}},
		Rejected: []receiver.Rejected{{Raw: raw[5:], Err: errTest}},
	}
	clone := batch.Clone()
	opts := cmp.Comparer(func(a, b error) bool { return a == b })
	require.Empty(t, cmp.Diff(batch, clone, opts))
	want, err := json.Marshal(batch)
	require.NoError(t, err)
	copy(raw, "xxxxxxxxxx")
	clone.Lines[0].Raw = append(clone.Lines[0].Raw, "more"...)
	clone.Lines[0].Raw = clone.Lines[0].Raw[:len(raw)]
	got, err := json.Marshal(clone)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}
