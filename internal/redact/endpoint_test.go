package redact_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/redact"
)

func TestEndpointSecrets(t *testing.T) {
	t.Parallel()

	tests := []struct{ name, url, text, want string }{
		{"none", "https://siem.example/", "https://siem.example/", "https://siem.example/"},
		{"path", "https://siem.example/in/s3cr3tT0ken", "/in/s3cr3tT0ken, s3cr3tT0ken", "[redacted], [redacted]"},
		{"ordinary words of the path", "https://siem.example/services/v1", "services v1", "services v1"},
		{"query", "https://siem.example?key=tok-en", "key=tok-en, tok-en", "[redacted], [redacted]"},
		{"query with a semicolon", "https://siem.example?key=tok-en;v=2", "tok-en", "[redacted]"},
		{"query without a name", "https://siem.example?v=1&tok-en", "tok-en", "[redacted]"},
		{"query without a name, in base64", "https://siem.example?v=1&dG9rZW4xMjM0NQ==", "dG9rZW4xMjM0NQ==, dG9rZW4xMjM0NQ", "[redacted], [redacted]"},
		{"query in base64", "https://siem.example?sig=dG9rZW4tMQ==", "dG9rZW4tMQ==, dG9rZW4tMQ", "[redacted], [redacted]"},
		{"query with a broken escape", "https://siem.example?key=tok-en%zz", "tok-en, tok-en%zz", "[redacted], [redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(tt.url)
			require.NoError(t, err)
			require.Equal(t, tt.want, redact.NewMasker(redact.EndpointSecrets(u)...).Text(tt.text))
		})
	}
}

func TestTextSecrets(t *testing.T) {
	t.Parallel()

	tests := []struct{ name, endpoint, text, want string }{
		{"password", "https://user:correcthorse@siem example.com/a", "user:correcthorse, correcthorse", "[redacted], [redacted]"},
		{"path", "siem.example:8443/in/s3cr3tT0ken", "/in/s3cr3tT0ken is unknown", "/in/[redacted] is unknown"},
		{"query", "https://siem example?key=tok-en", "tok-en", "[redacted]"},
		{"whole", " https://siem example/a ", "https://siem example/a", "[redacted]"},
		{"ordinary words", "siem.example/services/v1", "services v1", "services v1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, redact.NewMasker(redact.TextSecrets(tt.endpoint)...).Text(tt.text))
		})
	}
}
