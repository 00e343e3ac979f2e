package receiver_test

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

var allFormats = []webhook.LogFormat{webhook.CEF, webhook.JSON, webhook.CPS}

// The whole way, over real HTTPS: the engine signs lines and batches, changes
// its key in the middle, and the receiver takes only what it can verify.
func TestFromShipper(t *testing.T) {
	t.Parallel()
	for _, format := range allFormats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			lineKeys, batchKeys := newRing(t, 1), newRing(t, 2)
			published := http.NewServeMux()
			published.Handle("/lines.json", signature.Handler(lineKeys))
			published.Handle("/batches.json", signature.Handler(batchKeys))
			host := httptest.NewServer(published)
			t.Cleanup(host.Close)
			var ahead atomic.Int64 // of the real time, for fetches are a minute apart
			now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }

			var mu sync.Mutex
			seen := map[string]bool{}
			keyIDs := map[string]int{}
			h, err := receiver.New(receiver.Config{
				Senders: []receiver.Sender{{
					Name:           "shipper",
					Authorizations: []webhook.Secret{webhook.NewSecret(authorization)},
					Keys:           remote(t, host.URL+"/batches.json", now),
					Products:       []receiver.Product{{Vendor: "Example", Keys: remote(t, host.URL+"/lines.json", now)}},
				}},
				Verify:        receiver.VerifyRequire,
				VerifyBatches: receiver.VerifyRequire,
				HandOver: func(_ context.Context, batch receiver.Batch) error {
					mu.Lock()
					defer mu.Unlock()
					for i := range batch.Lines {
						e, err := batch.Lines[i].Event()
						if err != nil {
							return err
						}
						n, _ := e.Get("n")
						seen[n.String()] = true
						keyIDs[batch.Lines[i].KeyID]++
					}
					return nil
				},
			})
			require.NoError(t, err)
			s := start(t, receiver.ServerConfig{Handler: h})
			roots := x509.NewCertPool()
			require.True(t, roots.AppendCertsFromPEM(s.Authority()))
			e := newShipper(t, shipper.Config{
				Signer:   lineKeys,
				Delivery: delivery.Config{RootCAs: roots, Signer: batchKeys},
			})
			_, err = e.Update(t.Context(), "id", webhook.Patch{
				Endpoint: webhook.Set(s.URL()), Authorization: webhook.Set(webhook.NewSecret(authorization)),
				LogFormat: webhook.Set(format), Enabled: webhook.Set(true),
			})
			require.NoError(t, err)

			const half = 700
			for i := range 2 {
				require.NoError(t, e.Record(t.Context(), "id", numberedEvents(i*half, half)...))
				require.NoError(t, e.Drain(t.Context(), "id"))
				require.NoError(t, lineKeys.Rotate(newSigner(t, 3), time.Time{}))
				require.NoError(t, batchKeys.Rotate(newSigner(t, 4), time.Time{}))
				ahead.Store(int64(2 * time.Minute))
			}
			mu.Lock()
			defer mu.Unlock()
			require.Len(t, seen, 2*half)
			require.Len(t, keyIDs, 2)
			for letter, err := range e.DeadLetters(t.Context(), "id") {
				t.Error(letter.Reason, err)
			}
		})
	}
}

// Any bit of a signed line that is another refuses it.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	for _, format := range allFormats {
		t.Run(string(format), func(t *testing.T) {
			t.Parallel()
			ring := newRing(t, 1)
			from := sender()
			from.Keys = ring
			var taken atomic.Int64
			h, err := receiver.New(receiver.Config{
				Senders: []receiver.Sender{from},
				Verify:  receiver.VerifyRequire,
				HandOver: func(_ context.Context, batch receiver.Batch) error {
					taken.Add(int64(len(batch.Lines)))
					return nil
				},
			})
			require.NoError(t, err)
			plain, err := auditlog.Format(format).Append(nil, &numberedEvents(1, 1)[0])
			require.NoError(t, err)
			line, err := ring.Append(nil, plain)
			require.NoError(t, err)
			require.Equal(t, 200, serve(h, request(string(line))).StatusCode)
			require.EqualValues(t, 1, taken.Swap(0))
			for i := range line {
				for bit := range 8 {
					flipped := slices.Clone(line)
					flipped[i] ^= 1 << bit
					serve(h, request(string(flipped)))
					require.Zero(t, taken.Load(), "byte %d, bit %d", i, bit)
				}
			}
		})
	}
}

func newRing(t *testing.T, seed byte) *signature.Ring {
	ring, err := signature.NewRing(signature.RingConfig{Signer: newSigner(t, seed)})
	require.NoError(t, err)
	return ring
}

func remote(t *testing.T, url string, now func() time.Time) *signature.Remote {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	keys, err := signature.NewRemote(signature.RemoteConfig{URL: url, Transport: transport, Now: now})
	require.NoError(t, err)
	return keys
}

func newShipper(t *testing.T, cfg shipper.Config) *shipper.Shipper {
	var err error
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Store, err = memstore.Open(memstore.Config{Logger: cfg.Logger})
	require.NoError(t, err)
	cfg.Delivery.Guard = &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	s, err := shipper.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.Close(context.Background()))
		require.NoError(t, cfg.Store.Close())
	})
	return s
}

func numberedEvents(from, n int) (all []auditlog.Event) {
	for i := range n {
		e := auditlog.Event{Attributes: []auditlog.Attribute{auditlog.String("n", strconv.Itoa(from+i)), auditlog.String("msg", strings.Repeat("x", i%50))}}
		e.Vendor, e.Product, e.Version, e.ClassID, e.Name = "Example", "Product", "1", "class", "name"
		all = append(all, e)
	}
	return all
}
