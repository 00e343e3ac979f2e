package benchmarks

import (
	"context"
	"crypto/x509"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	authorization = "Bearer example-token"
	userAgent     = "benchmark"
)

// receiver is where to ship to.
type receiver struct {
	url     string
	rootCAs *x509.CertPool
}

func newReceiver(url string, certificate *x509.Certificate) receiver {
	rootCAs := x509.NewCertPool()
	rootCAs.AddCert(certificate)
	return receiver{url: url, rootCAs: rootCAs}
}

// shipper ships batches to one receiver.
type shipper interface {
	ship(ctx context.Context, batch delivery.Batch) error
	close()
}

// shippers are those that are compared.
var shippers = []struct {
	name string
	new  func(testing.TB, receiver) shipper
}{
	{"hand-written", newHandWritten},
	{"deliverer", newDeliverer},
	{"go-retryablehttp", newRetryable},
}

// deliverer is the SDK's.
type deliverer struct{ *delivery.Deliverer }

func newDeliverer(tb testing.TB, to receiver) shipper {
	d, err := delivery.New(delivery.Config{
		Endpoint:      to.url,
		Authorization: webhook.NewSecret(authorization),
		UserAgent:     userAgent,
		RootCAs:       to.rootCAs,
	})
	require.NoError(tb, err)
	return deliverer{d}
}

func (d deliverer) ship(ctx context.Context, batch delivery.Batch) error {
	_, err := d.Deliver(ctx, batch)
	return err
}

func (d deliverer) close() { d.Close() }

// batches returns n batches of 500 CEF lines, no two lines the same.
func batches(tb testing.TB, n int) []delivery.Batch {
	all := events(n * delivery.DefaultBatchEvents)
	var lines iter.Seq[[]byte] = func(yield func([]byte) bool) {
		for i := range all {
			line, err := auditlog.CEF.Append(nil, &all[i])
			require.NoError(tb, err)
			if !yield(line) {
				return
			}
		}
	}
	var grouped []delivery.Batch
	for batch, err := range delivery.Batches(lines, delivery.Limits{}) {
		require.NoError(tb, err)
		grouped = append(grouped, batch)
	}
	require.Len(tb, grouped, n)
	return grouped
}

func BenchmarkDeliveryHTTP1(b *testing.B) { benchmarkDelivery(b, http1) }

func BenchmarkDeliveryHTTP2(b *testing.B) { benchmarkDelivery(b, http2) }

// benchmarkDelivery ships 16 batches, 8 000 different events, over and over to a
// receiver in another process, one after the other on one connection. The
// figures of one run are compared with hand-written.
func benchmarkDelivery(b *testing.B, protocol string) {
	all := batches(b, 16)
	size := 0
	for _, batch := range all {
		size += len(batch.Body)
	}
	to := startServer(b, protocol)
	for _, s := range shippers {
		b.Run(s.name, func(b *testing.B) {
			sender := s.new(b, to)
			defer sender.close()
			ship := func(i int) {
				if err := sender.ship(b.Context(), all[i%len(all)]); err != nil {
					b.Fatal(err)
				}
			}
			for i := range all { // connects, and fills the pools
				ship(i)
			}
			b.SetBytes(int64(size / len(all)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				ship(i)
			}
			b.ReportMetric(float64(b.N)*delivery.DefaultBatchEvents/b.Elapsed().Seconds(), "events/s")
		})
	}
}
