package redact

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// Error returns an error with the text of err, treated as by [Masker.Text] and
// cut to 512 characters; nil for nil. Of a [*url.Error], which names the whole
// URL, only the cause is left, and of the errors of package net not the
// addresses.
//
// net/http quotes the peer's raw bytes in some of its errors, so the chain of
// err is not passed on. Unwrap gives the causes in it that hold none:
// the context errors, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
// os.ErrDeadlineExceeded (for any timeout), http.ErrSchemeMismatch,
// [syscall.Errno], [*net.DNSError] without its server, [*tls.CertificateVerificationError],
// [tls.RecordHeaderError] without its record, and the errors of crypto/x509.
func (m *Masker) Error(err error) error {
	if err == nil {
		return nil
	}
	if outer, ok := errors.AsType[*url.Error](err); ok {
		err = outer.Err
	}
	return &maskedError{text: m.text(withoutAddresses(err), maxError), causes: causes(err)}
}

// maskedError is safe to print and to pass on.
type maskedError struct {
	text   string
	causes []error
}

func (e *maskedError) Error() string   { return e.text }
func (e *maskedError) Unwrap() []error { return e.causes }

// causes returns the errors in the tree of err that are known to hold nothing
// of what a peer sent but its certificate.
func causes(err error) []error {
	switch err {
	case nil:
		return nil
	case context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF,
		net.ErrClosed, os.ErrDeadlineExceeded, http.ErrSchemeMismatch:
		return []error{err}
	}
	var found []error
	switch err := err.(type) {
	case *net.DNSError:
		return []error{withoutServer(err)}
	case syscall.Errno,
		*tls.CertificateVerificationError,
		x509.CertificateInvalidError,
		x509.ConstraintViolationError,
		x509.HostnameError,
		x509.InsecureAlgorithmError,
		x509.SystemRootsError,
		x509.UnhandledCriticalExtension,
		x509.UnknownAuthorityError:
		return []error{err}
	case tls.RecordHeaderError:
		return []error{tls.RecordHeaderError{Msg: err.Msg}}
	case interface{ Unwrap() error }:
		found = causes(err.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			found = append(found, causes(inner)...)
		}
	}
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() && len(found) == 0 {
		found = []error{os.ErrDeadlineExceeded}
	}
	return found
}

// withoutAddresses returns the text of err without the addresses that package
// net puts there: of this host, of its resolver, of a proxy. Error texts travel
// to people who should not learn them. Operations, causes and names stay.
func withoutAddresses(err error) string {
	return replaceAddresses(err.Error(), err)
}

// replaceAddresses replaces in text, which is made of err's, the texts of the
// errors of package net in err's tree.
func replaceAddresses(text string, err error) string {
	switch err := err.(type) {
	case *net.OpError:
		return strings.ReplaceAll(text, err.Error(), opText(err))
	case *net.DNSError:
		return strings.ReplaceAll(text, err.Error(), withoutServer(err).Error())
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			return replaceAddresses(text, inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			text = replaceAddresses(text, inner)
		}
	}
	return text
}

// opText is the text of err, with the operation and the cause only.
func opText(err *net.OpError) string {
	switch cause := err.Err.(type) {
	case *os.SyscallError: // the name of the call adds nothing
		return err.Op + ": " + cause.Err.Error()
	case *net.DNSError: // has its own operation
		return withoutServer(cause).Error()
	case *net.AddrError:
		return err.Op + ": " + cause.Err
	default:
		return err.Op + ": " + withoutAddresses(cause)
	}
}

// withoutServer returns err without the address of the resolver.
func withoutServer(err *net.DNSError) *net.DNSError {
	plain := *err
	plain.Server = ""
	switch {
	case err.IsNotFound:
		plain.Err = "no such host"
	case err.IsTimeout:
		plain.Err = "i/o timeout"
	case strings.Contains(err.Err, ":"): // the text of an OpError
		plain.Err = "the resolver cannot be asked"
	}
	if plain.UnwrapErr != nil { // package net has context errors there
		plain.UnwrapErr = errors.Join(causes(plain.UnwrapErr)...)
	}
	return &plain
}
