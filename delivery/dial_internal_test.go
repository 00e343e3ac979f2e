package delivery

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// resolveTo returns a resolver for which every name has the IPv4 addresses, in
// their order (RFC 1035).
func resolveTo(t *testing.T, addrs ...string) *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { _ = server.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			const header = 12
			end := header
			for end < n && buf[end] != 0 {
				end += 1 + int(buf[end])
			}
			kind := binary.BigEndian.Uint16(buf[end+1:])
			answer := append([]byte(nil), buf[:end+5]...)
			copy(answer[2:header], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
			if kind == 1 { // A
				answer[7] = byte(len(addrs))
				for _, addr := range addrs {
					answer = append(answer, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
					answer = append(answer, netip.MustParseAddr(addr).AsSlice()...)
				}
			}
			_, _ = server.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// What the guard says about a name does not depend on the order of its
// addresses: it is refused where all of them are.
func TestGuardOfSeveralAddresses(t *testing.T) {
	t.Parallel()

	const allowed, refused, refusedToo = "127.0.0.1", "127.0.0.2", "127.0.0.3"
	tests := []struct {
		name   string
		addrs  []string
		reason Reason
	}{
		{"allowed first", []string{allowed, refused}, ReasonExhausted},
		{"allowed last", []string{refused, allowed}, ReasonExhausted},
		{"none allowed", []string{refused, refusedToo}, ReasonGuard},
		{"none allowed, the other way round", []string{refusedToo, refused}, ReasonGuard},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := New(Config{Endpoint: "https://siem.example:1", Clock: instantClock{}})
			require.NoError(t, err)
			guard := &Guard{Allow: []netip.Prefix{netip.MustParsePrefix(allowed + "/32")}}
			d.sender().transport.DialContext = guard.dialBy(&net.Dialer{Resolver: resolveTo(t, tt.addrs...)})

			_, err = d.Deliver(t.Context(), Batch{Body: []byte("x")})
			failed, ok := errors.AsType[*Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, tt.reason, failed.Reason, "%v", err)
			require.Equal(t, tt.reason == ReasonGuard, is[*GuardError](err))
		})
	}
}

// instantClock waits for nothing.
type instantClock struct{ SystemClock }

func (instantClock) Sleep(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }
