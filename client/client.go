package client

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/internal/redact"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// Client calls the management API of one region. Make one with [New]. It is
// safe for concurrent use.
type Client struct {
	// Webhook is the webhook of the region with an endpoint of its own.
	Webhook *WebhookService
	// Binding is the same webhook where it is bound to a destination.
	Binding *BindingService
	// Destinations are the endpoints that webhooks are bound to.
	Destinations *DestinationService
	// Replay is the region's job that sends past events again.
	Replay *ReplayService
	// Logs is the audit log itself.
	Logs *LogService

	base      *url.URL
	token     webhook.Secret
	http      *http.Client
	clock     Clock
	userAgent string
	version   string // the beginning of paths that both versions have
}

// New returns a Client for target, which is a region of Konnect (us, eu, au,
// me, in, sg) or global, where what belongs to no region is at home, or the
// base URL of another server that offers the API, without the version. A base
// URL is https, or http if its host is localhost or a loopback address.
//
// The token is a personal or system account access token, without the word
// Bearer. It needs the rights of an organization admin, or the role Audit Logs
// Admin.
//
// New makes no connection. Its errors name what is wrong and repeat neither
// argument.
func New(target, token string, options ...Option) (*Client, error) {
	base, err := baseURL(target)
	if err != nil {
		return nil, err
	}
	if err := checkToken(token); err != nil {
		return nil, err
	}
	c := &Client{
		base:      base,
		token:     webhook.NewSecret(token),
		http:      &http.Client{Timeout: 30 * time.Second},
		clock:     systemClock{},
		userAgent: "auditlog-go",
		version:   v3,
	}
	for _, option := range options {
		option(c)
	}
	for i := range len(c.userAgent) {
		if c.userAgent[i] < ' ' || c.userAgent[i] > '~' {
			return nil, errors.New("client: the user agent holds a character other than visible ASCII and spaces")
		}
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Webhook = &WebhookService{client: c}
	c.Binding = &BindingService{client: c, path: v3 + bindingPath, region: true}
	c.Destinations = &DestinationService{client: c, path: c.version + destinationsPath}
	c.Replay = &ReplayService{client: c, path: c.version + replayPath}
	c.Logs = &LogService{client: c}
	return c, nil
}

// What paths begin with.
const (
	v2 = "/v2"
	v3 = "/v3"
)

// LogValue implements [slog.LogValuer]. It shows the host only.
func (c *Client) LogValue() slog.Value { return slog.StringValue("client.Client(" + c.base.Host + ")") }

var _ slog.LogValuer = (*Client)(nil)

// Option changes a Client. [New] takes them.
type Option func(*Client)

// WithHTTPClient makes the Client use a copy of hc: its transport, cookie jar
// and timeout, which bounds each attempt. Its CheckRedirect is replaced, and
// its transport must not follow redirects on its own. The default is a client
// on [http.DefaultTransport] with a timeout of 30 seconds; nil leaves it.
func WithHTTPClient(hc *http.Client) Option {
	return func(c *Client) {
		if hc != nil {
			clone := *hc
			c.http = &clone
		}
	}
}

// WithClock makes the Client wait by clock between attempts. The default is
// the system's clock; nil leaves it.
func WithClock(clock Clock) Option {
	return func(c *Client) {
		if clock != nil {
			c.clock = clock
		}
	}
}

// WithUserAgent replaces the User-Agent header, "auditlog-go".
func WithUserAgent(userAgent string) Option {
	return func(c *Client) { c.userAgent = userAgent }
}

// WithVersion2 makes the Client use version 2 of the API for what both versions
// offer alike: Destinations, Replay, and all of portals. The default is version
// 3. Webhook is version 2 always, Binding and Logs are version 3.
func WithVersion2() Option { return func(c *Client) { c.version = v2 } }

// Clock tells the time and waits. Tests give a Client one of their own.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// Sleep waits for d and returns nil. If ctx is done before that, it returns
	// an error at once.
	Sleep(ctx context.Context, d time.Duration) error
}

type systemClock struct{}

var _ Clock = systemClock{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// masker blots out the token, and other secrets of a call.
func (c *Client) masker(others ...string) *redact.Masker {
	return redact.NewMasker(append(others, c.token.Reveal())...)
}

// regions are those of Konnect's management API.
var regions = []string{"us", "eu", "au", "me", "in", "sg", "global"}

// baseURL returns the URL that target means. No error repeats it: it may hold
// a password, or be the token by mistake.
func baseURL(target string) (*url.URL, error) {
	if slices.Contains(regions, target) {
		return &url.URL{Scheme: "https", Host: target + ".api.konghq.com"}, nil
	}
	u, err := url.Parse(target)
	switch {
	case err != nil, u.Scheme == "", u.Hostname() == "":
		return nil, errors.New("client: the target is neither a region (" + strings.Join(regions, ", ") + ") nor a base URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("client: the base URL is not an https URL")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("client: the base URL is http, which is for loopback hosts only")
	case u.User != nil:
		return nil, errors.New("client: the base URL holds user information")
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		return nil, errors.New("client: the base URL has a query or a fragment")
	}
	// Spelled as net/http exempts it from proxies, which would otherwise see the
	// token in the clear.
	if strings.EqualFold(u.Hostname(), localhost) {
		port := u.Port()
		if u.Host = localhost; port != "" {
			u.Host += ":" + port
		}
	}
	return u, nil
}

const localhost = "localhost"

// loopback reports whether a host is this machine by its name alone. Other
// names are not looked up: the answer could change before the token is sent.
func loopback(host string) bool {
	if strings.EqualFold(host, localhost) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func checkToken(token string) error {
	if strings.TrimSpace(token) == "" {
		return errors.New("client: the token is empty")
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return errors.New(`client: the token holds a space, a line break or another character that no token has (leave out "Bearer")`)
		}
	}
	return nil
}
