package auditlogotel_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/seed-6bcf82c5/auditlog/auditlogotel"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/store"
)

// The package's documentation and the operating guide have every metric with its
// unit, every attribute, and none that is not there; alerts go by names that exist.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{WebhookID: true})
	s.siem.Script(konnecttest.Step{Status: 503})
	s.record(webhookID, 1)
	s.deliveries(1)
	s.hook.DeadLettered(t.Context(), webhookID, "", "")
	s.hook.EventsLost(t.Context(), webhookID, store.Gap{Reason: store.Expired, Events: 1})
	s.hook.DeliveryFinished(t.Context(), webhookID, delivery.Result{Attempts: []delivery.Attempt{{Status: 500}}}, time.Now(), &delivery.Error{})

	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	guide, err := os.ReadFile("../docs/operating.md")
	require.NoError(t, err)

	known, prometheus := map[string]bool{}, map[string]bool{}
	for _, m := range metrics(t, s.reader) {
		known[m.Name] = true
		prometheus[prometheusName(m)] = true
		require.Regexp(t, `(?m)^//\t`+regexp.QuoteMeta(m.Name)+` +`+regexp.QuoteMeta(m.Unit)+` +\S`, string(source))
		require.Regexp(t, "`"+regexp.QuoteMeta(m.Name)+"`, "+regexp.QuoteMeta(m.Unit)+"[ ,]", string(guide))
	}
	for series := range collect(t, s.reader) {
		for _, label := range regexp.MustCompile(`[{,]([a-z_.]+)=`).FindAllStringSubmatch(series, -1) {
			known[label[1]] = true
		}
	}
	for _, span := range s.spans.Ended() {
		known[span.Name()] = true
		for key := range attributes(span) {
			known[key] = true
		}
	}
	for name := range known {
		require.Contains(t, string(guide), "`"+name+"`")
	}
	for _, text := range []string{string(source), string(guide)} {
		for _, name := range regexp.MustCompile(`\bauditlog\.[a-z][a-z_.]*[a-z]`).FindAllString(text, -1) {
			require.True(t, known[name], "there is no %s", name)
		}
	}
	for _, name := range regexp.MustCompile(`\bauditlog_[a-z_]+`).FindAllString(string(guide), -1) {
		label := known[strings.ReplaceAll(name, "_", ".")]
		require.True(t, label || prometheus[strings.TrimSuffix(name, "_bucket")], "there is no %s", name)
	}
}

// prometheusName is what OpenTelemetry's exporters for Prometheus make of a name:
// https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/
func prometheusName(m metricdata.Metrics) string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	switch m.Unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	}
	if sum, ok := m.Data.(metricdata.Sum[int64]); ok && sum.IsMonotonic {
		name += "_total"
	}
	return name
}
