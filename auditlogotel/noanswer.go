package auditlogotel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// noAnswer names the kind of error that kept an attempt from an answer.
func noAnswer(err error) string {
	switch {
	case is[*delivery.GuardError](err):
		return "guard"
	case is[*net.DNSError](err):
		return "dns"
	case isCertificate(err):
		return "certificate"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return "connection"
}

// isCertificate tells whether the endpoint's certificate was not accepted.
func isCertificate(err error) bool {
	return is[*tls.CertificateVerificationError](err) ||
		is[x509.CertificateInvalidError](err) ||
		is[x509.HostnameError](err) ||
		is[x509.UnknownAuthorityError](err)
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
