package httpretry_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/httpretry"
)

func TestNewBackoff(t *testing.T) {
	t.Parallel()

	for range 2 { // each chain starts anew
		backoff := httpretry.NewBackoff()
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			wait, stop := backoff.Next()
			require.False(t, stop)
			require.Equal(t, want, wait)
		}
		_, stop := backoff.Next()
		require.True(t, stop)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()

	tests := []struct {
		name                      string
		backoff, retryAfter, want time.Duration
	}{
		{"the backoff", 4 * time.Second, 0, 4 * time.Second},
		{"the server asks for more", 4 * time.Second, 9 * time.Second, 9 * time.Second},
		{"the server asks for less", 4 * time.Second, time.Second, 4 * time.Second},
		{"nothing is a second", 0, 0, time.Second},
		{"negative is a second", -time.Hour, -time.Hour, time.Second},
		{"a long backoff", time.Hour, 0, 30 * time.Second},
		{"a hostile server", time.Second, math.MaxInt64, 30 * time.Second},
		{"lowest", time.Second, 0, time.Second},
		{"highest", 30 * time.Second, 30 * time.Second, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, httpretry.Wait(tt.backoff, tt.retryAfter))
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	const huge = time.Duration(math.MaxInt64)
	tests := []struct {
		name, value string
		want        time.Duration
		ok          bool
	}{
		{"absent", "", 0, false},
		{"seconds", "7", 7 * time.Second, true},
		{"leading zeros", "007", 7 * time.Second, true},
		{"zero", "0", 0, true},
		{"four hours", "14400", 4 * time.Hour, true},
		{"just fits", "9223372036", 9223372036 * time.Second, true},
		{"too many seconds", "9223372037", huge, true},
		{"beyond 64 bits", "99999999999999999999999999", huge, true},
		{"negative", "-5", 0, false},
		{"signed", "+5", 0, false},
		{"fraction", "1.5", 0, false},
		{"underscore", "1_0", 0, false},
		{"hexadecimal", "0x10", 0, false},
		{"words", "soon", 0, false},
		{"date", "Mon, 23 Nov 2026 12:00:09 GMT", 9 * time.Second, true},
		{"date of RFC 850", "Monday, 23-Nov-26 12:00:09 GMT", 9 * time.Second, true},
		{"date of asctime", "Mon Nov 23 12:00:09 2026", 9 * time.Second, true},
		{"date in the past", "Mon, 23 Nov 2026 11:00:00 GMT", 0, true},
		{"date far ahead", "Fri, 31 Dec 9999 23:59:59 GMT", huge, true},
		{"date of RFC 3339", "2026-11-23T12:00:09Z", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if tt.value != "" {
				header.Set("Retry-After", tt.value)
			}
			got, ok := httpretry.RetryAfter(header, now)
			require.Equal(t, tt.ok, ok)
			require.Equal(t, tt.want, got)
		})
	}
}
