package benchmarks

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// The comparison is fair only if all send the same events with the same header.
func TestShippersSendTheSame(t *testing.T) {
	t.Parallel()

	type request struct {
		Protocol string
		Header   http.Header
		Body     string
	}
	got := make(chan request, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		unzipped, err := gzip.NewReader(r.Body)
		if err == nil {
			body, err = io.ReadAll(unzipped)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Header.Del("Content-Length")    // compressors differ
		r.Header.Del("Webhook-Timestamp") // that of the attempt
		got <- request{r.Proto, r.Header, string(body)}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	to := newReceiver(server.URL, server.Certificate())
	batch := batches(t, 1)[0]
	want := request{
		Protocol: "HTTP/2.0",
		Header: http.Header{
			"Authorization":    {authorization},
			"Content-Encoding": {"gzip"},
			"Content-Type":     {"text/plain"},
			"User-Agent":       {userAgent},
			"Webhook-Id":       {batch.ID},
		},
		Body: string(batch.Body),
	}
	for _, s := range shippers {
		sender := s.new(t, to)
		require.NoError(t, sender.ship(t.Context(), batch), s.name)
		sender.close()
		require.Empty(t, cmp.Diff(want, <-got), s.name)
	}
}

// Lines that repeat would flatter whoever compresses.
func TestBatchesHaveDifferentLines(t *testing.T) {
	t.Parallel()

	lines := map[string]bool{}
	for _, batch := range batches(t, 9) {
		for line := range strings.SplitSeq(string(batch.Body), "\n") {
			lines[line] = true
		}
	}
	require.Len(t, lines, 9*delivery.DefaultBatchEvents)
	require.Greater(t, len(lines), eventCount)
}
