package console

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/shipper"
)

// advice tells what to do about the outcome of a test event.
func advice(code int, failed *delivery.Error) string {
	switch {
	case failed == nil:
		return "The receiver took the event. Look there for the event class " + shipper.TestClass + "."
	case code != 0:
		return adviceOn(code)
	}
	return adviceWithout(failed)
}

// adviceOn is for answers.
func adviceOn(code int) string {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "The receiver does not accept the authorization. Check the token, and the word before it, such as Bearer or Splunk."
	case http.StatusNotFound, http.StatusGone, http.StatusMethodNotAllowed:
		return "There is no such collector at this address. Check the path of the endpoint."
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return "The receiver could not read the event. Check the log format, and the receiver's settings for its source."
	case http.StatusRequestEntityTooLarge:
		return "The receiver takes only smaller requests. Raise its limit; until then large batches are split."
	case http.StatusUnsupportedMediaType:
		return "The receiver does not take text/plain, or does not undo gzip. A preset tells what it needs."
	case http.StatusTooManyRequests:
		return "The receiver is limiting requests. It is reached; try again in a minute."
	}
	switch {
	case code >= 500:
		return "The receiver has a problem of its own. Look at its logs, or try again later."
	case code >= 300 && code < 400:
		return "The receiver redirects, and redirects are never followed. Enter the address that it redirects to."
	}
	return "The receiver refused the event. Look at its logs."
}

// adviceWithout is for attempts that had no answer.
func adviceWithout(failed *delivery.Error) string {
	if _, ok := errors.AsType[*delivery.GuardError](failed); ok {
		return "The address is not on the public internet, and may not be reached from here. Ask the operator of this service to allow it."
	}
	if dns, ok := errors.AsType[*net.DNSError](failed); ok {
		if dns.IsNotFound {
			return "There is no host of this name. Check the endpoint for a typing error."
		}
		return "The host's name could not be looked up now. Try again."
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](failed); ok {
		return "The receiver's certificate is not from an authority that is trusted here. Give it one that is, with its intermediate certificates."
	}
	if _, ok := errors.AsType[x509.HostnameError](failed); ok {
		return "The receiver's certificate is for another name. Use the name that it is for."
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](failed); ok {
		return "The receiver's certificate is not valid, or not any more. Renew it."
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](failed); ok {
		return "What answers there does not speak HTTPS. Check the port."
	}
	timeout, isNet := errors.AsType[net.Error](failed)
	switch {
	case errors.Is(failed, syscall.ECONNREFUSED):
		return "Nothing listens there. Check the port, and whether the receiver is running."
	case errors.Is(failed, os.ErrDeadlineExceeded), isNet && timeout.Timeout(),
		failed.Reason == delivery.ReasonDeadline, failed.Reason == delivery.ReasonCanceled:
		return "There was no answer in time. Check that a firewall lets requests from here through."
	}
	return "There was no answer. Check the endpoint, and whether the receiver can be reached from the internet."
}
