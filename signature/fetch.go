package signature

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	// maxDocument bounds a key set, in bytes: sixteen keys take three thousand.
	maxDocument = 64 << 10

	maxResponseHeader = 16 << 10
)

// newTransport returns a transport for fetches, which are too rare to keep
// connections for. Dials go on for a time after the fetch has given up, and so
// have a timeout of their own.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		DisableKeepAlives:      true,
		DisableCompression:     true, // a small answer may unpack to a huge one
		MaxResponseHeaderBytes: maxResponseHeader,
	}
}

// fetch fetches the keys and keeps them.
func (r *Remote) fetch(ctx context.Context) {
	began := r.now()
	var keys KeySet
	err := errors.New("the transport panicked")
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tried, r.failure = r.now(), err
		if err != nil {
			return
		}
		r.fetched = began
		if !r.keys.equal(keys) { // else it still knows which key verified last
			r.keys = keys
		}
	}()
	// Who does not wait any longer must not take the fetch from the others.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	keys, err = r.get(ctx)
	if err != nil {
		err = fmt.Errorf("%s: %w", r.host(), err)
	}
	r.onFetch(err)
}

func (r *Remote) get(ctx context.Context) (KeySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url.String(), nil) //nolint:gosec // the URL is the operator's
	if err != nil {
		return KeySet{}, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Header.Set("Cache-Control", "no-cache")
	req.Header.Set("User-Agent", "auditlog-go")
	resp, err := r.client.Do(req) //nolint:gosec // the URL is the operator's
	if failure, ok := errors.AsType[*url.Error](err); ok {
		err = failure.Err // without the URL
	}
	if err != nil {
		return KeySet{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return KeySet{}, fmt.Errorf("the answer has the status %d", resp.StatusCode)
	}
	document, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return KeySet{}, err
	}
	if len(document) > maxDocument {
		return KeySet{}, fmt.Errorf("the answer is longer than %d bytes", maxDocument)
	}
	return parseKeySet(document)
}

// equal reports whether both have the same keys in the same order, by the same
// ids.
func (s KeySet) equal(other KeySet) bool {
	return slices.EqualFunc(s.keys, other.keys, func(a, b publicKey) bool {
		return a.id == b.id && a.public.Equal(b.public)
	})
}
