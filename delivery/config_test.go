package delivery_test

import (
	"context"
	"math"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()

	header := func(name, value string) func(*delivery.Config) {
		return func(c *delivery.Config) {
			c.Headers = map[string]webhook.Secret{name: webhook.NewSecret(value)}
		}
	}
	endpoint := func(s string) func(*delivery.Config) { return func(c *delivery.Config) { c.Endpoint = s } }
	auth := func(s string) func(*delivery.Config) {
		return func(c *delivery.Config) { c.Authorization = webhook.NewSecret(s) }
	}
	proxy := func(u *url.URL) func(*delivery.Config) { return func(c *delivery.Config) { c.Proxy = u } }
	const notHTTPS = "delivery: Endpoint: must be an absolute https URL"
	tests := []struct {
		name   string
		change func(*delivery.Config)
		want   string
	}{
		{"no endpoint", endpoint(""), notHTTPS},
		{"plain HTTP", endpoint("http://siem.example/t0k-"), notHTTPS},
		{"another scheme", endpoint("ftp://siem.example/t0k-"), notHTTPS},
		{"relative", endpoint("/t0k-"), notHTTPS},
		{"no scheme", endpoint("//siem.example/t0k-"), notHTTPS},
		{"opaque", endpoint("https:siem.example/t0k-"), notHTTPS},
		{"not a URL", endpoint("https://siem.example/\x7ft0k-"), "delivery: Endpoint: is no valid URL"},
		{"no host", endpoint("https:///t0k-"), "delivery: Endpoint: has no host"},
		{"port without host", endpoint("https://:443/t0k-"), "delivery: Endpoint: has no host"},
		{"user info", endpoint("https://t0k-@siem.example/"), "delivery: Endpoint: has user info, which belongs into the authorization"},
		{"port 0", endpoint("https://siem.example:0/t0k-"), "delivery: Endpoint: has no valid port"},
		{"port too high", endpoint("https://siem.example:65536/t0k-"), "delivery: Endpoint: has no valid port"},
		{"empty port", endpoint("https://siem.example:/t0k-"), "delivery: Endpoint: must be a valid URL"},
		{"not ASCII", endpoint("https://bücher.example/t0k-"), "delivery: Endpoint: must be a valid URL"},
		{"zone", endpoint("https://[fe80::1%25eth0]/t0k-"), "delivery: Endpoint: must be a valid URL"},
		{"fragment", endpoint("https://siem.example/#t0k-"), "delivery: Endpoint: must not have a fragment"},
		{"too long", endpoint("https://siem.example/" + strings.Repeat("t0k-", 1000)), "delivery: Endpoint: must not have more than 2048 characters"},

		{"authorization with a line break", auth("Bearer t0k-\r\nX: y"), "delivery: Authorization: has a character other than visible ASCII and spaces"},
		{"authorization with a tab", auth("Bearer\tt0k-"), "delivery: Authorization: has a character other than visible ASCII and spaces"},
		{"authorization not ASCII", auth("Bearer t0k-é"), "delivery: Authorization: has a character other than visible ASCII and spaces"},
		{"authorization with a space before", auth(" Bearer t0k-"), "delivery: Authorization: begins or ends with a space"},
		{"authorization with a space after", auth("Bearer t0k- "), "delivery: Authorization: begins or ends with a space"},
		{"authorization too long", auth(strings.Repeat("x", 4097)), "delivery: Authorization: is longer than 4096 bytes"},

		{"header without name", header("", "t0k-"), `delivery: Headers: "" is no header name`},
		{"header name with a space", header("X Y", "t0k-"), `delivery: Headers: "X Y" is no header name`},
		{"header name with a line break", header("X\r\nY", "t0k-"), `delivery: Headers: "X\r\nY" is no header name`},
		{"header name not ASCII", header("É", "t0k-"), `delivery: Headers: "É" is no header name`},
		{"empty header", header("X-Key", ""), `delivery: Headers: X-Key: is empty`},
		{"header with a line break", header("X-Key", "t0k-\n"), `delivery: Headers: X-Key: has a character other than visible ASCII and spaces`},
		{"header twice", func(c *delivery.Config) {
			c.Headers = map[string]webhook.Secret{"X-Key": webhook.NewSecret("a"), "x-key": webhook.NewSecret("b")}
		}, "delivery: Headers: X-Key is there twice"},
		{"header of ours", header("authorization", "t0k-"), "delivery: Headers: Authorization is set by the protocol"},
		{"header of ours: type", header("CONTENT-TYPE", "t0k-"), "delivery: Headers: Content-Type is set by the protocol"},
		{"header of ours: encoding", header("Content-Encoding", "t0k-"), "delivery: Headers: Content-Encoding is set by the protocol"},
		{"header of ours: length", header("Content-Length", "1"), "delivery: Headers: Content-Length is set by the protocol"},
		{"header of ours: id", header("webhook-id", "t0k-"), "delivery: Headers: Webhook-Id is set by the protocol"},
		{"header of ours: timestamp", header("Webhook-Timestamp", "1"), "delivery: Headers: Webhook-Timestamp is set by the protocol"},
		{"header of ours: user agent", header("User-Agent", "t0k-"), "delivery: Headers: User-Agent is set by the protocol"},
		{"header of HTTP: host", header("Host", "t0k-"), "delivery: Headers: Host is set by the protocol"},
		{"header of HTTP: expect", header("Expect", "100-continue"), "delivery: Headers: Expect is set by the protocol"},
		{"header of HTTP: proxy", header("Proxy-Authorization", "t0k-"), "delivery: Headers: Proxy-Authorization is set by the protocol"},

		{"user agent", func(c *delivery.Config) { c.UserAgent = "a\nb" }, "delivery: UserAgent: has a character other than visible ASCII and spaces"},
		{"encoding", func(c *delivery.Config) { c.Encoding = "br" }, `delivery: Encoding: "br" is not known`},
		{"attempt timeout", func(c *delivery.Config) { c.AttemptTimeout = -1 }, "delivery: AttemptTimeout: must be 0 to 1h0m0s"},
		{"attempt timeout that overflows", func(c *delivery.Config) { c.AttemptTimeout = math.MaxInt64 }, "delivery: AttemptTimeout: must be 0 to 1h0m0s"},
		{"timeout", func(c *delivery.Config) { c.Timeout = -1 }, "delivery: Timeout: is negative"},
		{"negative jitter", func(c *delivery.Config) { c.Jitter = -0.1 }, "delivery: Jitter: must be 0 to 1"},
		{"too much jitter", func(c *delivery.Config) { c.Jitter = 1.1 }, "delivery: Jitter: must be 0 to 1"},
		{"jitter that is no number", func(c *delivery.Config) { c.Jitter = math.NaN() }, "delivery: Jitter: must be 0 to 1"},
		{"request limit without burst", func(c *delivery.Config) { c.RequestLimit = rate.NewLimiter(1, 0) }, "delivery: RequestLimit: allows nothing"},
		{"event limit of 0", func(c *delivery.Config) { c.EventLimit = rate.NewLimiter(0, 1) }, "delivery: EventLimit: allows nothing"},
		{"proxy scheme", proxy(&url.URL{Scheme: "ftp", Host: "t0k-"}), "delivery: Proxy: must be an http, https, socks5 or socks5h URL"},
		{"proxy host", proxy(&url.URL{Scheme: "http", Path: "t0k-"}), "delivery: Proxy: has no host"},
		{"guard", func(c *delivery.Config) { c.Guard = &delivery.Guard{Allow: []netip.Prefix{{}}} }, "delivery: Guard: Allow[0] is no IPv4 or IPv6 prefix"},
		{"guard, mapped", func(c *delivery.Config) {
			c.Guard = &delivery.Guard{Allow: []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("::ffff:10.0.0.0"), 104)}}
		}, "delivery: Guard: Allow[0] is no IPv4 or IPv6 prefix"},
		{"hook", func(c *delivery.Config) { c.Hooks = []delivery.Hook{delivery.NewLogHook(nil), 1} }, "delivery: Hooks[1]: int has none of the methods of a hook"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := delivery.Config{Endpoint: "https://siem.example" + path}
			tt.change(&cfg)
			d, err := delivery.New(cfg)
			require.EqualError(t, err, tt.want)
			require.Nil(t, d)
			require.NotContains(t, err.Error(), secretMark)
		})
	}
}

