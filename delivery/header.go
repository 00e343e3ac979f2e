package delivery

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// protocolHeaders are those that the delivery or HTTP itself sets or would act
// on, in canonical form.
var protocolHeaders = []string{
	"Accept-Encoding", "Authorization", "Connection", "Content-Encoding",
	"Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade", "User-Agent", "Webhook-Id",
	"Webhook-Signature", "Webhook-Timestamp",
}

// checkHeaders checks custom headers. Errors have names, never values.
func checkHeaders(headers map[string]webhook.Secret) error {
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !isToken(name):
			return fmt.Errorf("delivery: Headers: %q is no header name", name)
		case slices.Contains(protocolHeaders, canonical):
			return fmt.Errorf("delivery: Headers: %s is set by the protocol", canonical)
		case seen[canonical]:
			return fmt.Errorf("delivery: Headers: %s is there twice", canonical)
		}
		seen[canonical] = true
		if err := checkValue(headers[name].Reveal()); err != nil {
			return fmt.Errorf("delivery: Headers: %s: %w", canonical, err)
		}
	}
	return nil
}

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// maxValue is in bytes.
const maxValue = 4096

// checkValue checks the value of a header. Errors hold nothing of it.
func checkValue(value string) error {
	switch {
	case value == "":
		return errors.New("is empty")
	case len(value) > maxValue:
		return fmt.Errorf("is longer than %d bytes", maxValue)
	case value[0] == ' ' || value[len(value)-1] == ' ':
		return errors.New("begins or ends with a space")
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return errors.New("has a character other than visible ASCII and spaces")
		}
	}
	return nil
}

// header returns the header of one attempt.
func (s *sender) header(batchID string, now time.Time) http.Header {
	h := make(http.Header, 8)
	h.Set("Content-Type", "text/plain")
	h.Set("User-Agent", s.cfg.UserAgent)
	h.Set("Webhook-Id", batchID)
	h.Set("Webhook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	if s.cfg.Encoding != EncodingNone {
		h.Set("Content-Encoding", string(s.cfg.Encoding))
	}
	if !s.cfg.Authorization.IsZero() {
		h.Set("Authorization", s.cfg.Authorization.Reveal())
	}
	for name, value := range s.cfg.Headers {
		h.Set(name, value.Reveal())
	}
	return h
}
