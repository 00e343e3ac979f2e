package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// apiError makes a call that the server answers by step, and returns its error.
func apiError(t *testing.T, step http.HandlerFunc) *client.APIError {
	t.Helper()
	_, err := serve(t, step).client.Webhook.Update(t.Context(), webhook.Patch{Enabled: webhook.Set(true)})
	var got *client.APIError
	require.ErrorAs(t, err, &got, "%v", err)
	return got
}

func TestAPIError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		step http.HandlerFunc
		want client.APIError // without Method and Path
		text string
	}{
		{
			"invalid parameter",
			answer(400, `{"status":400,"title":"Bad Request","instance":"konnect:trace:66448","detail":"Required field missing","invalid_parameters":[{"field":"authorization","reason":"cannot be blank"}]}`),
			client.APIError{
				StatusCode: 400, RequestID: "konnect:trace:66448",
				Problem: webhook.Problem{
					Status: 400, Title: "Bad Request", Instance: "konnect:trace:66448", Detail: "Required field missing",
					InvalidParameters: []webhook.InvalidParameter{{Field: "authorization", Reason: "cannot be blank"}},
				},
			},
			"client: PATCH /v2/audit-log-webhook: 400 Bad Request: Required field missing; authorization: cannot be blank (konnect:trace:66448)",
		},
		{
			"companions of rules",
			answer(400, `{"status":400,"title":"Bad Request","detail":"Invalid","invalid_parameters":[`+
				`{"field":"a","reason":"b","source":"body","rule":"enum","choices":["x",1,true,null,["y"],{"z":1}]},`+
				`{"field":"c","reason":"d","rule":"max","maximum":8},{"field":"e","reason":"f","rule":"min","minimum":0},`+
				`{"field":"g","reason":"h","rule":"dependent_fields","dependents":["i"]}]}`),
			client.APIError{StatusCode: 400, Problem: webhook.Problem{
				Status: 400, Title: "Bad Request", Detail: "Invalid",
				InvalidParameters: []webhook.InvalidParameter{
					{Field: "a", Reason: "b", Source: "body", Rule: "enum", Choices: []any{"x", 1.0, true, nil, nil, nil}},
					{Field: "c", Reason: "d", Rule: "max", Maximum: new(8)},
					{Field: "e", Reason: "f", Rule: "min", Minimum: new(0)},
					{Field: "g", Reason: "h", Rule: "dependent_fields", Dependents: []any{"i"}},
				},
			}},
			"client: PATCH /v2/audit-log-webhook: 400 Bad Request: Invalid; a: b; c: d; e: f; g: h",
		},
		{
			"detail that says no more than the title",
			answer(401, `{"status":401,"title":"Unauthorized","instance":"kong:trace:1","detail":"Unauthorized","type":"https://httpstatuses.com/401"}`),
			client.APIError{StatusCode: 401, RequestID: "kong:trace:1", Problem: webhook.Problem{
				Status: 401, Title: "Unauthorized", Instance: "kong:trace:1", Detail: "Unauthorized", Type: "https://httpstatuses.com/401",
			}},
			"client: PATCH /v2/audit-log-webhook: 401 Unauthorized (kong:trace:1)",
		},
		{
			"fields missing", answer(403, `{"detail":"You do not have permission to perform this action"}`),
			client.APIError{StatusCode: 403, Problem: webhook.Problem{Status: 403, Title: "Forbidden", Detail: "You do not have permission to perform this action"}},
			"client: PATCH /v2/audit-log-webhook: 403 Forbidden: You do not have permission to perform this action",
		},
		{
			"only a title", answer(403, `{"title":"No"}`),
			client.APIError{StatusCode: 403, Problem: webhook.Problem{Status: 403, Title: "No"}},
			"client: PATCH /v2/audit-log-webhook: 403 No",
		},
		{
			"fields of the wrong type are left out", answer(409, `{"status":"409","title":["x"],"detail":"A replay job is currently running","instance":7,"invalid_parameters":{"a":1}}`),
			client.APIError{StatusCode: 409, Problem: webhook.Problem{Status: 409, Title: "Conflict", Detail: "A replay job is currently running"}},
			"client: PATCH /v2/audit-log-webhook: 409 Conflict: A replay job is currently running",
		},
		{
			"a status of its own is kept", answer(404, `{"status":403,"title":"Not Found","detail":"Not Found"}`),
			client.APIError{StatusCode: 404, Problem: webhook.Problem{Status: 403, Title: "Not Found", Detail: "Not Found"}},
			"client: PATCH /v2/audit-log-webhook: 404 Not Found",
		},
		{
			"gateway in front", answer(401, `{"message":"No API key found in request","request_id":"abc123"}`),
			client.APIError{StatusCode: 401, RequestID: "abc123", Problem: webhook.Problem{Status: 401, Title: "Unauthorized", Detail: "No API key found in request"}},
			"client: PATCH /v2/audit-log-webhook: 401 Unauthorized: No API key found in request (abc123)",
		},
		{
			"empty body", answer(404, ``),
			client.APIError{StatusCode: 404, Problem: webhook.Problem{Status: 404, Title: "Not Found"}},
			"client: PATCH /v2/audit-log-webhook: 404 Not Found",
		},
		{
			"a page", answer(502, "<html>\r\n<body>\n\t<h1>502 Bad Gateway</h1>\n</body></html>\n", "Content-Type", "text/html"),
			client.APIError{StatusCode: 502, Problem: webhook.Problem{Status: 502, Title: "Bad Gateway", Detail: "<html> <body> <h1>502 Bad Gateway</h1> </body></html>"}},
			"client: PATCH /v2/audit-log-webhook: 502 Bad Gateway: <html> <body> <h1>502 Bad Gateway</h1> </body></html>",
		},
		{
			"JSON that is no object", answer(500, `["oops"]`),
			client.APIError{StatusCode: 500, Problem: webhook.Problem{Status: 500, Title: "Internal Server Error", Detail: `["oops"]`}},
			`client: PATCH /v2/audit-log-webhook: 500 Internal Server Error: ["oops"]`,
		},
		{
			"an object of something else", answer(500, `{"error":"oops"}`),
			client.APIError{StatusCode: 500, Problem: webhook.Problem{Status: 500, Title: "Internal Server Error", Detail: `{"error":"oops"}`}},
			`client: PATCH /v2/audit-log-webhook: 500 Internal Server Error: {"error":"oops"}`,
		},
		{
			"a status without a name", answer(499, ``),
			client.APIError{StatusCode: 499, Problem: webhook.Problem{Status: 499}},
			"client: PATCH /v2/audit-log-webhook: 499",
		},
		{
			"escape sequences", answer(400, `{"title":"a\u001b[31mb","detail":"c\u202ed\ne"}`),
			client.APIError{StatusCode: 400, Problem: webhook.Problem{Status: 400, Title: `a\x1b[31mb`, Detail: `c\u202ed e`}},
			`client: PATCH /v2/audit-log-webhook: 400 a\x1b[31mb: c\u202ed e`,
		},
		{
			"Retry-After", answer(503, `{"detail":"soon"}`, "Retry-After", "7"),
			client.APIError{StatusCode: 503, RetryAfter: 7 * time.Second, Problem: webhook.Problem{Status: 503, Title: "Service Unavailable", Detail: "soon"}},
			"client: PATCH /v2/audit-log-webhook: 503 Service Unavailable: soon",
		},
		{
			"Retry-After where it means nothing", answer(400, `{"detail":"no"}`, "Retry-After", "7"),
			client.APIError{StatusCode: 400, Problem: webhook.Problem{Status: 400, Title: "Bad Request", Detail: "no"}},
			"client: PATCH /v2/audit-log-webhook: 400 Bad Request: no",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := apiError(t, c.step)
			c.want.Method, c.want.Path = "PATCH", "/v2/audit-log-webhook"
			require.Empty(t, cmp.Diff(&c.want, got))
			require.EqualError(t, got, c.text)
		})
	}
}

