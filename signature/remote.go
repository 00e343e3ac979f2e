package signature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultMaxAge is the default of RemoteConfig.MaxAge.
	DefaultMaxAge = 15 * time.Minute

	// DefaultTimeout is the default of RemoteConfig.Timeout.
	DefaultTimeout = 5 * time.Second

	// Unknown keys, which anybody can make up, cause no more than one fetch in
	// this time. Without any keys nothing can be verified, so that the first
	// ones are asked for more often.
	fetchInterval      = time.Minute
	firstFetchInterval = 5 * time.Second
)

// RemoteConfig says where keys are fetched. Only URL is required.
type RemoteConfig struct {
	// URL is where the JSON Web Key Set is published: an absolute https URL
	// without user info and fragment, or an http one whose host is localhost or
	// a loopback address. Konnect's is https://…/v2/audit-log-webhook/jwks.json.
	URL string

	// MaxAge is after what time keys are fetched again, so that one that is
	// published no longer is trusted no longer. If the fetch fails those at
	// hand stay in use: whoever can keep the URL from answering can prolong
	// that. Default: DefaultMaxAge.
	MaxAge time.Duration

	// Timeout bounds a fetch, in real time. Default: DefaultTimeout.
	Timeout time.Duration

	// Transport replaces the transport, for another proxy than the
	// environment's ([http.ProxyFromEnvironment]), authorities of one's own, or
	// tests. Redirects are not followed, unless it does so itself.
	Transport http.RoundTripper

	// OnFetch, where it is set, is told how each fetch ended, from the
	// goroutine that made it and before its caller goes on.
	OnFetch func(error)

	// Now tells the time. Default: time.Now.
	Now func() time.Time
}

// Remote is a [Source] of keys that somebody publishes. It fetches them when
// they are asked for, keeps them, and starts no goroutine. It is safe for
// concurrent use. It prints and logs as its URL's scheme and host.
type Remote struct {
	url     *url.URL
	client  *http.Client
	maxAge  time.Duration
	timeout time.Duration
	onFetch func(error)
	now     func() time.Time

	turn chan struct{} // holds one element while somebody fetches

	mu      sync.Mutex // for a moment only, never while fetching
	keys    KeySet
	fetched time.Time // when the fetch of the keys began; zero if there are none
	tried   time.Time // when the last fetch ended, lest those who waited for it go on trying
	failure error     // of the last fetch
}

// NewRemote returns a Remote. It fetches nothing yet; ask it for its Keys to see
// whether it can. Errors do not repeat the URL.
func NewRemote(cfg RemoteConfig) (*Remote, error) {
	u, err := parseURL(cfg.URL)
	switch {
	case err != nil:
		return nil, err
	case cfg.MaxAge < 0:
		return nil, errors.New("signature: MaxAge: is negative")
	case cfg.Timeout < 0:
		return nil, errors.New("signature: Timeout: is negative")
	}
	if cfg.MaxAge == 0 {
		cfg.MaxAge = DefaultMaxAge
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	if cfg.OnFetch == nil {
		cfg.OnFetch = func(error) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Remote{
		url: u,
		client: &http.Client{
			Transport:     cfg.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		maxAge:  cfg.MaxAge,
		timeout: cfg.Timeout,
		onFetch: cfg.OnFetch,
		now:     cfg.Now,
		turn:    make(chan struct{}, 1),
	}, nil
}

func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Hostname() == "":
		return nil, errors.New("signature: URL: is not an absolute URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("signature: URL: is not https")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, errors.New("signature: URL: is http, which is for loopback hosts only")
	case u.User != nil:
		return nil, errors.New("signature: URL: holds user information")
	case u.Fragment != "":
		return nil, errors.New("signature: URL: has a fragment")
	}
	// Spelled as net/http exempts it from proxies, which could otherwise forge
	// the keys.
	if strings.EqualFold(u.Hostname(), localhost) {
		port := u.Port()
		if u.Host = localhost; port != "" {
			u.Host += ":" + port
		}
	}
	return u, nil
}

const localhost = "localhost"

// loopback reports whether a host is this machine by its name alone.
func loopback(host string) bool {
	if strings.EqualFold(host, localhost) {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// Keys implements [Source]. It fetches keys if there are none, if they are older
// than MaxAge, or if they are older than since.
//
// Whoever finds that a fetch is due makes it; those who need what it brings wait,
// and others go on with the keys at hand. Another one follows after a minute at
// the earliest, or after five seconds as long as there are no keys at all. Until
// then, and when a fetch has failed, the keys at hand are returned, with an error
// if there are none or they are older than since; it wraps [ErrNoFreshKeys].
//
// The end of ctx ends the wait for somebody else's fetch. It does not end the
// caller's own, for which others may wait; the Timeout does.
func (r *Remote) Keys(ctx context.Context, since time.Time) (KeySet, error) {
	keys, due, lacking := r.look(since)
	if !due {
		return keys, lacking
	}
	if err := context.Cause(ctx); err != nil {
		return keys, err
	}
	if lacking == nil {
		select {
		case r.turn <- struct{}{}:
		default:
			return keys, nil // somebody is renewing them already
		}
	} else {
		select {
		case r.turn <- struct{}{}:
		case <-ctx.Done():
			return keys, context.Cause(ctx)
		}
	}
	defer func() { <-r.turn }()
	if _, due, _ := r.look(since); due { // and was not done while waiting
		r.fetch(ctx)
	}
	keys, _, lacking = r.look(since)
	return keys, lacking
}

// look returns the keys at hand, whether a fetch is due, and why they do not
// suffice, nil if they do.
func (r *Remote) look(since time.Time) (keys KeySet, due bool, lacking error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	none := r.fetched.IsZero()
	interval := fetchInterval
	if none {
		interval = firstFetchInterval
	}
	elapsed := now.Sub(r.tried)
	allowed := elapsed < 0 || elapsed >= interval // a clock may be set back
	switch {
	case !none && !r.fetched.Before(since):
		return r.keys, allowed && now.Sub(r.fetched) >= r.maxAge, nil
	case r.failure != nil:
		return r.keys, allowed, fmt.Errorf("%w: %w", ErrNoFreshKeys, r.failure)
	}
	return r.keys, allowed, fmt.Errorf("%w: fetched less than %v before", ErrNoFreshKeys, interval)
}

// String names the URL by scheme and host.
func (r *Remote) String() string { return "signature.Remote(" + r.host() + ")" }

// Format implements [fmt.Formatter]: every verb prints what String returns.
func (r *Remote) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue implements [slog.LogValuer].
func (r *Remote) LogValue() slog.Value { return slog.StringValue(r.String()) }

var (
	_ fmt.Formatter  = (*Remote)(nil)
	_ slog.LogValuer = (*Remote)(nil)
)

func (r *Remote) host() string { return r.url.Scheme + "://" + r.url.Host }
