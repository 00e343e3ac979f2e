package webhook_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/webhook"
)

func TestPrintingHidesEndpointPaths(t *testing.T) {
	t.Parallel()
	const endpoint = "https://siem.example.com:8443/collect/path-token?key=query-token"
	config := webhook.Config{Endpoint: endpoint, Authorization: webhook.NewSecret("Bearer secret"), Enabled: true}
	patch := webhook.Patch{Endpoint: webhook.Set(endpoint), Authorization: webhook.Set(webhook.NewSecret("Bearer secret"))}
	type holder struct {
		Config webhook.Config
		Patch  webhook.Patch
	}
	for _, value := range []any{config, &config, patch, &patch, holder{config, patch}, []webhook.Config{config}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			got := fmt.Sprintf(verb, value)
			require.Contains(t, got, "https://siem.example.com:8443")
			require.NotContains(t, got, "token")
			require.NotContains(t, got, "secret")
		}
	}
	require.Contains(t, fmt.Sprint(webhook.Config{}), "unconfigured")
}
