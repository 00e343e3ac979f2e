package benchmarks

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// handWritten is what a careful engineer writes for one receiver without the
// SDK. It reuses connections, compressors and buffers, and retries the same
// statuses after the same waits, but has no hooks, limits, guard or masking,
// tells nothing about its attempts, retries bad certificates, and is safe only
// with receivers that read a body to its end before they answer, for its buffer
// is reused after that.
type handWritten struct {
	client *http.Client
	url    string
	pool   sync.Pool // of *compressed
}

type compressed struct {
	buffer bytes.Buffer
	writer *gzip.Writer
}

func newHandWritten(tb testing.TB, to receiver) shipper {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: to.rootCAs}
	transport.DisableCompression = true
	s := &handWritten{
		client: &http.Client{
			Transport:     transport,
			Timeout:       20 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		url: to.url,
	}
	s.pool.New = func() any {
		c := new(compressed)
		var err error
		c.writer, err = gzip.NewWriterLevel(&c.buffer, gzip.BestSpeed)
		require.NoError(tb, err)
		return c
	}
	return s
}

func (s *handWritten) close() { s.client.CloseIdleConnections() }

func (s *handWritten) ship(ctx context.Context, batch delivery.Batch) error {
	c := s.pool.Get().(*compressed)
	defer s.pool.Put(c)
	c.buffer.Reset()
	c.writer.Reset(&c.buffer)
	if _, err := c.writer.Write(batch.Body); err != nil {
		return err
	}
	if err := c.writer.Close(); err != nil {
		return err
	}
	wait := time.Second
	for attempt := 1; ; attempt++ {
		status, after, err := s.post(ctx, batch.ID, c.buffer.Bytes())
		switch {
		case err == nil && status >= 200 && status <= 299:
			return nil
		case err == nil && status != http.StatusTooManyRequests && (status < 500 || status == http.StatusNotImplemented):
			return fmt.Errorf("refused with status %d", status)
		case attempt == 5:
			return errors.Join(fmt.Errorf("gave up, last status %d", status), err)
		}
		select {
		case <-time.After(min(max(wait, after), 30*time.Second)):
		case <-ctx.Done():
			return ctx.Err()
		}
		wait *= 2
	}
}

// post makes one attempt.
func (s *handWritten) post(ctx context.Context, id string, body []byte) (status int, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	setHeader(req.Header, id)
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be reused
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
		after = time.Duration(seconds) * time.Second
	}
	return resp.StatusCode, after, nil
}

// setHeader sets what the SDK sends with each attempt.
func setHeader(h http.Header, id string) {
	h.Set("Authorization", authorization)
	h.Set("Content-Encoding", "gzip")
	h.Set("Content-Type", "text/plain")
	h.Set("User-Agent", userAgent)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", strconv.FormatInt(time.Now().Unix(), 10))
}
