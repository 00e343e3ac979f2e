package benchmarks

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// serverVariable makes the test binary a receiver instead of a test. Its value
// is the protocol to speak.
const serverVariable = "AUDITLOG_BENCHMARK_SERVER"

// hanging is what the paths begin with that are never answered.
const hanging = "hanging"

const (
	http1 = "http1"
	http2 = "http2"
)

func TestMain(m *testing.M) {
	if protocol := os.Getenv(serverVariable); protocol != "" {
		if err := serve(protocol); err != nil {
			fmt.Fprintln(os.Stderr, "receiver:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// greeting is what the receiver tells its owner.
type greeting struct {
	URL         string
	Certificate []byte // DER
}

// serve reads and discards what it gets, and answers 200, until its standard
// input ends: when its owner has closed it or is gone.
func serve(protocol string) error {
	var handler http.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if strings.HasPrefix(r.URL.Path, "/"+hanging) {
			<-r.Context().Done()
		}
	})
	if protocol == ledgerServer {
		handler = &ledger{counts: map[int]int{}}
	}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = protocol == http2
	server.StartTLS()
	defer server.Close()
	err := json.NewEncoder(os.Stdout).Encode(greeting{URL: server.URL, Certificate: server.Certificate().Raw})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startServer starts a receiver in a process of its own, so that its work is no
// part of what is measured, and stops it at the end of the benchmark.
func startServer(b *testing.B, protocol string) receiver {
	program, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.CommandContext(context.WithoutCancel(b.Context()), program) // ends with its input
	cmd.Env = append(os.Environ(), serverVariable+"="+protocol)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		require.NoError(b, in.Close())
		require.NoError(b, cmd.Wait())
	})
	var hello greeting
	require.NoError(b, json.NewDecoder(out).Decode(&hello))
	certificate, err := x509.ParseCertificate(hello.Certificate)
	require.NoError(b, err)
	return newReceiver(hello.URL, certificate)
}