func TestSentinels(t *testing.T) {
	t.Parallel()
	all := []error{
		client.ErrBadRequest, client.ErrUnauthorized, client.ErrForbidden, client.ErrNotFound,
		client.ErrConflict, client.ErrTooManyRequests, client.ErrServer,
	}
	for _, c := range []struct {
		code int
		want error
	}{
		{302, nil},
		{400, client.ErrBadRequest},
		{401, client.ErrUnauthorized},
		{403, client.ErrForbidden},
		{404, client.ErrNotFound},
		{409, client.ErrConflict},
		{418, nil},
		{429, client.ErrTooManyRequests},
		{500, client.ErrServer},
		{501, client.ErrServer},
		{503, client.ErrServer},
		{599, client.ErrServer},
	} {
		err := fmt.Errorf("wrapped: %w", &client.APIError{StatusCode: c.code})
		for _, sentinel := range all {
			require.Equal(t, sentinel == c.want, errors.Is(err, sentinel), "%d, %v", c.code, sentinel)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	const problem = `{"instance":"kong:trace:1"}`
	for _, c := range []struct {
		name string
		step http.HandlerFunc
		want string
	}{
		{"header before the body", answer(400, problem, "X-Request-Id", "r1"), "r1"},
		{"the gateway's own header first", answer(400, problem, "X-Request-Id", "r1", "X-Kong-Request-Id", "k1"), "k1"},
		{"correlation", answer(400, problem, "X-Correlation-Id", "c1"), "c1"},
		{"trace", answer(400, problem, "X-Trace-Id", "t1"), "t1"},
		{"body", answer(400, problem), "kong:trace:1"},
		{"none", answer(400, `{}`), ""},
		{"huge", answer(400, problem, "X-Request-Id", strings.Repeat("x", 1000)), strings.Repeat("x", 255) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, apiError(t, c.step).RequestID)
		})
	}
}

