package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/internal/conformance"
	"github.com/seed-6bcf82c5/auditlog/status"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

const (
	destinationID = "07ec3858-066b-4629-bdc5-d4aa893b424d"
	portalID      = "9cb77dc2-ff99-4d47-84ab-7c5c1b3ef939"
)

// operation is how the client asks for one of the operations, in its variants,
// and what a server may answer.
type operation struct {
	name    conformance.Operation
	calls   []func(context.Context, *client.Client) error
	code    int   // of a success
	answers []any // to be marshalled; nil is no body
}

// TestClient makes every request that the client can make, lets it be answered
// by every status that the files document, and checks both against the files,
// and what the client makes of the answer.
func TestClient(t *testing.T) {
	t.Parallel()
	suite := load(t)
	for _, version := range []string{"/v2", "/v3"} {
		for _, o := range operations(version) {
			documented := suite.Operations()[o.name]
			require.NotEmpty(t, documented, "%s is no operation", o.name)
			for _, code := range documented {
				answers := []any{problem(code)}
				if code == o.code {
					answers = o.answers
				}
				for _, answer := range answers {
					for _, call := range o.calls {
						c := newClient(t, suite, version, func(*http.Request) *http.Response { return response(code, answer) }, func(err error) { t.Error(err) })
						checkError(t, o, code, call(t.Context(), c))
					}
				}
			}
		}
	}
	for _, e := range conformance.Exceptions() {
		t.Logf("exception: %s, since %s", e.Name, e.Reason)
	}
	t.Logf("requests of the client, and answers that it took:\n%s", suite.Table())
	require.Empty(t, suite.Missing())
}

// TestEachExceptionIsNeeded leaves one out after the other.
func TestEachExceptionIsNeeded(t *testing.T) {
	t.Parallel()
	all := conformance.Exceptions()
	for i, e := range all {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			suite := loadWith(t, slices.Delete(slices.Clone(all), i, i+1))
			faults := 0
			for _, o := range operations("/v2") {
				for _, answer := range o.answers {
					c := newClient(t, suite, "/v2", func(*http.Request) *http.Response { return response(o.code, answer) }, func(error) { faults++ })
					require.NoError(t, o.calls[0](t.Context(), c))
				}
			}
			require.Positive(t, faults)
		})
	}
}

// checkError checks what the client made of an answer.
func checkError(t *testing.T, o operation, code int, err error) {
	t.Helper()
	if code == o.code {
		require.NoError(t, err, "%s %d", o.name, code)
		return
	}
	var refusal *client.APIError
	require.ErrorAs(t, err, &refusal, "%s %d", o.name, code)
	require.Equal(t, problem(code), refusal.Problem)
	require.ErrorIs(t, err, map[int]error{
		400: client.ErrBadRequest, 401: client.ErrUnauthorized, 403: client.ErrForbidden, 404: client.ErrNotFound, 409: client.ErrConflict,
	}[code])
}

