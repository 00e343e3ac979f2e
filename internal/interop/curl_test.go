package interop_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os/exec"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// writePair writes a certificate and its key to files.
func writePair(t *testing.T, dir string, certificate tls.Certificate) (certFile, keyFile string) {
	var chain bytes.Buffer
	for _, der := range certificate.Certificate {
		require.NoError(t, pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	require.NoError(t, err)
	return writeFile(t, dir, "cert.pem", chain.Bytes()),
		writeFile(t, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
}

// The receiver takes what plain curl posts, with and without gzip.
func TestFromCurl(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	var mu sync.Mutex
	var lines []string
	handler, err := receiver.New(receiver.Config{
		Senders: []receiver.Sender{{Authorizations: []webhook.Secret{webhook.NewSecret(authorization)}}},
		Dedup:   receiver.DedupOff,
		HandOver: func(_ context.Context, batch receiver.Batch) error {
			mu.Lock()
			defer mu.Unlock()
			for _, line := range batch.Lines {
				lines = append(lines, string(line.Raw))
			}
			return nil
		},
	})
	require.NoError(t, err)
	server, err := receiver.Listen(t.Context(), receiver.ServerConfig{Addr: "127.0.0.1:0", Handler: handler, SelfSigned: true})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-served)
	}()

	const body = "CEF:0|a|b|c|d|e|1|k=1\n{\"name\":\"x\",\"event_vendor\":\"y\",\"event_product\":\"z\",\"event_version\":\"1\",\"event_class_id\":\"c\",\"severity\":1,\"cef_version\":0}\n"
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err = w.Write([]byte(body))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	dir := t.TempDir()
	authority := writeFile(t, dir, "ca.pem", server.Authority())
	for _, args := range [][]string{
		{"--data-binary", "@" + writeFile(t, dir, "plain", []byte(body))},
		{"--data-binary", "@" + writeFile(t, dir, "zipped", zipped.Bytes()), "-H", "Content-Encoding: gzip"},
		{"--data-binary", "@" + writeFile(t, dir, "unlabelled", zipped.Bytes())},
	} {
		lines = nil
		args = append(args, "-sS", "-o", "-", "-w", "%{http_code}", "--cacert", authority, "-H", "Authorization: "+authorization, server.URL())
		out, err := exec.CommandContext(t.Context(), "curl", args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, "200", string(out))
		require.Len(t, lines, 2)
	}
}
