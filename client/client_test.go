package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
)

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ target, want string }{
		{"us", "https://us.api.konghq.com/v2/audit-log-webhook"},
		{"eu", "https://eu.api.konghq.com/v2/audit-log-webhook"},
		{"au", "https://au.api.konghq.com/v2/audit-log-webhook"},
		{"me", "https://me.api.konghq.com/v2/audit-log-webhook"},
		{"in", "https://in.api.konghq.com/v2/audit-log-webhook"},
		{"sg", "https://sg.api.konghq.com/v2/audit-log-webhook"},
		{"global", "https://global.api.konghq.com/v2/audit-log-webhook"},
		{"https://audit.example.com", "https://audit.example.com/v2/audit-log-webhook"},
		{"https://audit.example.com:8443/", "https://audit.example.com:8443/v2/audit-log-webhook"},
		{"HTTPS://audit.example.com/tenants/7/", "https://audit.example.com/tenants/7/v2/audit-log-webhook"},
		{"http://localhost:8080", "http://localhost:8080/v2/audit-log-webhook"},
		{"http://LocalHost", "http://localhost/v2/audit-log-webhook"}, // no other spelling is exempt from proxies
		{"HTTP://LOCALHOST:8080", "http://localhost:8080/v2/audit-log-webhook"},
		{"http://localhoſt:8080", "http://localhost:8080/v2/audit-log-webhook"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080/v2/audit-log-webhook"},
		{"http://127.255.0.9", "http://127.255.0.9/v2/audit-log-webhook"},
		{"http://[::1]:8080", "http://[::1]:8080/v2/audit-log-webhook"},
	} {
		t.Run(c.target, func(t *testing.T) {
			t.Parallel()
			var got string
			api, err := client.New(c.target, token, client.WithClock(newClock()), client.WithHTTPClient(&http.Client{
				Transport: transport(func(r *http.Request) (*http.Response, error) {
					got = r.URL.String()
					return nil, errors.New("no network")
				}),
			}))
			require.NoError(t, err)
			_, err = api.Webhook.Get(t.Context())
			require.ErrorContains(t, err, "no network")
			require.Equal(t, c.want, got)
		})
	}
}

func TestTargetErrors(t *testing.T) {
	t.Parallel()
	const neither, plain = "neither a region", "loopback hosts only"
	for _, c := range []struct{ name, target, want string }{
		{"empty", "", neither},
		{"unknown region", "xx", neither},
		{"region in capitals", "EU", neither},
		{"host without scheme", "eu.api.konghq.com", neither},
		{"the token by mistake", token, neither},
		{"no host", "https:///v2", neither},
		{"only a port", "https://:8443", neither},
		{"no URL", "https://exa mple.com/" + token, neither},
		{"control character", "https://example.com/\n" + token, neither},
		{"scheme of another protocol", "ftp://example.com/" + token, "not an https URL"},
		{"http", "http://eu.api.konghq.com/" + token, plain},
		{"http to a private address", "http://10.0.0.1", plain},
		{"http to any address", "http://0.0.0.0", plain},
		{"http to a name that looks local", "http://localhost.example.com", plain},
		{"http to a name that looks like an address", "http://127.0.0.1.example.com", plain},
		{"user information", "https://user:" + token + "@example.com", "user information"},
		{"loopback does not excuse it", "http://user:" + token + "@localhost", "user information"},
		{"query", "https://example.com?key=" + token, "a query or a fragment"},
		{"empty query", "https://example.com?", "a query or a fragment"},
		{"fragment", "https://example.com#" + token, "a query or a fragment"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api, err := client.New(c.target, token)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, api)
			requireNoToken(t, err.Error())
		})
	}
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, token, want string }{
		{"none", "", "empty"},
		{"blank", " \n", "empty"},
		{"with its scheme", "Bearer " + token, `leave out "Bearer"`},
		{"line break of a file", token + "\n", "line break"},
		{"header injection", token + "\r\nX: 1", "line break"},
		{"control character", token + "\x7f", "another character"},
		{"not ASCII", token + "ü", "another character"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			api, err := client.New("eu", c.token)
			require.ErrorContains(t, err, c.want)
			require.Nil(t, api)
			requireNoToken(t, err.Error())
		})
	}
}

func TestClientIsNeverPrinted(t *testing.T) {
	t.Parallel()
	c, err := client.New("eu", token)
	require.NoError(t, err)
	var out bytes.Buffer
	p, err := c.Portal(portalID)
	require.NoError(t, err)
	for _, value := range []any{
		c, *c, c.Webhook, *c.Webhook, c.Binding, *c.Binding, *c.Destinations, *c.Replay, *c.Logs, p, *p,
		struct{ c client.Client }{*c},
	} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, format, value)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "client", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "client", value)
		data, err := json.Marshal(value)
		require.NoError(t, err)
		out.Write(data)
	}
	requireNoToken(t, out.String())
	require.NotContains(t, out.String(), fmt.Sprintf("%x", token))
}

func TestUserAgentIsChecked(t *testing.T) {
	t.Parallel()
	_, err := client.New("eu", token, client.WithUserAgent("a\nb"))
	require.ErrorContains(t, err, "user agent")
	c, err := client.New("eu", token)
	require.NoError(t, err)
	require.Equal(t, "client.Client(eu.api.konghq.com)", c.LogValue().String())
}

func TestOptions(t *testing.T) {
	t.Parallel()
	var got *http.Request
	mine := &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		got = r
		return nil, errors.New("no network")
	})}
	c, err := client.New("eu", token, client.WithHTTPClient(mine), client.WithHTTPClient(nil),
		client.WithClock(newClock()), client.WithClock(nil), client.WithUserAgent("portal/1.2"))
	require.NoError(t, err)
	require.Nil(t, mine.CheckRedirect, "the caller's client is left alone")

	_, err = c.Webhook.Get(t.Context())
	require.ErrorContains(t, err, "no network")
	require.Equal(t, "portal/1.2", got.Header.Get("User-Agent"))
}