// TestFlows lets the client take its longer ways.
func TestFlows(t *testing.T) {
	t.Parallel()
	suite := load(t)
	bound := webhook.Binding{}
	c := newClient(t, suite, "/v3", func(r *http.Request) *http.Response {
		path := strings.TrimPrefix(r.URL.Path, "/v3")
		if path == "/audit-log-webhook" {
			switch r.Method {
			case http.MethodPatch:
				bound = webhook.Binding{DestinationID: destinationID, Enabled: true}
			case http.MethodDelete:
				bound = webhook.Binding{}
				return response(204, nil)
			default:
				if bound.DestinationID == "" {
					return response(404, problem(404))
				}
			}
			return response(200, bound)
		}
		switch {
		case r.URL.Path == "/v2/audit-log-webhook":
			return response(200, webhook.Config{})
		case path == "/audit-log-destinations" && r.Method == http.MethodPost:
			return response(201, destination())
		case path == "/audit-log-destinations":
			return response(200, webhook.DestinationList{Data: []webhook.Destination{{ID: destinationID, Name: "SIEM, second site"}}})
		case path == "/audit-logs" && !strings.Contains(r.URL.RawQuery, "after"):
			return response(200, webhook.EntryList{Data: entries(), Meta: webhook.PageMeta{Next: "/v3/audit-logs?page%5Bafter%5D=YQ%3D%3D", Size: 1000}})
		case path == "/audit-logs":
			return response(200, webhook.EntryList{Meta: webhook.PageMeta{Size: 1000}})
		}
		return response(200, webhook.ReplayJob{Status: webhook.JobCompleted})
	}, func(err error) { t.Error(err) })
	ctx := t.Context()
	made, err := c.Binding.SetUp(ctx, destination())
	require.NoError(t, err)
	require.Equal(t, destinationID, made.ID)
	require.NoError(t, c.Binding.TearDown(ctx, "SIEM"))
	n := 0
	for _, err := range c.Logs.All(ctx, client.LogListOptions{From: at(), To: at().Add(time.Hour)}) {
		require.NoError(t, err)
		n++
	}
	require.Len(t, entries(), n)
	_, err = c.Replay.Wait(ctx, nil)
	require.NoError(t, err)
}

// TestBrokenAnswersAreSeen breaks each member of each answer in each way, and
// shows that the check sees it, but for the members that may be absent or null.
func TestBrokenAnswersAreSeen(t *testing.T) {
	t.Parallel()
	suite := load(t)
	for _, version := range []string{"/v2", "/v3"} {
		for _, o := range operations(version) {
			request, err := http.NewRequestWithContext(t.Context(), o.name.Method, "https://eu.api.konghq.com"+
				strings.NewReplacer("{portalId}", portalID, "{auditLogDestinationId}", destinationID).Replace(o.name.Path), http.NoBody)
			require.NoError(t, err)
			for _, code := range suite.Operations()[o.name] {
				answers := []any{problem(code)}
				if code == o.code {
					answers = o.answers
				}
				for _, answer := range answers {
					requireBreaksSeen(t, suite, request, response(code, answer))
				}
			}
		}
	}
}

