package auditlogotel_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-6bcf82c5/auditlog/auditlogotel"
	"github.com/seed-6bcf82c5/auditlog/delivery"
	"github.com/seed-6bcf82c5/auditlog/konnecttest"
	"github.com/seed-6bcf82c5/auditlog/shipper"
)

// span is what is compared of one.
type span struct {
	Name        string
	Parent      string
	Kind        trace.SpanKind
	Start, End  time.Time
	Attributes  map[string]any
	Code        codes.Code
	Description string
}

func attributes(s sdktrace.ReadOnlySpan) map[string]any {
	all := map[string]any{}
	for _, a := range s.Attributes() {
		all[string(a.Key)] = a.Value.AsInterface()
	}
	return all
}

// ended returns the spans, by the time of their start; a parent comes first.
func (s *setup) ended() []span {
	s.t.Helper()
	names := map[trace.SpanID]string{}
	all := s.spans.Ended()
	for _, each := range all {
		names[each.SpanContext().SpanID()] = each.Name()
		require.Equal(s.t, "github.com/seed-6bcf82c5/auditlog/auditlogotel", each.InstrumentationScope().Name)
		require.NotEmpty(s.t, each.InstrumentationScope().SchemaURL)
	}
	var spans []span
	for _, each := range all {
		spans = append(spans, span{
			Name: each.Name(), Parent: names[each.Parent().SpanID()], Kind: each.SpanKind(),
			Start: each.StartTime(), End: each.EndTime(), Attributes: attributes(each),
			Code: each.Status().Code, Description: each.Status().Description,
		})
	}
	slices.SortStableFunc(spans, func(a, b span) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Parent, b.Parent))
	})
	return spans
}

func (s *setup) server() (address string, port int64) {
	s.t.Helper()
	u, err := url.Parse(s.siem.URL())
	require.NoError(s.t, err)
	port, err = strconv.ParseInt(u.Port(), 10, 64)
	require.NoError(s.t, err)
	return u.Hostname(), port
}

// A delivery is a span with one for each attempt, with the times that were.
func TestSpans(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{})
	s.siem.Script(
		konnecttest.Step{Status: http.StatusServiceUnavailable, Body: "the secret is " + secret},
		konnecttest.Step{Break: konnecttest.BreakAfterReading},
		konnecttest.Step{},
	)
	s.record(webhookID, 3)
	result := s.deliveries(1)[0]
	require.Len(t, result.Attempts, 3)
	address, port := s.server()

	attempt := func(n int, changes map[string]any) span {
		a := result.Attempts[n]
		attributes := map[string]any{
			"http.request.method": "POST", "http.request.body.size": int64(result.Sent),
			"server.address": address, "server.port": port,
		}
		maps.Copy(attributes, changes)
		return span{
			Name: "POST", Parent: "auditlog.deliver", Kind: trace.SpanKindClient,
			Start: a.Time, End: a.Time.Add(a.Duration), Attributes: attributes,
		}
	}
	want := []span{
		{
			Name: "auditlog.deliver", Kind: trace.SpanKindInternal,
			Start: result.Attempts[0].Time, End: result.Attempts[2].Time.Add(result.Attempts[2].Duration),
			Attributes: map[string]any{
				"auditlog.batch.id": result.BatchID, "auditlog.batch.events": int64(3), "auditlog.batch.size": int64(result.Bytes),
				"server.address": address, "server.port": port,
			},
		},
		attempt(0, map[string]any{"http.response.status_code": int64(503), "error.type": "503"}),
		attempt(1, map[string]any{"error.type": "connection", "http.request.resend_count": int64(1)}),
		attempt(2, map[string]any{"http.response.status_code": int64(200), "http.request.resend_count": int64(2)}),
	}
	want[1].Code = codes.Error
	want[2].Code, want[2].Description = codes.Error, result.Attempts[1].Err.Error()
	require.Empty(t, gocmp.Diff(want, s.ended()))
}

