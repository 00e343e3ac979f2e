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
		{"name not found", &net.OpError{Op: "dial", Err: dns}, []error{dns}},
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
			require.Empty(t, cmp.Diff(tt.want, unwrapped, cmpopts.EquateComparable(tls.RecordHeaderError{}), cmpopts.EquateErrors()))
			require.NotErrorAs(t, err, new(*url.Error))
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				require.NotContains(t, fmt.Sprintf(verb, err), "tok-en")
			}
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
