package delivery

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
)

// retries reports whether an answer with this status is worth another attempt.
func (c *Config) retries(status int) bool {
	switch {
	case status == http.StatusTooManyRequests:
		return true
	case c.RetryOnly500:
		return status == http.StatusInternalServerError
	default:
		return status >= 500 && status <= 599 && status != http.StatusNotImplemented
	}
}

// isPermanent reports whether a connection failed for a reason that does not
// pass in seconds: certificate, host name, a port that does not speak TLS, or
// an alert by which the peer ended TLS, for instance as it wants another version
// or a client certificate.
func isPermanent(err error) bool {
	return isAlert(err) ||
		is[*tls.CertificateVerificationError](err) ||
		is[tls.RecordHeaderError](err) ||
		is[x509.CertificateInvalidError](err) ||
		is[x509.HostnameError](err) ||
		is[x509.UnknownAuthorityError](err) ||
		errors.Is(err, http.ErrSchemeMismatch)
}

// isAlert reports whether the peer has sent a TLS alert. Package crypto/tls
// marks those by the operation alone.
func isAlert(err error) bool {
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok || op.Op == "remote error" {
			return ok
		}
		err = op.Err // a proxy's is inside another
	}
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