// What failed says why, without what the endpoint answered.
func TestFailedSpans(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step        konnecttest.Step
		change      func(*shipper.Config)
		reason      string // of the delivery
		errorType   string // of the attempt
		description string // of the delivery
	}{
		"refused": {
			step:   konnecttest.Step{Status: http.StatusForbidden, Body: "no, " + secret},
			reason: "refused", errorType: "403", description: "403 Forbidden",
		},
		"redirected": {
			step:   konnecttest.Step{Status: http.StatusFound, Header: http.Header{"Location": {"https://example.com/" + secret}}},
			reason: "refused", errorType: "302", description: "302 Found",
		},
		"wrong authority": {
			change: func(cfg *shipper.Config) { cfg.Delivery.RootCAs = nil },
			reason: "connection", errorType: "certificate", description: "certificate",
		},
		"guarded": {
			change: func(cfg *shipper.Config) {
				cfg.Tune = func(_ string, cfg *delivery.Config) { cfg.Guard = &delivery.Guard{} }
			},
			reason: "guard", errorType: "guard", description: "the dial guard refuses the address: loopback",
		},
		"too slow": {
			step: konnecttest.Step{Delay: konnecttest.Hang},
			change: func(cfg *shipper.Config) {
				cfg.Delivery.AttemptTimeout = 50 * time.Millisecond
				cfg.Delivery.Timeout = time.Second // of the fast clock
			},
			reason: "deadline", errorType: "timeout", description: "no answer within",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSetup(t, auditlogotel.Config{}, func(cfg *shipper.Config) {
				if test.change != nil {
					test.change(cfg)
				}
			})
			s.siem.Otherwise(test.step)
			s.record(webhookID, 1)
			result := s.deliveries(1)[0]
			require.Len(t, result.Attempts, 1)
			spans := s.ended()
			require.Len(t, spans, 2)
			require.Equal(t, codes.Error, spans[0].Code)
			require.Equal(t, test.reason, spans[0].Attributes["error.type"])
			require.Contains(t, spans[0].Description, test.description)
			require.Equal(t, codes.Error, spans[1].Code)
			require.Equal(t, test.errorType, spans[1].Attributes["error.type"])
			require.NotContains(t, fmt.Sprintf("%+v", spans), secret)
			require.NotContains(t, fmt.Sprintf("%+v", metrics(t, s.reader)), secret)
		})
	}
}

// Where nobody listens, nothing is made for it.
func TestUnsampledSpans(t *testing.T) {
	t.Parallel()
	s := newSetup(t, auditlogotel.Config{})
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()), sdktrace.WithSpanProcessor(s.spans))
	hook, err := auditlogotel.New(auditlogotel.Config{TracerProvider: provider})
	require.NoError(t, err)
	hook.DeliveryFinished(t.Context(), webhookID, delivery.Result{Attempts: []delivery.Attempt{{Status: 500}}}, time.Time{}, &delivery.Error{})
	require.Empty(t, s.spans.Started())
}

// An error that is none of package delivery's, and an endpoint without a host,
// make a span all the same.
func TestOtherErrors(t *testing.T) {
	t.Parallel()
	hook, _, spans := telemetry(t, auditlogotel.Config{})
	hook.DeliveryFinished(t.Context(), webhookID, delivery.Result{Endpoint: "%"}, time.Time{}, errors.New("no attempt"))
	require.Empty(t, spans.Ended())

	result := delivery.Result{Endpoint: "%", Attempts: []delivery.Attempt{{Status: 500}}}
	hook.DeliveryFinished(t.Context(), webhookID, result, time.Time{}, errors.New("whatever"))
	require.Len(t, spans.Ended(), 2)
	got := attributes(spans.Ended()[1])
	require.Equal(t, "_OTHER", got["error.type"])
	require.NotContains(t, got, "server.address")
}
