package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/signature"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const authorization = "Bearer example-token"

// started is a run of the program.
type started struct {
	lines *bufio.Scanner
	send  *delivery.Deliverer
	stop  func() error
	ca    string
}

func start(t *testing.T, args ...string) *started {
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-listen", "127.0.0.1:0", "-authorization", authorization}, args...), write, io.Discard)
		_ = write.Close()
		done <- err
	}()
	s := &started{lines: bufio.NewScanner(read)}
	s.stop = func() error {
		cancel()
		return <-done
	}
	require.True(t, s.lines.Scan())
	var hello struct{ URL, CA string }
	require.NoError(t, json.Unmarshal(s.lines.Bytes(), &hello))
	pem, err := os.ReadFile(hello.CA)
	require.NoError(t, err)
	s.ca = hello.CA
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(pem))
	s.send, err = delivery.New(delivery.Config{Endpoint: hello.URL, Authorization: webhook.NewSecret(authorization), RootCAs: roots})
	require.NoError(t, err)
	t.Cleanup(s.send.Close)
	return s
}

// deliver delivers a batch while its lines are read.
func (s *started) deliver(t *testing.T, id string, lines ...string) (printed []string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := s.send.Deliver(t.Context(), delivery.Batch{ID: id, Body: []byte(strings.Join(lines, "\n"))})
		done <- err
	}()
	for range lines {
		require.True(t, s.lines.Scan())
		printed = append(printed, s.lines.Text())
	}
	require.NoError(t, <-done)
	return printed
}

const line = "CEF:0|Example|Billing|2.1|invoice|Invoice deleted|4|suser="

func TestReceive(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.Equal(t, []string{line + "alice", line + `\u001b[2Jbob`}, s.deliver(t, "1", line+"alice", line+"\x1b[2Jbob"))
	_, err := s.send.Deliver(t.Context(), delivery.Batch{ID: "1", Body: []byte(line + "alice\n" + line + "\x1b[2Jbob")})
	require.NoError(t, err, "the same batch again: taken, and not printed")
	require.Equal(t, []string{line + "carol"}, s.deliver(t, "2", line+"carol"))
	require.NoError(t, s.stop())
	require.NoFileExists(t, s.ca)
}

func TestReceiveIntoFile(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "audit.log")
	s := start(t, "-out", out)
	_, err := s.send.Deliver(t.Context(), delivery.Batch{Body: []byte(line + "alice\n" + line + "bob")})
	require.NoError(t, err)
	written, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, line+"alice\n"+line+"bob\n", string(written))
	require.NoError(t, s.stop())
}

// With -jwks what is not signed is left out.
func TestReceiveSigned(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	signer, err := signature.NewSigner(private)
	require.NoError(t, err)
	keys, err := signature.NewKeySet(public)
	require.NoError(t, err)
	document, err := keys.MarshalJSON()
	require.NoError(t, err)
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	require.NoError(t, os.WriteFile(jwks, document, 0o600))
	signed, err := signer.Append(nil, []byte(line+"alice"))
	require.NoError(t, err)

	s := start(t, "-jwks", jwks)
	_, err = s.send.Deliver(t.Context(), delivery.Batch{Body: []byte(line + "mallory")})
	require.NoError(t, err)
	require.Equal(t, []string{string(signed)}, s.deliver(t, "", string(signed)))
	require.NoError(t, s.stop())
}

func TestWrongCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no authorization":      {nil, "-authorization is needed"},
		"an argument":           {[]string{"-authorization", "x", "y"}, "takes no arguments"},
		"a certificate alone":   {[]string{"-authorization", "x", "-cert", "y"}, "go together"},
		"unknown flag":          {[]string{"-x"}, "flag provided but not defined"},
		"variable that is none": {[]string{"-authorization", "env:AUDITLOG_NOT_SET"}, "-authorization: "},
		"keys that are none":    {[]string{"-authorization", "x", "-jwks", "/nowhere/keys"}, "-jwks: "},
		"address that is none":  {[]string{"-authorization", "x", "-listen", "nowhere"}, "receiver: "},
		"folder for a file":     {[]string{"-authorization", "x", "-out", "/dev/null/x"}, "-out: "},
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
