package receiver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/receiver"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// untouchable fails the test when it is read.
type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

// A request with every fault that a header can have loses one after the other.
// Each time it is refused for the next, and its body is never read.
func TestOrderOfChecks(t *testing.T) {
	t.Parallel()

	h, _, told := setup(t, receiver.Config{Path: "/audit-logs", Limits: receiver.Limits{WireBytes: 100}})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/other", untouchable{t})
	r.ContentLength = 101
	r.Header.Set("Authorization", "Bearer wrong")
	r.Header.Set("Webhook-Id", strings.Repeat("x", 257))
	r.Header.Set("Content-Encoding", "br")
	for n, test := range []struct {
		name   string
		status int
		header string // of the answer
		value  string
		body   string
		mend   func()
	}{
		{"method", 405, "Allow", "POST", "only POST is taken", func() { r.Method = http.MethodPost }},
		{"path", 404, "", "", "there is nothing at this path", func() { r.URL.Path = "/audit-logs" }},
		{"authorization", 401, "WWW-Authenticate", "Bearer", "the authorization is missing or wrong", func() { r.Header.Set("Authorization", authorization) }},
		{"length", 413, "", "", "the body is longer than 100 bytes", func() { r.ContentLength = 100 }},
		{"long id", 431, "", "", "the Webhook-Id is longer than 256 characters", func() { r.Header.Set("Webhook-Id", "a b") }},
		{"id", 400, "", "", "the Webhook-Id is not one word of visible ASCII", func() { r.Header.Set("Webhook-Id", "a") }},
		{"coding", 415, "Accept-Encoding", "gzip", "the only content coding taken is gzip, once", nil},
	} {
		answer := serve(h, r)
		require.Equal(t, test.status, answer.StatusCode, test.name)
		require.Equal(t, test.body, text(t, answer), test.name)
		if test.header != "" {
			require.Equal(t, test.value, answer.Header.Get(test.header), test.name)
		}
		result := told.last(t)
		require.Equal(t, test.status, result.Status)
		require.EqualError(t, result.Err, fmt.Sprintf("receiver: %d: %s", test.status, test.body))
		require.Equal(t, receiver.Stats{Requests: int64(n + 1), Refused: int64(n + 1)}, h.Stats())
		if test.mend != nil {
			test.mend()
		}
	}
}

func TestAnyPath(t *testing.T) {
	t.Parallel()
	h, _, _ := setup(t, receiver.Config{})
	r := request(cefLine)
	r.URL.Path = "/whatever"
	require.Equal(t, 200, serve(h, r).StatusCode)
}

func TestBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, taken, told := setup(t, receiver.Config{})
		answer := post(h, threeForm, "Webhook-Id", "batch-1")
		require.Equal(t, 200, answer.StatusCode)
		require.Empty(t, text(t, answer))
		line := func(n int, raw string, format auditlog.Format) receiver.Line {
			return receiver.Line{Number: n, Raw: []byte(raw), Payload: []byte(raw), Format: format}
		}
		require.Empty(t, cmp.Diff([]receiver.Batch{{
			Sender: "one", ID: "batch-1", Received: time.Now(), Remote: "192.0.2.1:1234",
			Lines: []receiver.Line{line(1, cefLine, auditlog.CEF), line(2, jsonLine, auditlog.JSON), line(3, cpsLine, auditlog.CPS)},
		}}, taken.taken()))
		for _, l := range taken.taken()[0].Lines {
			event, err := l.Event()
			require.NoError(t, err)
			require.Equal(t, auditlog.KindAuthorization, event.Kind())
		}
		require.Empty(t, cmp.Diff(receiver.Result{
			Status: 200, Received: time.Now(), Remote: "192.0.2.1:1234", Sender: "one", BatchID: "batch-1",
			WireBytes: int64(len(threeForm)), Bytes: int64(len(threeForm)), HandedOver: true, Lines: 3,
		}, told.last(t)))
		require.Equal(t, receiver.Stats{Requests: 1, Batches: 1, Lines: 3, WireBytes: int64(len(threeForm)), Bytes: int64(len(threeForm))}, h.Stats())
	})
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	senders := []receiver.Sender{
		{Name: "konnect", Authorizations: secrets("Bearer new", "Bearer old")},
		{Name: "billing", Authorizations: secrets("Splunk 7")},
	}
	for _, test := range []struct {
		name   string
		values []string
		sender string // none: refused
		index  int
	}{
		{"none", nil, "", 0},
		{"an empty one", []string{""}, "", 0},
		{"the first", []string{"Bearer new"}, "konnect", 0},
		{"the second", []string{"Bearer old"}, "konnect", 1},
		{"that of another sender, of another scheme", []string{"Splunk 7"}, "billing", 0},
		{"another scheme's", []string{"Bearer 7"}, "", 0},
		{"another case", []string{"bearer new"}, "", 0},
		{"the beginning", []string{"Bearer ne"}, "", 0},
		{"more", []string{"Bearer newer"}, "", 0},
		{"two right ones", []string{"Bearer new", "Bearer new"}, "", 0},
		{"a right and a wrong one", []string{"Bearer new", "Bearer wrong"}, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, taken, told := setup(t, receiver.Config{Senders: senders})
			r := request(cefLine)
			r.Header["Authorization"] = test.values
			answer := serve(h, r)
			if test.sender == "" {
				require.Equal(t, 401, answer.StatusCode)
				require.Empty(t, taken.taken())
				require.Empty(t, told.last(t).Sender)
				return
			}
			require.Equal(t, 200, answer.StatusCode)
			require.Equal(t, test.sender, taken.taken()[0].Sender)
			require.Equal(t, test.index, taken.taken()[0].Authorization)
			require.Equal(t, test.sender, told.last(t).Sender)
			require.Equal(t, test.index, told.last(t).Authorization)
		})
	}
}

