package redact

import (
	"errors"
	"net"
	"os"
	"strings"
)

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