func TestAPIErrorIsBounded(t *testing.T) {
	t.Parallel()
	t.Run("text", func(t *testing.T) {
		t.Parallel()
		got := apiError(t, answer(500, strings.Repeat("x", 10<<20)))
		require.Equal(t, 256, utf8.RuneCountInString(got.Problem.Detail))
	})
	t.Run("body", func(t *testing.T) {
		t.Parallel()
		body := strings.NewReader(strings.Repeat("x", 10<<20))
		unread := body.Len()
		err := update(t.Context(), withTransport(t, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 500, Body: io.NopCloser(body)}, nil
		}))
		require.ErrorIs(t, err, client.ErrServer)
		require.LessOrEqual(t, unread-body.Len(), 64<<10)
	})
	t.Run("detail", func(t *testing.T) {
		t.Parallel()
		got := apiError(t, answer(400, `{"detail":"`+strings.Repeat("x", 60_000)+`"}`))
		require.Equal(t, 4096, utf8.RuneCountInString(got.Problem.Detail))
	})
	t.Run("invalid parameters", func(t *testing.T) {
		t.Parallel()
		item := `{"field":"f","reason":"r"}`
		got := apiError(t, answer(400, `{"invalid_parameters":[`+strings.Repeat(item+",", 99)+item+`]}`))
		require.Len(t, got.Problem.InvalidParameters, 100)
		require.Equal(t, "client: PATCH /v2/audit-log-webhook: 400 Bad Request"+strings.Repeat("; f: r", 8)+"; …", got.Error())
	})
}

// TestErrorsHoldNoSecret has the server echo the token and the authorization
// wherever it can.
func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const authorization = "Splunk T0KEN-of-the-SIEM"
	for name, echo := range map[string]string{
		"token": token, "header": "Bearer " + token, "authorization": authorization, "credential": "T0KEN-of-the-SIEM",
	} {
		item := `{"field":"` + echo + `","reason":"` + echo + `","source":"` + echo + `","rule":"` + echo + `","choices":["` + echo + `",["` + echo + `"],{"` + echo + `":1}],"dependents":["` + echo + `"]}`
		for step, handler := range map[string]http.HandlerFunc{
			"problem": answer(400, `{"title":"`+echo+`","detail":"x `+echo+` y","instance":"`+echo+`","type":"`+echo+`","invalid_parameters":[`+item+`]}`),
			"gateway": answer(400, `{"message":"`+echo+`","request_id":"`+echo+`"}`),
			"text":    answer(500, "you sent "+echo),
			"header":  answer(400, ``, "X-Request-Id", echo),
			"time":    answer(200, `{"updated_at":"`+echo+`"}`),
			"type":    answer(200, `{"enabled":"`+echo+`"}`),
			"garbage": answer(200, echo),
			"malformed answer": func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_, _ = conn.Write([]byte(echo + "\r\n\r\n"))
					_ = conn.Close()
				}
			},
			"malformed header": func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err == nil {
					_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\n" + echo + "\r\n\r\n"))
					_ = conn.Close()
				}
			},
			"redirect": answer(302, ``, "Location", "http://127.0.0.1:1/"+echo),
		} {
			t.Run(name+"/"+step, func(t *testing.T) {
				t.Parallel()
				api := serve(t, handler)
				_, err := api.client.Webhook.Update(t.Context(), webhook.Patch{Authorization: webhook.Set(webhook.NewSecret(authorization))})
				require.Error(t, err)
				for _, err := range tree(err) {
					for _, format := range []string{"%v", "%+v", "%#v", "%q"} {
						requireNoToken(t, fmt.Sprintf(format, err))
					}
				}
				if answered, ok := errors.AsType[*client.APIError](err); ok {
					requireNoToken(t, fmt.Sprintf("%+v %#v", *answered, *answered))
				}
			})
		}
	}
}

