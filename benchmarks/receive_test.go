package benchmarks

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	receive "github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// BenchmarkReceive takes batches of 500 CEF lines, gzipped, without a network:
// an operation is one batch. The bare handlers only decompress and split lines;
// they check nothing, bound nothing and remember nothing.
func BenchmarkReceive(b *testing.B) {
	wires := zipped(b)
	taken := 0
	count := func(context.Context, receive.Batch) error {
		taken++
		return nil
	}
	parse := func(_ context.Context, batch receive.Batch) error {
		taken++
		for i := range batch.Lines {
			if _, err := batch.Lines[i].Event(); err != nil {
				return err
			}
		}
		return nil
	}
	for _, row := range []struct {
		name    string
		handler http.Handler
		takes   bool
	}{
		{"bare", http.HandlerFunc(bareHandler), false},
		{"bare-pooled", newPooledHandler(), false},
		{"receiver", newReceiveHandler(b, count), true},
		{"receiver-events", newReceiveHandler(b, parse), true},
	} {
		taken = 0
		sent := 0 // over all runs of -count: a batch that is known would not be taken
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				i := sent
				sent++
				r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/", bytes.NewReader(wires[i%len(wires)]))
				setHeader(r.Header, fmt.Sprintf("%s-%d", row.name, i))
				w := httptest.NewRecorder()
				row.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
			if row.takes {
				require.Equal(b, sent, taken)
			}
		})
	}
}

func zipped(b *testing.B) [][]byte {
	var all [][]byte
	for _, batch := range batches(b, 16) {
		var buffer bytes.Buffer
		w, err := kgzip.NewWriterLevel(&buffer, kgzip.BestSpeed)
		require.NoError(b, err)
		_, err = w.Write(batch.Body)
		require.NoError(b, err)
		require.NoError(b, w.Close())
		all = append(all, buffer.Bytes())
	}
	return all
}

// bareHandler is what one writes first.
func bareHandler(w http.ResponseWriter, r *http.Request) {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(z)
	if err != nil || len(bytes.Split(body, []byte("\n"))) == 0 {
		w.WriteHeader(http.StatusBadRequest)
	}
}

// newPooledHandler returns what one writes after a look at a profile: another
// decompressor, which is used again, as is its buffer.
func newPooledHandler() http.Handler {
	type state struct {
		z      kgzip.Reader
		buffer bytes.Buffer
	}
	pool := sync.Pool{New: func() any { return new(state) }}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := pool.Get().(*state)
		defer pool.Put(s)
		s.buffer.Reset()
		err := s.z.Reset(r.Body)
		if err == nil {
			_, err = s.buffer.ReadFrom(&s.z)
		}
		if err != nil || len(bytes.Split(s.buffer.Bytes(), []byte("\n"))) == 0 {
			w.WriteHeader(http.StatusBadRequest)
		}
	})
}

func newReceiveHandler(b *testing.B, handOver func(context.Context, receive.Batch) error) http.Handler {
	h, err := receive.New(receive.Config{
		Senders:  []receive.Sender{{Name: "benchmark", Authorizations: []webhook.Secret{webhook.NewSecret(authorization)}}},
		HandOver: handOver,
	})
	require.NoError(b, err)
	return h
}
