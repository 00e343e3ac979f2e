package benchmarks

import (
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hanging is what the paths begin with that are never answered.
const hanging = "hanging"

const (
	http1 = "http1"
	http2 = "http2"
)

// greeting is what the receiver tells its owner.
type greeting struct {
	URL         string
	Certificate []byte // DER
}

// serve reads and discards what it gets, and answers 200.
func serve(protocol string, in *json.Decoder, out *json.Encoder) error {
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
	if err := out.Encode(greeting{URL: server.URL, Certificate: server.Certificate().Raw}); err != nil {
		return err
	}
	return answerUsage(in, out)
}

// startServer starts a receiver in a process of its own, and stops it at the end
// of the benchmark.
func startServer(b *testing.B, protocol string) receiver {
	b.Helper()
	hello, _ := startReceiver(b, protocol)
	to, err := hello.receiver()
	require.NoError(b, err)
	return to
}

// startReceiver returns what the process says, and the process.
func startReceiver(b *testing.B, protocol string) (greeting, child) {
	b.Helper()
	process := startChild(b, protocol)
	var hello greeting
	process.hear(&hello)
	return hello, process
}

// receiver returns what deliveries need to know.
func (g greeting) receiver() (receiver, error) {
	certificate, err := x509.ParseCertificate(g.Certificate)
	if err != nil {
		return receiver{}, err
	}
	return newReceiver(g.URL, certificate), nil
}