func TestWebhookID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		values []string
		status int
	}{
		{"none", nil, 200},
		{"the longest", []string{strings.Repeat("~", 256)}, 200},
		{"too long", []string{strings.Repeat("~", 257)}, 431},
		{"empty", []string{""}, 400},
		{"two", []string{"a", "b"}, 400},
		{"the same twice", []string{"a", "a"}, 400},
		{"a space", []string{"a b"}, 400},
		{"a line break", []string{"a\nb"}, 400},
		{"not ASCII", []string{"ä"}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h, _, _ := setup(t, receiver.Config{})
			r := request(cefLine)
			r.Header["Webhook-Id"] = test.values
			require.Equal(t, test.status, serve(h, r).StatusCode)
		})
	}
}

// Success is answered only when HandOver has returned; its error is 503.
func TestHandOver(t *testing.T) {
	t.Parallel()
	h, taken, told := setup(t, receiver.Config{RetryAfter: 7 * time.Second})
	taken.errs = []error{errTest}

	answer := post(h, cefLine, "Webhook-Id", "a")
	require.Equal(t, 503, answer.StatusCode)
	require.Equal(t, "7", answer.Header.Get("Retry-After"))
	require.Equal(t, "the batch could not be taken now", text(t, answer), "the sender is not told of the inside")
	require.ErrorIs(t, told.last(t).Err, errTest)
	require.False(t, told.last(t).HandedOver)

	require.Equal(t, 200, post(h, cefLine, "Webhook-Id", "a").StatusCode, "it was not remembered")
	require.Equal(t, []string{cefLine}, taken.lines())
	require.Equal(t, receiver.Stats{Requests: 2, PutOff: 1, Batches: 1, Lines: 1, WireBytes: 2 * int64(len(cefLine)), Bytes: 2 * int64(len(cefLine))}, h.Stats())
}

func TestAnswerWaitsForHandOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		proceed := make(chan struct{})
		h, _, _ := setup(t, receiver.Config{HandOver: func(context.Context, receiver.Batch) error {
			<-proceed
			return nil
		}})
		answered := make(chan int)
		go func() { answered <- post(h, cefLine).StatusCode }()
		synctest.Wait()
		select {
		case <-answered:
			t.Error("answered before the batch was handed over")
		default:
		}
		close(proceed)
		require.Equal(t, 200, <-answered)
	})
}

func TestHandOverTakesTooLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, _, told := setup(t, receiver.Config{HandOver: func(ctx context.Context, _ receiver.Batch) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}})
		start := time.Now()
		require.Equal(t, 503, post(h, cefLine).StatusCode)
		require.Equal(t, 15*time.Second, time.Since(start))
		require.ErrorContains(t, told.last(t).Err, "HandOver took too long")
	})
}

type contextKey struct{}

