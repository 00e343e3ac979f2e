package benchmarks

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/console"
	engine "github.com/seed-6bcf82c5/auditlog/shipper"
)

const (
	consoleEvents = 1_000_000
	consoleGoal   = 50 * time.Millisecond // for a page
)

// BenchmarkConsole renders the pages of a webhook whose endpoint has refused a
// hundred attempts, while a million events wait on disk. An operation is a page.
func BenchmarkConsole(b *testing.B) {
	refusing := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "unknown token", http.StatusUnauthorized)
	}))
	b.Cleanup(refusing.Close)
	to := newReceiver(refusing.URL, refusing.Certificate())
	history := console.NewHistory(nil)
	s, stop := newEngine(b, to, engine.Config{
		ProbeFirst: time.Millisecond, ProbeMax: time.Millisecond, Hooks: []engine.Hook{history},
		Limits: engine.Limits{Events: -1, Bytes: -1}, TotalLimits: engine.Limits{Events: -1, Bytes: -1},
	})
	b.Cleanup(stop)
	const id = "tenant"
	configure(b, s, to, id)
	waiting := events(engine.MaxRecordEvents)
	for n := 0; n < consoleEvents; n += len(waiting) {
		require.NoError(b, s.Record(b.Context(), id, waiting...))
	}
	require.Eventually(b, func() bool {
		r, err := s.Report(context.Background(), id)
		return err == nil && len(r.Attempts) == engine.MaxAttempts
	}, time.Minute, 10*time.Millisecond)
	page, err := console.New(console.Config{
		Shipper: s, History: history,
		Authenticate: func(*http.Request) (console.User, error) { return console.User{Principal: "admin"}, nil },
		Webhooks: func(context.Context, console.User) ([]console.Webhook, error) {
			return []console.Webhook{{ID: id, Role: console.Admin}}, nil
		},
	})
	require.NoError(b, err)
	for _, tab := range []string{"setup", "replay", "deliveries"} {
		b.Run(tab, func(b *testing.B) {
			request := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/audit-logs/"+tab+"?webhook="+id, nil)
			for b.Loop() {
				answer := httptest.NewRecorder()
				page.ServeHTTP(answer, request)
				if body := answer.Body.String(); answer.Code != http.StatusOK || !strings.Contains(body, "1,000,") ||
					tab == "deliveries" && strings.Count(body, `<td class="time">`) != engine.MaxAttempts {
					b.Fatalf("%d %s", answer.Code, body)
				}
			}
			if took := b.Elapsed() / time.Duration(b.N); took > consoleGoal {
				b.Errorf("a page takes %v, above %v", took, consoleGoal)
			}
		})
	}
}
