package delivery_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/delivery"
)

// Every status from 200 to 599.
func TestStatuses(t *testing.T) {
	t.Parallel()

	only500 := map[int]bool{429: true, 500: true}
	standard := map[int]bool{429: true}
	for code := 500; code <= 599; code++ {
		standard[code] = code != http.StatusNotImplemented
	}
	modes := []struct {
		name         string
		retryOnly500 bool
		retried      map[int]bool
	}{
		{"default", false, standard},
		{"retry only 500", true, only500},
	}
	for _, mode := range modes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()

			var code int
			receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(code)
			})
			cfg := receiver.config()
			cfg.Clock, cfg.RetryOnly500 = newFakeClock(), mode.retryOnly500
			deliverer := newDeliverer(t, cfg)

			for code = 200; code <= 599; code++ {
				before := len(receiver.received())
				result, err := deliverer.Deliver(t.Context(), batch)
				sent := len(receiver.received()) - before
				require.Len(t, result.Attempts, sent, "%d", code)
				require.Equal(t, code, result.LastStatus())
				require.Equal(t, code, result.Last().Status)
				switch {
				case code < 300:
					require.NoError(t, err, "%d", code)
					require.Equal(t, 1, sent, "%d", code)
				case mode.retried[code]:
					require.True(t, failure(t, err, delivery.ReasonExhausted).Retryable)
					require.Equal(t, 5, sent, "%d", code)
				default:
					require.False(t, failure(t, err, delivery.ReasonRefused).Retryable)
					require.Equal(t, 1, sent, "%d", code)
				}
			}
		})
	}
}

// A redirect is a failure, and nothing is sent where it points to.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()

	elsewhere := newReceiver(t, status(200))
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{elsewhere.URL, "http://" + elsewhere.URL[len("https://"):], "/elsewhere"} {
			t.Run(fmt.Sprint(code, " ", location), func(t *testing.T) {
				t.Parallel()
				receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
					w.Header().Set("Location", location)
					w.WriteHeader(code)
				})
				result, err := newDeliverer(t, receiver.config()).Deliver(t.Context(), batch)
				failure(t, err, delivery.ReasonRefused)
				require.Equal(t, code, result.LastStatus())
				require.Len(t, receiver.received(), 1)
				require.Empty(t, elsewhere.received())
			})
		}
	}
}

func TestSwitchingProtocolsIsRefused(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, status(101))
	result, err := newDeliverer(t, receiver.config()).Deliver(t.Context(), batch)
	failure(t, err, delivery.ReasonRefused)
	require.Equal(t, 101, result.LastStatus())
}

func TestResult(t *testing.T) {
	t.Parallel()

	receiver := newReceiver(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		w.WriteHeader([]int{503, 401}[n])
		_, _ = fmt.Fprintf(w, "answer\n%d", n)
	})
	cfg := receiver.config()
	cfg.Clock = newFakeClock()
	result, err := newDeliverer(t, cfg).Deliver(t.Context(), batch)

	require.Equal(t, receiver.URL, result.Endpoint)
	require.Equal(t, "batch-1", result.BatchID)
	require.Equal(t, 3, result.Events)
	require.Equal(t, len(batch.Body), result.Bytes)
	require.Equal(t, len(receiver.received()[0].wire), result.Sent)
	require.Equal(t, []delivery.Attempt{
		{Time: result.Attempts[0].Time, Status: 503, Snippet: "answer 0", Wait: seconds(1)[0]},
		{Time: result.Attempts[1].Time, Status: 401, Snippet: "answer 1"},
	}, result.Attempts)

	failed := failure(t, err, delivery.ReasonRefused)
	require.Equal(t, result, failed.Result)
	require.EqualError(t, err, `delivery: batch "batch-1" to `+receiver.URL+`: refused: 401 Unauthorized: answer 1`)
}

func TestResultBeforeAnyAttempt(t *testing.T) {
	t.Parallel()

	require.Zero(t, delivery.Result{}.LastStatus())
	require.Zero(t, delivery.Result{}.Last())
	require.Equal(t, "599", delivery.Attempt{Status: 599}.String())
	require.Equal(t, "503 Service Unavailable", delivery.Attempt{Status: 503}.String())
}
