package delivery_test

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// refuseStreams is an HTTP/2 server (RFC 9113) that refuses every request with
// REFUSED_STREAM, and counts them.
func refuseStreams(conn net.Conn, requests *atomic.Int32) {
	const (
		headers   = 1
		rstStream = 3
		settings  = 4
		ack       = 1
		refused   = 7
	)
	_, _ = io.CopyN(io.Discard, conn, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
	_, _ = conn.Write([]byte{0, 0, 0, settings, 0, 0, 0, 0, 0})
	frame := make([]byte, 9)
	for {
		if _, err := io.ReadFull(conn, frame); err != nil {
			return
		}
		length := int64(frame[0])<<16 | int64(frame[1])<<8 | int64(frame[2])
		_, _ = io.CopyN(io.Discard, conn, length)
		switch kind, flags := frame[3], frame[4]; {
		case kind == settings && flags&ack == 0:
			_, _ = conn.Write([]byte{0, 0, 0, settings, ack, 0, 0, 0, 0})
		case kind == headers:
			requests.Add(1)
			stream := frame[5:9]
			_, _ = conn.Write(append(append([]byte{0, 0, 4, rstStream, 0}, stream...), 0, 0, 0, refused))
		}
	}
}

// net/http would send a refused request seven times in one attempt, the first
// two at once, without a word to the hooks.
func TestRefusedStreams(t *testing.T) {
	t.Parallel()

	r := newReceiver(t, status(200)) // for its certificate
	var requests atomic.Int32
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: r.TLS.Certificates, NextProtos: []string{"h2"},
	})
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				refuseStreams(conn, &requests)
			})
		}
	})

	cfg := r.config()
	cfg.Endpoint = "https://" + listener.Addr().String() + path
	cfg.Clock = newFakeClock()
	d := newDeliverer(t, cfg)
	result, err := d.Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonExhausted)
	require.Len(t, result.Attempts, 5)
	require.Positive(t, requests.Load())
	require.LessOrEqual(t, requests.Load(), int32(2*5))

	d.Close()
	require.NoError(t, listener.Close())
	all.Wait()
}
