package redact_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/redact"
)

// timeout is a timeout of the kind net/http has several of, unexported.
type timeout struct{}

func (timeout) Error() string   { return "took too long, tok-en" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

func TestErrorCauses(t *testing.T) {
	t.Parallel()

	dns := &net.DNSError{Err: "no such host", Name: "siem.example", IsNotFound: true}
	dnsAt := &net.DNSError{Err: "no such host", Name: "siem.example", Server: "192.0.2.53:53", IsNotFound: true}
	authority := x509.UnknownAuthorityError{}
	certificate := &tls.CertificateVerificationError{Err: authority}
	tests := []struct {
		name string
		err  error
		want []error
	}{
		{"no cause", errors.New("malformed HTTP response"), nil},
		{"cancelled", fmt.Errorf("net/http: %w", context.Canceled), []error{context.Canceled}},
		{"deadline", context.DeadlineExceeded, []error{context.DeadlineExceeded}},
		{"end of file", io.EOF, []error{io.EOF}},
		{"unexpected end of file", fmt.Errorf("write: %w", io.ErrUnexpectedEOF), []error{io.ErrUnexpectedEOF}},
		{"closed", &net.OpError{Op: "read", Err: net.ErrClosed}, []error{net.ErrClosed}},
		{"refused", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, []error{syscall.ECONNREFUSED}},
		{"a timeout of the system", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, []error{syscall.ETIMEDOUT}},
		{"any other timeout", &net.OpError{Op: "dial", Err: timeout{}}, []error{os.ErrDeadlineExceeded}},
		{"name not found", &net.OpError{Op: "dial", Err: dnsAt}, []error{dns}},
		{"certificate", certificate, []error{certificate}},
		{"authority", authority, []error{authority}},
		{"plain HTTP", http.ErrSchemeMismatch, []error{http.ErrSchemeMismatch}},
		{"no TLS", tls.RecordHeaderError{Msg: "no TLS", RecordHeader: [5]byte{'t', 'o', 'k', '-', 'e'}, Conn: &net.TCPConn{}}, []error{tls.RecordHeaderError{Msg: "no TLS"}}},
		{"several", errors.Join(io.EOF, errors.New("unknown"), syscall.EPIPE), []error{io.EOF, syscall.EPIPE}},
		{"none of a URL", &url.Error{Op: "Post", URL: "https://siem.example/tok-en", Err: io.EOF}, []error{io.EOF}},
	}
	masker := redact.NewMasker("Bearer tok-en")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := masker.Error(tt.err)
			unwrapped := err.(interface{ Unwrap() []error }).Unwrap()
			require.Empty(t, cmp.Diff(tt.want, unwrapped, cmpopts.EquateComparable(tls.RecordHeaderError{}), equateErrors))
			require.NotErrorAs(t, err, new(*url.Error))
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				require.NotContains(t, fmt.Sprintf(verb, err), "tok-en")
			}
		})
	}
}

// equateErrors is cmpopts.EquateErrors but for DNS errors, of which there are
// copies.
var equateErrors = cmp.FilterPath(func(p cmp.Path) bool {
	x, y := p.Last().Values()
	return !isDNS(x) || !isDNS(y)
}, cmpopts.EquateErrors())

func isDNS(v reflect.Value) bool {
	if !v.IsValid() || !v.CanInterface() {
		return false
	}
	_, ok := reflect.TypeAssert[*net.DNSError](v)
	return ok
}

// Addresses inside the sender's network are nobody's business.
func TestErrorTextHasNoAddresses(t *testing.T) {
	t.Parallel()

	here := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 58490}
	there := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 3128}
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: there, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	lookup := func(e net.DNSError) error {
		e.Name, e.Server = "siem.example", "192.0.2.53:53"
		return &net.OpError{Op: "dial", Net: "tcp", Err: &e}
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"dial", refused, "dial: connection refused"},
		{"read", &net.OpError{Op: "read", Net: "tcp", Source: here, Addr: there, Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "read: connection reset by peer"},
		{"wrapped", fmt.Errorf("broken: %w, twice: %w", refused, refused), "broken: dial: connection refused, twice: dial: connection refused"},
		{"joined", errors.Join(refused, io.EOF), "dial: connection refused EOF"},
		{"proxy", &net.OpError{Op: "proxyconnect", Net: "tcp", Err: refused}, "proxyconnect: dial: connection refused"},
		{"alert", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, "remote error: tls: bad certificate"},
		{"address", &net.OpError{Op: "dial", Err: &net.AddrError{Err: "missing port in address", Addr: "192.0.2.2"}}, "dial: missing port in address"},
		{"no such host", lookup(net.DNSError{Err: "no such host", IsNotFound: true}), "lookup siem.example: no such host"},
		{"resolver too slow", lookup(net.DNSError{Err: "read udp 192.0.2.1:1->192.0.2.53:53: i/o timeout", IsTimeout: true}), "lookup siem.example: i/o timeout"},
		{"resolver away", lookup(net.DNSError{Err: "dial udp 192.0.2.53:53: connect: network is unreachable"}), "lookup siem.example: the resolver cannot be asked"},
		{"resolver at a loss", lookup(net.DNSError{Err: "server misbehaving", IsTemporary: true}), "lookup siem.example: server misbehaving"},
		{"DNS alone", &net.DNSError{Err: "no such host", Name: "siem.example", Server: "192.0.2.53:53", IsNotFound: true}, "lookup siem.example: no such host"},
		{"DNS, cancelled", &net.DNSError{Err: "operation was canceled", Name: "siem.example", Server: "192.0.2.53:53", UnwrapErr: context.Canceled}, "lookup siem.example: operation was canceled"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := new(redact.Masker).Error(tt.err)
			require.EqualError(t, err, tt.want)
			for _, cause := range err.(interface{ Unwrap() []error }).Unwrap() {
				require.NotContains(t, cause.Error(), "192.0.2.")
			}
			require.Equal(t, errors.Is(tt.err, context.Canceled), errors.Is(err, context.Canceled))
		})
	}
}

func TestErrorTypedCausesAreFound(t *testing.T) {
	t.Parallel()

	inner := &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "siem.example"}}
	err := new(redact.Masker).Error(&net.OpError{Op: "remote error", Err: inner})

	hostname, ok := errors.AsType[x509.HostnameError](err)
	require.True(t, ok)
	require.Equal(t, "siem.example", hostname.Host)
}

func TestErrorText(t *testing.T) {
	t.Parallel()

	masker := redact.NewMasker("Bearer tok-en")
	require.NoError(t, masker.Error(nil))
	require.EqualError(t, masker.Error(fmt.Errorf("malformed HTTP response %q", "Bearer tok-en\x1b\n")),
		`malformed HTTP response "[redacted]\x1b\n"`)
	require.EqualError(t, masker.Error(&url.Error{Op: "Post", URL: "https://siem.example/tok-en", Err: errors.New("why")}), "why")

	for before := 2040 - len("Bearer tok-en"); before <= 2048; before++ {
		long := masker.Error(errors.New(strings.Repeat("é", before/2) + "Bearer tok-en" + strings.Repeat(" ", 9000)))
		require.Equal(t, 512, utf8.RuneCountInString(long.Error()))
		require.NotContains(t, long.Error(), "Bear")
	}
	require.EqualError(t, masker.Error(errors.New(strings.Repeat(" ", 2045)+"Bearer tok-en")), "[redacted]")
}