func TestNewAccepts(t *testing.T) {
	t.Parallel()

	for _, endpoint := range []string{
		"https://siem.example", "HTTPS://siem.example/", "https://siem.example:8088/a?b=c",
		"https://[2001:db8::1]:443/", "https://127.0.0.1", "https://xn--bcher-kva.example/",
	} {
		_, err := delivery.New(delivery.Config{
			Endpoint:     endpoint,
			Headers:      map[string]webhook.Secret{"X!#$%&'*+.^_`|~9-": webhook.NewSecret(strings.Repeat("x", 4096))},
			Jitter:       1,
			RequestLimit: rate.NewLimiter(rate.Inf, 0),
			Guard:        &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("fc00::/7")}},
		})
		require.NoError(t, err, endpoint)
	}
}

// A Deliverer has a copy of its Config.
func TestNewCopies(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(200))
	cfg := receiver.config()
	cfg.Headers = map[string]webhook.Secret{"X-Key": webhook.NewSecret("before")}
	cfg.DialContext = nil
	cfg.Guard = &delivery.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	deliverer := newDeliverer(t, cfg)
	cfg.Headers["X-Key"] = webhook.NewSecret("after")
	cfg.Guard.Allow[0] = netip.MustParsePrefix("10.0.0.0/8")

	_, err := deliverer.Deliver(context.Background(), batch)
	require.NoError(t, err)
	require.Equal(t, "before", receiver.received()[0].header.Get("X-Key"))
}
