package delivery_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// What goes on the wire, header by header.
func TestRequest(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name   string
		change func(*delivery.Config)
		want   http.Header // beyond the usual ones; an empty value takes one away
	}{
		{"default", func(*delivery.Config) {}, nil},
		{"application/gzip", func(c *delivery.Config) { c.Encoding = delivery.EncodingApplicationGzip }, http.Header{"Content-Encoding": {"application/gzip"}}},
		{"not compressed", func(c *delivery.Config) { c.Encoding = delivery.EncodingNone }, http.Header{"Content-Encoding": nil}},
		{"any scheme of authorization", func(c *delivery.Config) { c.Authorization = webhook.NewSecret("Splunk  a b=") }, http.Header{"Authorization": {"Splunk  a b="}}},
		{"no authorization", func(c *delivery.Config) { c.Authorization = webhook.Secret{} }, http.Header{"Authorization": nil}},
		{"user agent", func(c *delivery.Config) { c.UserAgent = "mine/1.0 (test)" }, http.Header{"User-Agent": {"mine/1.0 (test)"}}},
		{
			"custom headers",
			func(c *delivery.Config) {
				c.Headers = map[string]webhook.Secret{"dd-api-key": webhook.NewSecret("t0k-dd"), "X-Team": webhook.NewSecret("a b")}
			},
			http.Header{"Dd-Api-Key": {"t0k-dd"}, "X-Team": {"a b"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, status(200))
			cfg := receiver.config()
			clock := newFakeClock()
			cfg.Clock = clock
			tt.change(&cfg)
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)
			require.NoError(t, err)

			want := http.Header{
				"Authorization":     {authorization},
				"Content-Encoding":  {"gzip"},
				"Content-Length":    {""}, // below
				"Content-Type":      {"text/plain"},
				"User-Agent":        {"auditlog-go"},
				"Webhook-Id":        {"batch-1"},
				"Webhook-Timestamp": {"1795435200"},
			}
			for name, values := range tt.want {
				want[name] = values
				if values == nil {
					delete(want, name)
				}
			}
			got := receiver.received()[0]
			want.Set("Content-Length", got.header.Get("Content-Length"))
			require.Empty(t, cmp.Diff(want, got.header))
			require.Equal(t, http.MethodPost, got.method)
			require.Equal(t, path+query, got.uri)
			require.Equal(t, string(batch.Body), got.body(t))
			require.Len(t, got.wire, result.Sent)
		})
	}
}

// Each attempt sends the same bytes under the same id, with the time of its own.
func TestReplayOfTheBody(t *testing.T) {
	t.Parallel()

	for _, encoding := range []delivery.Encoding{delivery.EncodingGzip, delivery.EncodingNone} {
		t.Run(string(encoding), func(t *testing.T) {
			t.Parallel()
			receiver := newReceiver(t, status(500))
			cfg := receiver.config()
			cfg.Clock, cfg.Encoding = newFakeClock(), encoding
			body := []byte(strings.Repeat("an event line\n", 20_000))
			result, err := newDeliverer(t, cfg).Deliver(t.Context(), delivery.Batch{Body: body})
			failure(t, err, delivery.ReasonExhausted)

			requests := receiver.received()
			require.Len(t, requests, 5)
			for i, r := range requests {
				require.True(t, bytes.Equal(requests[0].wire, r.wire))
				require.Equal(t, string(body[:len(body)-1]), r.body(t))
				require.Equal(t, result.BatchID, r.header.Get("Webhook-Id"))
				stamp := time.Unix(1795435200, 0).Add(seconds(0, 1, 3, 7, 15)[i])
				require.Equal(t, stamp.UTC(), result.Attempts[i].Time.UTC())
			}
		})
	}
}

func TestConcurrentDeliveries(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) { w.WriteHeader([]int{200, 503}[n%2]) })
	cfg := receiver.config()
	cfg.Clock = newFakeClock()
	deliverer := newDeliverer(t, cfg)
	const n = 64
	failed := make(chan error, n)
	for i := range n {
		go func() {
			line := strings.Repeat(string(rune('a'+i%26)), 100+i)
			_, err := deliverer.Deliver(t.Context(), delivery.Batch{ID: line, Body: []byte(line)})
			failed <- err
		}()
	}
	delivered := 0
	for range n {
		if err := <-failed; err == nil {
			delivered++
		}
	}
	require.Positive(t, delivered)
	for _, r := range receiver.received() {
		require.Equal(t, r.header.Get("Webhook-Id"), r.body(t), "bodies must not mix")
	}
}
