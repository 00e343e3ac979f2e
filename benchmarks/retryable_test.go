package benchmarks

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// retryable ships with go-retryablehttp, whose waits are 1 to 30 s and whose
// retries are 4 by default, and the standard library's gzip at its default
// level: what one reaches for first. Compressor and buffer are reused, more than
// most would do, so that the figure is that of the two libraries alone.
type retryable struct {
	client *retryablehttp.Client
	url    string
	buffer bytes.Buffer
	writer *gzip.Writer
}

func newRetryable(_ testing.TB, to receiver) shipper {
	client := retryablehttp.NewClient()
	client.Logger = nil
	transport := client.HTTPClient.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: to.rootCAs}
	transport.DisableCompression = true
	return &retryable{client: client, url: to.url, writer: gzip.NewWriter(nil)}
}

func (s *retryable) close() { s.client.HTTPClient.CloseIdleConnections() }

func (s *retryable) ship(ctx context.Context, batch delivery.Batch) error {
	s.buffer.Reset()
	s.writer.Reset(&s.buffer)
	if _, err := s.writer.Write(batch.Body); err != nil {
		return err
	}
	if err := s.writer.Close(); err != nil {
		return err
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, s.url, s.buffer.Bytes())
	if err != nil {
		return err
	}
	setHeader(req.Header, batch.ID)
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("refused with status %d", resp.StatusCode)
	}
	return nil
}
