package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	return listener.Addr().String()
}

func setup(t *testing.T) (*konnecttest.Konnect, *client.Client) {
	konnect := konnecttest.NewKonnect(t, konnecttest.KonnectConfig{Token: "t"})
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(konnect.URL(), "t", client.WithHTTPClient(&http.Client{Transport: transport}))
	require.NoError(t, err)
	return konnect, c
}

// requireClean asserts that nothing is left of a run.
func requireClean(t *testing.T, c *client.Client) {
	t.Helper()
	for destination, err := range c.Destinations.All(t.Context(), client.DestinationListOptions{}) {
		require.NoError(t, err)
		t.Errorf("destination %s is left", destination.Name)
	}
	current, err := c.Webhook.Get(t.Context())
	require.NoError(t, err)
	require.False(t, current.Enabled)
}

// It sets up, prints what matches as it comes, and takes everything back.
func TestTail(t *testing.T) {
	t.Parallel()
	konnect, c := setup(t)
	address := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"-target", konnect.URL(), "-token", "t", "-listen", address, "-endpoint", "https://" + address + "/",
			"-skip-verification", "-format", "cef", "-filter", "name=Authz.*", "-filter", "n=[13]",
		}, write, io.Discard)
		_ = write.Close()
	}()
	require.Eventually(t, func() bool { return konnect.Webhook().Enabled }, time.Minute, 5*time.Millisecond)
	require.NoError(t, konnect.Record(t.Context(), numbered("1", "2", "3")...))
	lines := bufio.NewScanner(read)
	for _, want := range []string{" n=1", " n=3"} {
		require.True(t, lines.Scan())
		require.Contains(t, lines.Text(), want)
	}
	stop()
	require.NoError(t, <-done)
	requireClean(t, c)
}

func numbered(names ...string) (all []auditlog.Event) {
	for _, name := range names {
		e := auditlog.Authorization{Time: time.Unix(1_750_000_000, 0), Service: "x", Resource: "y"}.Event()
		e.Attributes = append(e.Attributes, auditlog.String("n", name))
		all = append(all, e)
	}
	return all
}

// A failure halfway is undone; a webhook in use is left alone.
func TestFailures(t *testing.T) {
	t.Parallel()
	t.Run("binding fails", func(t *testing.T) {
		t.Parallel()
		konnect, c := setup(t)
		konnect.Script(konnecttest.Step{}, konnecttest.Step{}, konnecttest.Step{}, konnecttest.Step{}, konnecttest.Step{Status: 403})
		address := freeAddress(t)
		err := run(t.Context(), []string{"-target", konnect.URL(), "-token", "t", "-listen", address, "-endpoint", "https://" + address, "-skip-verification"}, io.Discard, io.Discard)
		require.ErrorIs(t, err, client.ErrForbidden)
		konnect.Otherwise(konnecttest.Step{})
		requireClean(t, c)
	})
	t.Run("in use", func(t *testing.T) {
		t.Parallel()
		konnect, c := setup(t)
		_, err := c.Webhook.Update(t.Context(), webhook.Patch{Endpoint: webhook.Set("https://siem.example.com"), Authorization: webhook.Set(webhook.NewSecret("x"))})
		require.NoError(t, err)
		err = run(t.Context(), []string{"-target", konnect.URL(), "-token", "t", "-listen", "127.0.0.1:0", "-endpoint", "https://x.example", "-plain"}, io.Discard, io.Discard)
		require.ErrorContains(t, err, "in use already")
		require.Equal(t, "https://siem.example.com", konnect.Webhook().Endpoint)
	})
	t.Run("port in use", func(t *testing.T) {
		t.Parallel()
		konnect, _ := setup(t)
		err := run(t.Context(), []string{"-target", konnect.URL(), "-token", "t", "-listen", strings.TrimPrefix(konnect.URL(), "http://"), "-endpoint", "https://x.example"}, io.Discard, io.Discard)
		require.ErrorContains(t, err, "address already in use")
		require.Empty(t, konnect.Requests(), "the listener comes first")
	})
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	good := []string{"-target", "eu", "-token", "t", "-endpoint", "https://x.example"}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"nothing":             {nil, "-target and -endpoint are needed"},
		"argument":            {append(good, "x"), "takes no arguments"},
		"format":              {append(good, "-format", "xml"), "-format is"},
		"certificate alone":   {append(good, "-cert", "x"), "go together"},
		"plain and not":       {append(good, "-plain", "-skip-verification"), "-plain goes without"},
		"plain for everybody": {append(good, "-plain", "-listen", ":0"), "loopback address only"},
		"filter":              {append(good, "-filter", "x"), "key=pattern"},
		"pattern":             {append(good, "-filter", "x=["), "pattern is malformed"},
		"token":               {[]string{"-target", "eu", "-token", "env:AUDITLOG_NOT_SET", "-endpoint", "https://x.example"}, "-token: "},
		"target":              {[]string{"-target", "http://x.example", "-token", "t", "-endpoint", "https://x.example"}, "loopback hosts only"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var report bytes.Buffer
			err := run(t.Context(), test.args, io.Discard, &report)
			require.Error(t, err)
			if !errors.Is(err, errUsage) {
				report.WriteString(err.Error())
			}
			require.Contains(t, report.String(), test.want)
		})
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	e := numbered("a/b")[0]
	for text, want := range map[string]bool{
		"n=a/b": true, "n=a*": true, "n=*b": true, "n=c*": false, "missing=*": false,
		"name=Authz.y": true, "severity=6": true, "event_vendor=KongInc": true, "event_product=K?nnect": true,
		"event_class_id=x": true, "cef_version=0": true,
	} {
		var f filters
		require.NoError(t, f.Set(text))
		require.Equal(t, want, f.match(&e), text)
	}
}
