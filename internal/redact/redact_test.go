package redact_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/redact"
)

func TestEndpoint(t *testing.T) {
	t.Parallel()

	tests := []struct{ name, url, want string }{
		{"host", "https://siem.example", "https://siem.example"},
		{"port", "https://siem.example:8088/x", "https://siem.example:8088"},
		{"path and query", "https://siem.example/tok-en?key=tok-en#tok-en", "https://siem.example"},
		{"user info", "https://user:tok-en@siem.example/", "https://siem.example"},
		{"IPv6", "https://[2001:db8::1]:443/tok-en", "https://[2001:db8::1]:443"},
		{"bidirectional host", "https://a%E2%80%AEb.example/", `https://a\u202eb.example`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			require.Equal(t, tt.want, redact.Endpoint(u))
		})
	}
}

func TestText(t *testing.T) {
	t.Parallel()

	tests := []struct{ name, text, want string }{
		{"plain", "all is well", "all is well"},
		{"line breaks", "\r\n one \r\n\r\n two\tthree\n", "one two three"},
		{"other spaces", "a\u00a0\u2028b\u0085c", "a b c"},
		{"terminal escape", "\x1b[31mred", `\x1b[31mred`},
		{"bell and delete", "\a\x7f", `\a\x7f`},
		{"bidirectional override", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"zero width", "a\u200bb\ufeffc", `a\u200bb\ufeffc`},
		{"tags beyond the first plane", "\U000e0041", `\U000e0041`},
		{"invalid UTF-8", "a\xff\xc3(", `a\xff\xc3(`},
		{"a real replacement character", "a\ufffdb", "a\ufffdb"},
		{"letters of all kinds", "Größe 大小 🙂", "Größe 大小 🙂"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, redact.NewMasker().Text(tt.text))
			require.Equal(t, tt.want, new(redact.Masker).Text(tt.text))
		})
	}
}

func TestTextIsBounded(t *testing.T) {
	t.Parallel()

	got := redact.NewMasker("tok-en").Text(strings.Repeat("é", 5000))
	require.Equal(t, strings.Repeat("é", 4095)+"…", got)
}

func TestMaskerHidesItsSecrets(t *testing.T) {
	t.Parallel()

	owner := struct{ masker redact.Masker }{*redact.NewMasker("Bearer tok-en")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		require.NotContains(t, fmt.Sprintf(verb, owner), "tok-en")
	}
}

// A customer owns both the secret and the endpoint that answers, and could try
// to make masking expensive.
func BenchmarkTextOfHostileLength(b *testing.B) {
	masker := redact.NewMasker(strings.Repeat(`\`, 4096))
	answer := strings.Repeat(`\`, 2047) + "x"
	for b.Loop() {
		masker.Text(answer)
	}
}
