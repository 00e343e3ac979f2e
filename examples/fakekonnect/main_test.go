package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// fake is a run of the program, with a proxy.
type fake struct {
	greeting
	t      *testing.T
	client *http.Client // through the proxy
}

func start(t *testing.T, args ...string) *fake {
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-proxy", "127.0.0.1:0", "-token", "kpat_t"}, args...), write, io.Discard)
		_ = write.Close()
		done <- err
	}()
	f := &fake{t: t}
	lines := bufio.NewScanner(read)
	require.True(t, lines.Scan(), "%v", lines.Err())
	require.NoError(t, json.Unmarshal(lines.Bytes(), &f.greeting))
	proxy, err := url.Parse(f.Proxy)
	require.NoError(t, err)
	pem, err := os.ReadFile(f.CA)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	transport := &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
	}
	f.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		require.NoError(t, <-done)
		require.NoFileExists(t, f.CA)
	})
	return f
}

// do sends a request as it stands and returns status and body.
func (f *fake) do(method, url, accept, body string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, url, strings.NewReader(body))
	require.NoError(f.t, err)
	req.Header.Set("Authorization", "Bearer kpat_t")
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := f.client.Do(req)
	require.NoError(f.t, err)
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	if resp.StatusCode >= 400 {
		require.Equal(f.t, webhook.ProblemMediaType, resp.Header.Get("Content-Type"))
	} else if len(got) > 0 {
		require.Equal(f.t, "application/json", resp.Header.Get("Content-Type"))
	}
	return resp.StatusCode, string(got)
}

const (
	global = "https://global.api.konghq.com"
	eu     = "https://eu.api.konghq.com"
)

// The calls of "kongctl listen", in their order.
func TestKongctlListen(t *testing.T) {
	t.Parallel()
	siem := konnecttest.NewSIEM(t, konnecttest.SIEMConfig{Authorization: "Bearer listener"})
	authority := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(authority, siem.CertificatePEM(), 0o600))
	f := start(t, "-ca", authority)

	code, body := f.do("GET", eu+"/v2/audit-log-webhook", "", "")
	require.Equal(t, 200, code)
	require.Contains(t, body, `"enabled":false`)
	require.Contains(t, body, `"endpoint":"unconfigured"`)
	code, body = f.do("GET", global+"/v3/audit-log-destinations", "", "")
	require.Equal(t, 200, code)
	require.Contains(t, body, `"data":[]`)
	code, body = f.do("POST", global+"/v3/audit-log-destinations", "", `{"name":"kongctl","endpoint":"`+siem.URL()+`","log_format":"json","skip_ssl_verification":false,"authorization":"Bearer listener"}`)
	require.Equal(t, 201, code)
	require.NotContains(t, body, "listener")
	var made map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	id, _ := made["id"].(string)
	require.True(t, webhook.IsID(id), body)
	require.NotContains(t, made, "audit_log_destination_id")
	require.NotContains(t, made, "destination_id")
	code, _ = f.do("PATCH", eu+"/v3/audit-log-webhook", "", `{"audit_log_destination_id":"`+id+`","enabled":true}`)
	require.Equal(t, 200, code)

	f.happen(konnecttest.Events(1, 3, time.Unix(1_750_000_000, 0)))
	_, err := siem.WaitEvents(t.Context(), 4) // with that of the set-up
	require.NoError(t, err)

	code, _ = f.do("DELETE", eu+"/v2/audit-log-destinations/"+id, "", "")
	require.Equal(t, 409, code, "it is in use")
	code, _ = f.do("PATCH", eu+"/v2/audit-log-webhook", "", `{"enabled":false}`)
	require.Equal(t, 200, code)
	code, _ = f.do("DELETE", eu+"/v3/audit-log-webhook", "", "")
	require.Equal(t, 204, code)
	code, _ = f.do("DELETE", eu+"/v2/audit-log-destinations/"+id, "", "")
	require.Equal(t, 204, code)
	code, _ = f.do("GET", eu+"/v3/audit-log-webhook", "", "")
	require.Equal(t, 404, code)
}

// happen posts events to the fake.
func (f *fake) happen(events []auditlog.Event) {
	var lines []byte
	for i := range events {
		var err error
		format := []auditlog.Format{auditlog.CEF, auditlog.JSON, auditlog.CPS}[i%3]
		lines, err = format.Append(lines, &events[i])
		require.NoError(f.t, err)
		lines = append(lines, '\n')
	}
	code, answer := f.post(string(lines))
	require.Equal(f.t, 204, code, answer)
}

