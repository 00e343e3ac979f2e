package delivery

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// errNotHTTPS is an error of its own as it is also checked before each request.
var errNotHTTPS = errors.New("must be an absolute https URL")

// parseEndpoint parses the URL of an endpoint and checks it. Its errors hold
// nothing of the URL.
func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, errors.New("is no valid URL") // not err: it quotes the URL
	}
	if err := checkEndpoint(u); err != nil {
		return nil, err
	}
	// What is no endpoint for Konnect, and its client, is none here.
	if invalid, ok := errors.AsType[*webhook.ValidationError](webhook.ValidateEndpoint(endpoint)); ok {
		return nil, errors.New(invalid.Parameters[0].Reason)
	}
	return u, nil
}

// checkEndpoint reports why nothing may be sent to u.
func checkEndpoint(u *url.URL) error {
	if u.Scheme != "https" || u.Opaque != "" {
		return errNotHTTPS
	}
	if u.Hostname() == "" {
		return errors.New("has no host")
	}
	if u.User != nil {
		return errors.New("has user info, which belongs into the authorization")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return errors.New("has no valid port")
		}
	}
	return nil
}
