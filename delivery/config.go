package delivery

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/sethvargo/go-retry"
	"golang.org/x/time/rate"

	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
	"github.com/seed-6bcf82c5/auditlog/internal/redact"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Encoding is how a body is compressed: the value of Content-Encoding.
type Encoding string

const (
	// EncodingGzip is what receivers want.
	EncodingGzip Encoding = "gzip"

	// EncodingApplicationGzip is gzip under the name that Konnect's
	// documentation gives it. Most receivers refuse it or do not decode it.
	EncodingApplicationGzip Encoding = "application/gzip"

	// EncodingNone sends the body as it is, without the header.
	EncodingNone Encoding = "none"
)

const (
	// DefaultAttemptTimeout is the default of Config.AttemptTimeout.
	DefaultAttemptTimeout = 20 * time.Second

	// MaxAttemptTimeout is the largest Config.AttemptTimeout.
	MaxAttemptTimeout = time.Hour

	// DefaultUserAgent is the default of Config.UserAgent.
	DefaultUserAgent = "auditlog-go"
)

// Config says where and how a [Deliverer] delivers. Only Endpoint is required.
//
// It prints and logs as its endpoint's scheme, host and port, nothing else. There
// is one exception: package fmt calls no methods on unexported fields, and prints
// a Config in one field by field, with the whole endpoint, though without the
// values of any [webhook.Secret]. Do not keep a Config there: a [Deliverer]
// prints safely anywhere.
type Config struct {
	// Endpoint is an absolute https URL with a host, without user info and
	// without fragment, in ASCII: see [webhook.ValidateEndpoint]. Names of
	// other scripts are written in Punycode.
	Endpoint string

	// Authorization is sent as it is, as the Authorization header: visible
	// ASCII with inner spaces, at most 4 KiB. Empty: no such header, for
	// receivers that carry their secret in the URL or in Headers.
	Authorization webhook.Secret

	// Headers are sent as well, by name. They are secrets since some
	// receivers have their key in a header of their own. They have the form
	// of Authorization, and cannot replace a header that the protocol sets.
	Headers map[string]webhook.Secret

	// UserAgent is sent as User-Agent. Default: DefaultUserAgent.
	UserAgent string

	// Encoding compresses bodies. Default: EncodingGzip.
	Encoding Encoding

	// AttemptTimeout bounds an attempt, from dialling to the status line, in
	// real time: at most MaxAttemptTimeout. Default: DefaultAttemptTimeout.
	AttemptTimeout time.Duration

	// Timeout bounds a delivery with all its attempts and waits, by the
	// Clock. A wait that would pass it, or pass the deadline of the context,
	// is not begun. 0: no bound.
	Timeout time.Duration

	// Backoff makes the chain of waits of one delivery, when its first
	// attempt has failed. The chain may end the delivery early, but there are
	// never more than 4 retries, nor waits outside of 1 to 30 s. Default, also
	// where Backoff returns nil: 1, 2, 4 and 8 s.
	Backoff func() retry.Backoff

	// Jitter lengthens each wait by a random part of at most this fraction,
	// 0 to 1, within 30 s. It never shortens one. Default: 0.
	Jitter float64

	// RetryOnly500 retries no answer but 500 and 429: the letter of Konnect's
	// documentation. Default: every 5xx but 501, and 429.
	RetryOnly500 bool

	// RequestLimit, where it is set, is asked for 1 before each attempt, and
	// EventLimit for the number of events before the first one; its burst may
	// be smaller than a batch. Limiters may be shared. Waits for them come on
	// top of the waits between attempts.
	RequestLimit *rate.Limiter
	EventLimit   *rate.Limiter

	// RootCAs are the authorities to trust. Default: the system's.
	RootCAs *x509.CertPool

	// Certificates are shown to an endpoint that asks for one.
	Certificates []tls.Certificate

	// InsecureSkipVerify accepts any certificate for any name. Everyone on
	// the way can then read the authorization; it is for test set-ups.
	InsecureSkipVerify bool

	// Proxy is the URL of an http, https, socks5 or socks5h proxy. An https
	// proxy's certificate is verified by RootCAs, whatever InsecureSkipVerify
	// says, and is shown none of the Certificates.
	Proxy *url.URL

	// ProxyFromEnvironment takes the proxy, if Proxy is nil, from the
	// environment ([http.ProxyFromEnvironment]) when New is called. Package
	// net/http reads the environment once in a process, so that later changes
	// of it have no effect. Nor has this where there is a Guard: the proxy
	// could reach what it refuses.
	ProxyFromEnvironment bool

	// Guard, where it is set, refuses to dial addresses off the public
	// internet. With a Proxy, every address that the endpoint's name has here
	// is checked before the proxy is dialled, and the proxy itself is not;
	// the proxy resolves the name again, which an attacker who owns the name
	// can use, so let it refuse private addresses too.
	Guard *Guard

	// DialContext replaces the dialler, for tests and tunnels. It takes the
	// Guard out: nothing is checked any more, unless it does so itself. Its
	// context ends soon after the timeout of the attempt, or by Close, but not
	// with the delivery's, since the next delivery can use the connection.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Clock is for the waits and time stamps. Default: SystemClock.
	Clock Clock

	// Signer, where it is set, signs each attempt: what it returns is sent as
	// Webhook-Signature, after the Standard Webhooks specification. An attempt
	// that cannot be signed is not sent and counts as one without an answer.
	Signer BatchSigner

	// Hooks are told what happens. See [NewLogHook] for one that logs.
	Hooks []Hook
}