// tree returns an error and all that it wraps.
func tree(err error) []error {
	all := []error{err}
	switch err := err.(type) {
	case interface{ Unwrap() error }:
		if inner := err.Unwrap(); inner != nil {
			all = append(all, tree(inner)...)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range err.Unwrap() {
			all = append(all, tree(inner)...)
		}
	}
	return all
}

// TestErrorsHoldNoSecretOfTheEndpoint has the server quote the endpoint that it
// refuses, as a whole and the token in it alone.
func TestErrorsHoldNoSecretOfTheEndpoint(t *testing.T) {
	t.Parallel()
	const secret = "T0KENofTheEndpoint"
	operations := map[string]func(c *client.Client, endpoint string) error{
		"update of the webhook": func(c *client.Client, endpoint string) error {
			_, err := c.Webhook.Update(t.Context(), webhook.Patch{Endpoint: webhook.Set(endpoint)})
			return err
		},
		"creation of a destination": func(c *client.Client, endpoint string) error {
			_, err := c.Destinations.Create(t.Context(), webhook.Destination{Name: "SIEM", Endpoint: endpoint})
			return err
		},
		"update of a destination": func(c *client.Client, endpoint string) error {
			_, err := c.Destinations.Update(t.Context(), siemID, webhook.DestinationPatch{Endpoint: webhook.Set(endpoint)})
			return err
		},
	}
	for _, c := range []struct{ name, endpoint string }{
		{"path", "https://siem.example/receiver/v1/http/" + secret},
		{"query", "https://siem.example/v1/input?dd-api-key=" + secret},
		{"query with a semicolon", "https://siem.example/v1/input?key=" + secret + ";v=2"},
		{"query without a path", "https://siem.example?" + secret},
		{"http", "http://siem.example/" + secret},
		{"user", "https://" + secret + "@siem.example"},
		{"password", "https://user:" + secret + "@siem.example/"},
		{"fragment", "https://siem.example/#" + secret},
		{"no host", "https:///" + secret},
		{"the token by mistake", secret},
		{"line break", "https://siem.example/in/" + secret + "\n"},
		{"space", " https://siem.example/in/" + secret},
		{"broken escape", "https://siem.example/%zz/" + secret},
		{"no scheme", "siem.example:8443/in/" + secret + "?v=2"},
	} {
		_, parseErr := url.Parse(c.endpoint)
		for name, operation := range operations {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				detail := fmt.Sprintf("cannot reach %s (%v), %s is unknown", c.endpoint, parseErr, secret)
				body, err := json.Marshal(webhook.Problem{Detail: detail, InvalidParameters: []webhook.InvalidParameter{{Field: "endpoint", Reason: detail}}})
				require.NoError(t, err)
				err = operation(serve(t, answer(400, string(body))).client, c.endpoint)
				var refusal *client.APIError
				require.ErrorAs(t, err, &refusal)
				require.NotContains(t, fmt.Sprintf("%v %+v", err, *refusal), secret)
				require.Contains(t, refusal.Problem.Detail, "[redacted] is unknown")
			})
		}
	}
	t.Run("no URL", func(t *testing.T) {
		t.Parallel()
		const endpoint = "https://siem.example/%zz/" + secret
		for name, operation := range operations {
			err := operation(serve(t, answer(400, `{"detail":"`+endpoint+` is no URL"}`)).client, endpoint)
			require.ErrorContains(t, err, ": [redacted] is no URL", name)
		}
	})
}
