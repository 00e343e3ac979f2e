package auditlogotel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/seed-6bcf82c5/auditlog/auditlogotel"
)

// BenchmarkRecorded is what each call of Record pays for its figures.
func BenchmarkRecorded(b *testing.B) {
	for _, byWebhook := range []bool{false, true} {
		b.Run(fmt.Sprintf("WebhookID=%t", byWebhook), func(b *testing.B) {
			provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
			hook, err := auditlogotel.New(auditlogotel.Config{MeterProvider: provider, WebhookID: byWebhook})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				hook.Recorded(b.Context(), webhookID, 10, 3000, time.Millisecond)
			}
		})
	}
}