// requireBreaksSeen breaks each member of an answer that is good.
func requireBreaksSeen(t *testing.T, suite *conformance.Suite, request *http.Request, resp *http.Response) {
	t.Helper()
	unseen := map[string]bool{
		"null next": true, "null previous": true, "null rule": true,
	}
	for _, name := range []string{
		"last_attempt_at", "last_response_code", "last_response_message", // of a status
		"type", "source", "rule", // of a problem
		"first", "last", // of a page
		"org_id", "principal_id", "actor_id", "client_ip", "uri", "user_agent", "trace_id", "portal_id", // of an entry of some type
	} {
		unseen["removed "+name] = true
	}
	if strings.Contains(request.URL.Path, "/portals/") {
		unseen["removed audit_log_destination_id"] = true
	}
	require.NoError(t, suite.CheckAnswer(request, resp))
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	if len(body) == 0 {
		return
	}
	for m, broken := range conformance.Mutations(body) {
		resp.Body = io.NopCloser(bytes.NewReader(broken))
		err := suite.CheckAnswer(request, resp)
		if !unseen[m.Kind+" "+m.Name] {
			require.Error(t, err, "%s %s %d: %s %s: %s", request.Method, request.URL.Path, resp.StatusCode, m.Kind, m.Path, broken)
		}
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
}

// newClient returns a client whose requests, and their answers, are checked.
func newClient(t *testing.T, suite *conformance.Suite, version string, answer func(*http.Request) *http.Response, fail func(error)) *client.Client {
	t.Helper()
	checked := suite.Transport(transport(func(r *http.Request) (*http.Response, error) { return answer(r), nil }), fail)
	options := []client.Option{client.WithHTTPClient(&http.Client{Transport: checked})}
	if version == "/v2" {
		options = append(options, client.WithVersion2())
	}
	c, err := client.New("eu", "kpat_example", options...)
	require.NoError(t, err)
	return c
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// response answers with a document in its JSON form, as a server would.
func response(code int, document any) *http.Response {
	resp := &http.Response{StatusCode: code, Header: http.Header{}, Body: http.NoBody}
	if document == nil {
		return resp
	}
	body, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	resp.Header.Set("Content-Type", "application/json")
	if _, ok := document.(webhook.Problem); ok {
		resp.Header.Set("Content-Type", webhook.ProblemMediaType)
	}
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp
}

// problem is a problem document of a status.
func problem(code int) webhook.Problem {
	p := webhook.Problem{Status: code, Title: http.StatusText(code), Instance: "konnect:trace:1", Detail: "why"}
	if code != http.StatusBadRequest {
		return p
	}
	invalid, ok := errors.AsType[*webhook.ValidationError](webhook.DestinationPatch{
		Name: webhook.Set(strings.Repeat("x", 256)), Endpoint: webhook.Set(""), LogFormat: webhook.Set(webhook.LogFormat("leef")),
		Authorization: webhook.Set(webhook.NewSecret("\n x")),
	}.Validate())
	if !ok {
		panic("no fault was found")
	}
	return invalid.Problem("konnect:trace:1")
}

func load(t *testing.T) *conformance.Suite {
	t.Helper()
	return loadWith(t, conformance.Exceptions())
}

func loadWith(t *testing.T, exceptions []conformance.Exception) *conformance.Suite {
	t.Helper()
	suite, err := conformance.Load(exceptions)
	if errors.Is(err, conformance.ErrUnset) {
		t.Skip("skipped: " + err.Error())
	}
	require.NoError(t, err)
	return suite
}

func at() time.Time { return time.Date(2023, 3, 21, 9, 29, 14, 520e6, time.UTC) }

func destination() webhook.Destination {
	return webhook.Destination{
		ID: destinationID, Name: "SIEM", Endpoint: "https://example.com/audit-logs", Authorization: webhook.NewSecret("Bearer x"),
		LogFormat: webhook.CPS, CreatedAt: at(), UpdatedAt: at(),
	}
}

func entries() []webhook.Entry {
	set := webhook.Set("x")
	entry := webhook.Entry{
		Time: at(), Signature: "MEUC", OrgID: set, PrincipalID: set, ActorID: set, ClientIP: set, URI: set, UserAgent: set, TraceID: set, PortalID: set,
		Service: "s", Resource: "r", Action: "a", Granted: true, Method: "GET", Query: "q", StatusCode: 200,
		AuthenticationType: "sso", Outcome: "token_expired", Successful: true,
	}
	var all []webhook.Entry
	for _, kind := range []webhook.EntryType{webhook.AuthenticationEntry, webhook.AuthorizationEntry, webhook.GatewayAccessEntry} {
		entry.Type = kind
		all = append(all, entry, webhook.Entry{Type: kind, AuthenticationType: "pat", Outcome: "success"})
	}
	return all
}

// statuses are the rows of the status table, and a failed attempt.
func statuses() []any {
	return []any{
		status.Status{WebhookEnabled: true, WebhookStatus: status.Active},
		status.Status{WebhookEnabled: true, WebhookStatus: status.Inactive, LastAttemptAt: at(), LastResponseCode: 401, LastResponseMessage: "Unauthorized"},
		status.Status{WebhookStatus: status.Active},
		status.Status{WebhookStatus: status.Inactive, LastAttemptAt: at(), LastResponseMessage: "connection refused"},
		status.Status{WebhookStatus: status.Unconfigured},
	}
}

func jobs() []any {
	jobs := []any{webhook.ReplayJob{}}
	for _, s := range []webhook.JobStatus{webhook.JobAccepted, webhook.JobPending, webhook.JobRunning, webhook.JobCompleted, webhook.JobFailed} {
		jobs = append(jobs, webhook.ReplayJob{StartAt: at(), EndAt: at().Add(time.Hour), Status: s, UpdatedAt: at()})
	}
	return jobs
}