func (f *fake) post(lines string) (int, string) {
	req, err := http.NewRequestWithContext(f.t.Context(), http.MethodPost, f.BaseURL+"/_fake/events", strings.NewReader(lines))
	require.NoError(f.t, err)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	require.NoError(f.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return resp.StatusCode, string(body)
}

// What Terraform's provider sends: every field on every PATCH, unset ones as
// null; no DELETE of the webhook; its own Accept.
func TestTerraform(t *testing.T) {
	t.Parallel()
	const accept = "application/json;q=1, application/problem+json;q=0"
	const portal = eu + "/v3/portals/3e5714be-12fa-44b1-b74a-7eafb2d8d9d6/audit-log-webhook"
	f := start(t)
	code, body := f.do("POST", eu+"/v2/audit-log-destinations", accept, `{"authorization":"Bearer x","endpoint":"https://siem.example.com/a","log_format":"cef","name":"siem","skip_ssl_verification":false}`)
	require.Equal(t, 201, code)
	var made struct{ ID, CreatedAt string }
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	destination := eu + "/v2/audit-log-destinations/" + made.ID
	code, _ = f.do("PATCH", destination, accept, `{"authorization":null,"endpoint":null,"log_format":"json","name":"siem","skip_ssl_verification":false}`)
	require.Equal(t, 200, code)
	code, body = f.do("GET", destination, accept, "")
	require.Equal(t, 200, code)
	require.Contains(t, body, `"endpoint":"https://siem.example.com/a"`)

	code, _ = f.do("PATCH", eu+"/v2/audit-log-webhook", accept, `{"authorization":"Bearer y","enabled":true,"endpoint":"https://siem.example.com/b","log_format":"cef","skip_ssl_verification":false}`)
	require.Equal(t, 200, code)
	code, body = f.do("PATCH", eu+"/v2/audit-log-webhook", accept, `{"authorization":null,"enabled":true,"endpoint":null,"log_format":"cef","skip_ssl_verification":false}`)
	require.Equal(t, 200, code)
	require.Contains(t, body, `"endpoint":"https://siem.example.com/b"`)
	code, body = f.do("PATCH", eu+"/v2/audit-log-webhook", accept, `{"enabled":false}`) // destroy
	require.Equal(t, 200, code)
	require.Contains(t, body, `"enabled":false`)

	code, _ = f.do("GET", portal, accept, "")
	require.Equal(t, 404, code)
	code, _ = f.do("PATCH", portal, accept, `{"audit_log_destination_id":"`+made.ID+`","enabled":true}`)
	require.Equal(t, 200, code)
	code, body = f.do("PATCH", portal, accept, `{"audit_log_destination_id":null,"enabled":false}`)
	require.Equal(t, 200, code)
	require.Contains(t, body, made.ID)
	code, _ = f.do("DELETE", portal, "application/problem+json", "")
	require.Equal(t, 204, code)
	code, body = f.do("PATCH", eu+"/v2/audit-log-webhook", accept, `{"endpoint":"nothing"}`)
	require.Equal(t, 400, code)
	for _, member := range []string{`"status":400`, `"title":`, `"instance":`, `"detail":`, `"invalid_parameters":`} {
		require.Contains(t, body, member)
	}
	code, _ = f.do("DELETE", destination, "application/problem+json", "")
	require.Equal(t, 204, code)
}

// Our own client finds the fake where it thinks Konnect is.
func TestClientThroughProxy(t *testing.T) {
	t.Parallel()
	f := start(t)
	c, err := client.New("eu", "kpat_t", client.WithHTTPClient(f.client))
	require.NoError(t, err)
	current, err := c.Webhook.Get(t.Context())
	require.NoError(t, err)
	require.False(t, current.Configured())
}

// So does curl.
func TestCurl(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	f := start(t)
	curl := exec.CommandContext(t.Context(), "curl", "-sS", "-H", "Authorization: Bearer kpat_t", us+"/v2/audit-log-webhook/status")
	curl.Env = append(os.Environ(), "HTTPS_PROXY="+f.Proxy, "SSL_CERT_FILE="+f.CA, "CURL_CA_BUNDLE="+f.CA, "NO_PROXY=")
	out, err := curl.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, `{"webhook_enabled":false,"webhook_status":"unconfigured"}`, string(out))
}

const us = "https://us.api.konghq.com"

// The proxy is no way to anywhere else.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	f := start(t)
	for _, target := range []string{"https://example.com/", "https://eu.api.konghq.com:8443/", "https://api.konghq.com.example.com/"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
		require.NoError(t, err)
		resp, err := f.client.Do(req)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
		require.ErrorContains(t, err, "Forbidden", target)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.Proxy, nil)
	require.NoError(t, err)
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 403, resp.StatusCode)
}

func TestEventsRefused(t *testing.T) {
	t.Parallel()
	f := start(t)
	code, answer := f.post("CEF:0|a|b|c|d|e|1|\nnothing\n")
	require.Equal(t, 400, code)
	require.Contains(t, answer, "line 2: ")
	code, answer = f.post("CEF:0|a|b|c|d|e|1|\n\n")
	require.Equal(t, 409, code)
	require.Contains(t, answer, "not configured")
	code, _ = f.post(strings.Repeat("x", 2<<20))
	require.Equal(t, 400, code)
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"argument":         {[]string{"x"}, "takes no arguments"},
		"unknown flag":     {[]string{"-x"}, "not defined"},
		"token":            {[]string{"-token", "env:AUDITLOG_NOT_SET"}, "-token: "},
		"no authority":     {[]string{"-ca", empty}, "-ca: "},
		"no such file":     {[]string{"-ca", empty + "x"}, "-ca: "},
		"no address":       {[]string{"-listen", "nowhere"}, "-listen: "},
		"no proxy address": {[]string{"-proxy", "nowhere"}, "-proxy: "},
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
	require.ErrorIs(t, run(t.Context(), []string{"-h"}, io.Discard, io.Discard), flag.ErrHelp)
}