// String names the endpoint by scheme, host and port.
func (c Config) String() string {
	name := "invalid endpoint"
	if u, err := parseEndpoint(c.Endpoint); err == nil {
		name = redact.Endpoint(u)
	}
	return "delivery.Config(" + name + ")"
}

// Format implements [fmt.Formatter]: every verb prints what String returns,
// since the fields hold secrets.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue implements [slog.LogValuer].
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON refuses: a Config holds secrets.
func (c Config) MarshalJSON() ([]byte, error) {
	return nil, errors.New("delivery: a Config holds secrets and is never marshalled")
}

// withDefaults returns a copy of c with the defaults filled in.
func (c Config) withDefaults() *Config {
	if c.UserAgent == "" {
		c.UserAgent = DefaultUserAgent
	}
	if c.Encoding == "" {
		c.Encoding = EncodingGzip
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = DefaultAttemptTimeout
	}
	if c.Backoff == nil {
		c.Backoff = httpretry.NewBackoff
	}
	if c.Clock == nil {
		c.Clock = SystemClock{}
	}
	return &c
}

// validate checks everything but the endpoint, which parseEndpoint checks.
// Errors name the field, never its value.
func (c *Config) validate() error {
	if err := checkValue(c.Authorization.Reveal()); !c.Authorization.IsZero() && err != nil {
		return fmt.Errorf("delivery: Authorization: %w", err)
	}
	if err := checkHeaders(c.Headers); err != nil {
		return err
	}
	if err := checkValue(c.UserAgent); err != nil {
		return fmt.Errorf("delivery: UserAgent: %w", err)
	}
	switch c.Encoding {
	case EncodingGzip, EncodingApplicationGzip, EncodingNone:
	default:
		return fmt.Errorf("delivery: Encoding: %q is not known", string(c.Encoding))
	}
	if c.AttemptTimeout < 0 || c.AttemptTimeout > MaxAttemptTimeout {
		return fmt.Errorf("delivery: AttemptTimeout: must be 0 to %v", MaxAttemptTimeout)
	}
	if c.Timeout < 0 {
		return errors.New("delivery: Timeout: is negative")
	}
	if !(c.Jitter >= 0 && c.Jitter <= 1) { // NaN is neither
		return errors.New("delivery: Jitter: must be 0 to 1")
	}
	for _, limit := range []struct {
		name    string
		limiter *rate.Limiter
	}{{"RequestLimit", c.RequestLimit}, {"EventLimit", c.EventLimit}} {
		if l := limit.limiter; l != nil && l.Limit() != rate.Inf && (l.Limit() <= 0 || l.Burst() <= 0) {
			return fmt.Errorf("delivery: %s: allows nothing", limit.name)
		}
	}
	if c.Proxy != nil {
		switch c.Proxy.Scheme {
		case "http", "https", "socks5", "socks5h":
		default:
			return errors.New("delivery: Proxy: must be an http, https, socks5 or socks5h URL")
		}
		if c.Proxy.Hostname() == "" {
			return errors.New("delivery: Proxy: has no host")
		}
	}
	if c.Guard != nil {
		for i, prefix := range c.Guard.Allow {
			if !prefix.IsValid() || prefix.Addr().Is4In6() {
				return fmt.Errorf("delivery: Guard: Allow[%d] is no IPv4 or IPv6 prefix", i)
			}
		}
	}
	return nil
}