// A sender that goes would send the batch again, so it had better be known then.
func TestHandOverOutlivesTheRequest(t *testing.T) {
	t.Parallel()
	taken := new(sink)
	h, _, _ := setup(t, receiver.Config{HandOver: func(ctx context.Context, batch receiver.Batch) error {
		require.NoError(t, ctx.Err())
		require.Equal(t, "value", ctx.Value(contextKey{}))
		return taken.handOver(ctx, batch)
	}})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), contextKey{}, "value"))
	r := request(cefLine, "Webhook-Id", "a").WithContext(ctx)
	r.Body = io.NopCloser(io.MultiReader(r.Body, readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, io.EOF
	})))
	serve(h, r)
	require.Equal(t, 200, post(h, cefLine, "Webhook-Id", "a").StatusCode)
	require.Len(t, taken.taken(), 1)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	secret := webhook.NewSecret(authorization)
	for _, test := range []struct {
		name   string
		change func(c *receiver.Config)
		want   string
	}{
		{"no HandOver", func(c *receiver.Config) { c.HandOver = nil }, "receiver: HandOver: is not set"},
		{"a path without a slash", func(c *receiver.Config) { c.Path = "x" }, "receiver: Path: must begin with a slash"},
		{"no senders", func(c *receiver.Config) { c.Senders = nil }, "receiver: Senders: there is none"},
		{"no authorization", func(c *receiver.Config) { c.Senders[0].Authorizations = nil }, "receiver: Senders[0]: Authorizations: there is none"},
		{"an empty authorization", func(c *receiver.Config) { c.Senders[0].Authorizations = []webhook.Secret{{}} },
			"receiver: Senders[0]: Authorizations[0]: webhook: authorization: cannot be blank"},
		{"the same authorization twice", func(c *receiver.Config) {
			c.Senders = append(c.Senders, receiver.Sender{Name: "two", Authorizations: []webhook.Secret{secret}})
		}, "receiver: Senders[1]: Authorizations[0]: stands there twice"},
		{"the same name twice", func(c *receiver.Config) { c.Senders = append(c.Senders, c.Senders[0]) }, `receiver: Senders[1]: another one is named "one"`},
		{"no keys for lines", func(c *receiver.Config) { c.Verify = receiver.VerifyAnnotate }, "receiver: Senders[0]: Keys: are needed to verify lines"},
		{"no keys for batches", func(c *receiver.Config) { c.VerifyBatches = receiver.VerifyRequire }, "receiver: Senders[0]: Keys: are needed to verify batches"},
		{"a product without keys", func(c *receiver.Config) { c.Senders[0].Products = []receiver.Product{{Vendor: "v"}} }, "receiver: Senders[0]: Products[0]: needs a vendor and keys"},
		{"a product twice", func(c *receiver.Config) {
			p := receiver.Product{Vendor: "v", Keys: keySet(t)}
			c.Senders[0].Products = []receiver.Product{p, p}
		}, "receiver: Senders[0]: Products[1]: stands there twice"},
		{"a mode that is none", func(c *receiver.Config) { c.Verify = 3 }, "receiver: Verify, VerifyBatches: must be VerifyOff, VerifyAnnotate or VerifyRequire"},
		{"a dedup that is none", func(c *receiver.Config) { c.Dedup = 3 }, "receiver: Dedup: must be DedupBatches, DedupLines or DedupOff"},
		{"a negative tolerance", func(c *receiver.Config) { c.Tolerance = -1 }, "receiver: Tolerance: is negative"},
		{"a short RetryAfter", func(c *receiver.Config) { c.RetryAfter = time.Millisecond }, "receiver: RetryAfter: must be 1 s to 5 min"},
		{"a negative limit", func(c *receiver.Config) { c.Limits.Lines = -1 }, "receiver: Limits.Lines: must be 1 to 16777216"},
		{"no memory", func(c *receiver.Config) { c.Limits.Memory = 1 }, "receiver: Limits.Memory: must be 5771264 to 1099511627776"},
		{"a hook without methods", func(c *receiver.Config) { c.Hooks = []receiver.Hook{7} }, "receiver: Hooks[0]: int has none of the methods of a hook"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			cfg := receiver.Config{Senders: []receiver.Sender{sender()}, HandOver: new(sink).handOver}
			_, err := receiver.New(cfg)
			require.NoError(t, err)
			test.change(&cfg)
			_, err = receiver.New(cfg)
			require.EqualError(t, err, test.want)
			require.NotContains(t, err.Error(), secretMark)
		})
	}
}

// The Config is copied: changing it later changes nothing.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	taken := new(sink)
	cfg := receiver.Config{Senders: []receiver.Sender{sender()}, HandOver: taken.handOver}
	h, err := receiver.New(cfg)
	require.NoError(t, err)
	cfg.Senders[0].Name = "another"
	require.Equal(t, 200, post(h, cefLine).StatusCode)
	require.Equal(t, "one", taken.taken()[0].Sender)
}
