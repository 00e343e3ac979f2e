package delivery_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// benchBatches returns 16 different batches of 500 lines.
func benchBatches() []delivery.Batch {
	random := rand.New(rand.NewPCG(1, 2))
	batches := make([]delivery.Batch, 16)
	for i := range batches {
		var b bytes.Buffer
		for j := range delivery.DefaultBatchEvents {
			if j > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "2025-06-18T21:02:36Z konghq.com CEF:0|KongInc|Konnect|1.0|konnect|Authz.control-planes|1|"+
				"rt=%d src=127.0.0.6 action=list granted=true org_id=%016x principal_id=%016x trace_id=%d user_agent=grpc-node-js/1.12.4",
				random.Uint64N(1<<41), random.Uint64(), random.Uint64(), random.Uint64())
		}
		batches[i] = delivery.Batch{ID: fmt.Sprint("bench-", i), Body: b.Bytes()}
	}
	return batches
}

// BenchmarkDeliver and BenchmarkHandWritten do the same work; the second is
// what one would write without this package, with no retries and no Result.
func BenchmarkDeliver(b *testing.B) {
	server := benchServer(b)
	deliverer, err := delivery.New(delivery.Config{
		Endpoint:      server.URL,
		Authorization: webhook.NewSecret("Bearer x"),
		RootCAs:       rootCAs(server),
	})
	require.NoError(b, err)
	defer deliverer.Close()
	batches := benchBatches()
	b.SetBytes(int64(len(batches[0].Body)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := deliverer.Deliver(b.Context(), batches[i%len(batches)]); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHandWritten(b *testing.B) {
	server := benchServer(b)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: rootCAs(server)},
		ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	batches := benchBatches()
	var body bytes.Buffer
	w, err := gzip.NewWriterLevel(&body, gzip.BestSpeed)
	require.NoError(b, err)
	b.SetBytes(int64(len(batches[0].Body)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		body.Reset()
		w.Reset(&body)
		_, _ = w.Write(batches[i%len(batches)].Body)
		_ = w.Close()
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, bytes.NewReader(body.Bytes()))
		require.NoError(b, err)
		req.Header.Set("Content-Type", "text/plain")
		req.Header.Set("Content-Encoding", "gzip")
		req.Header.Set("Authorization", "Bearer x")
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

func benchServer(b *testing.B) *httptest.Server {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	b.Cleanup(server.Close)
	return server
}
