package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog"
	"github.com/seed-6bcf82c5/auditlog/client"
	"github.com/seed-6bcf82c5/auditlog/internal/conformance"
	"github.com/seed-6bcf82c5/auditlog/konnectapi"
	"github.com/seed-6bcf82c5/auditlog/shipper"
	"github.com/seed-6bcf82c5/auditlog/store/memstore"
	"github.com/seed-6bcf82c5/auditlog/webhook"
)

// server is a Handler over a Shipper whose deliveries all fail. The token is
// the name of the user: admin may do everything.
type server struct {
	http.Handler
	t       *testing.T
	shipper *shipper.Shipper
	made    string // a destination
}

func newServer(t *testing.T) *server {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	events, err := memstore.Open(memstore.Config{Logger: logger})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, events.Close()) })
	s := &server{t: t}
	cfg := shipper.Config{Store: events, Logger: logger}
	cfg.Delivery.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no way out") }
	s.shipper, err = shipper.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.shipper.Close(context.Background())) })
	s.Handler, err = konnectapi.New(konnectapi.Config{
		Shipper: s.shipper, Store: events, Logger: logger,
		Authenticate: func(r *http.Request) (konnectapi.Caller, error) {
			switch user := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "); user {
			case "nobody":
				return konnectapi.Caller{}, errors.New("not known")
			case "down":
				return konnectapi.Caller{}, konnectapi.ErrUnavailable
			case "broken": // a caller without a tenant is a fault of ours
				return konnectapi.Caller{}, nil
			default:
				return konnectapi.Caller{Tenant: "tenant", Principal: user}, nil
			}
		},
		Authorize: func(_ context.Context, caller konnectapi.Caller, _ konnectapi.Operation) error {
			if caller.Principal == "viewer" {
				return errors.New("not the role")
			}
			return nil
		},
		Portal: func(_ context.Context, _ konnectapi.Caller, id string) (string, error) {
			if id != portalID {
				return "", konnectapi.ErrNotFound
			}
			return "portal", nil
		},
		Keys: func(ctx context.Context) ([]byte, error) {
			err, _ := ctx.Value(keysFail{}).(error)
			return []byte(`{"keys":[{"kty":"OKP","alg":"EdDSA","kid":"k","crv":"Ed25519","x":"XWxGtApfcqmKI7p0OKnF5JSEWMVoLsytFXLEP7xZ_l8"}]}`), err
		},
	})
	require.NoError(t, err)
	return s
}

// keysFail is the key of the error that Config.Keys returns.
type keysFail struct{}

// do sends a request without checking it.
func (s *server) do(method, path, body string) *http.Response {
	s.t.Helper()
	return s.answer(s.request(method, path, body))
}

func (s *server) request(method, path, body string) *http.Request {
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer admin")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (s *server) answer(r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

// must sends a request that prepares something.
func (s *server) must(method, path, body string) string {
	s.t.Helper()
	resp := s.do(method, path, body)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.Less(s.t, resp.StatusCode, 300, "%s %s: %s", method, path, answer)
	return string(answer)
}

const (
	created = `{"name":"SIEM","endpoint":"https://example.com/audit-logs","authorization":"Bearer x","log_format":"cps"}`
	own     = `{"endpoint":"https://example.com/audit-logs","authorization":"Bearer x","log_format":"cef","enabled":true,"skip_ssl_verification":false}`
)

// create makes a destination.
func (s *server) create() {
	s.t.Helper()
	s.made = strings.Split(s.must(http.MethodPost, "/v3/audit-log-destinations", created), `"`)[3]
}

// bind binds a webhook to the destination made.
func (s *server) bind(path string) {
	s.t.Helper()
	if s.made == "" {
		s.create()
	}
	s.must(http.MethodPatch, path, fmt.Sprintf(`{"audit_log_destination_id":"%s","enabled":true}`, s.made))
}

// run makes a replay job that runs and runs.
func (s *server) run(base string) {
	s.t.Helper()
	s.bind(base + "/audit-log-webhook")
	s.must(http.MethodPut, base+"/audit-log-replay-job", jobOf(-time.Hour, 0))
	synctest.Wait()
}

// jobOf is the body that asks for a replay of a time from now.
func jobOf(from, to time.Duration) string {
	return string(webhook.EncodeReplay(time.Now().Add(from), time.Now().Add(to)))
}

// exchange is a request and what is to come of it.
type exchange struct {
	code    int
	prepare func(*server)
	path    func(*server) string
	body    func(*server) string
	query   string
	change  func(*http.Request) *http.Request

	// The request is one that the files do not allow, or the answer one that
	// they do not have.
	foul, beyond bool
}

// method is an operation of the Handler with the exchanges that only it has.
type method struct {
	conformance.Operation
	exchanges []exchange
}

func text(body string) func(*server) string { return func(*server) string { return body } }

// all returns the exchanges of an operation, with those that many have.
func (m method) all() []exchange {
	all := slices.Clone(m.exchanges)
	good := m.exchanges[0]
	as := func(user string) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request {
			r.Header.Set("Authorization", "Bearer "+user)
			return r
		}
	}
	add := func(e exchange) {
		e.prepare, e.path, e.query = good.prepare, good.path, good.query
		if e.body == nil {
			e.body = good.body
		}
		all = append(all, e)
	}
	if strings.HasSuffix(m.Path, "/jwks.json") {
		for code, err := range map[int]error{500: errors.New("no keys"), 503: konnectapi.ErrUnavailable} {
			add(exchange{code: code, beyond: true, change: func(r *http.Request) *http.Request {
				return r.WithContext(context.WithValue(r.Context(), keysFail{}, err))
			}})
		}
		return all
	}
	add(exchange{code: 401, change: as("nobody")})
	add(exchange{code: 403, change: as("viewer")})
	add(exchange{code: 500, beyond: true, change: as("broken")})
	add(exchange{code: 503, beyond: true, change: as("down")})
	if strings.Contains(m.Path, "{portalId}") {
		unknown := func(s *server) string { return strings.Replace(m.target(s), portalID, destinationID, 1) }
		all = append(all, exchange{code: 404, prepare: good.prepare, path: unknown, body: good.body})
	}
	if good.body != nil {
		add(exchange{code: 413, foul: true, beyond: true, body: text(strings.Repeat(" ", 1<<17))})
		add(exchange{code: 415, foul: true, beyond: true, change: func(r *http.Request) *http.Request {
			r.Header.Set("Content-Type", "text/plain")
			return r
		}})
		add(exchange{code: 400, foul: true, body: text(`{"x`)})
		add(exchange{code: 400, foul: true, body: text(`{"x":1}`)})
	}
	return all
}

// target is the path of the operation with ids.
func (m method) target(s *server) string {
	return strings.NewReplacer("{portalId}", portalID, "{auditLogDestinationId}", s.made).Replace(m.Path)
}

// TestHandler gets every answer out of the Handler that its own OpenAPI document
// describes, and checks each against that and, where it can be, against
// Konnect's files: all that those describe are among them. Each member of each
// answer is broken, to see that the check sees it.
func TestHandler(t *testing.T) {
	t.Parallel()
	document := newServer(t).must(http.MethodGet, "/openapi.json", "")
	described, konnects := suites(t, document)
	describedBroken, konnectsBroken := suites(t, document) // they count what is broken on purpose
	beyond := map[string]int{}
	for _, m := range methods() {
		for _, e := range m.all() {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				if e.prepare != nil {
					e.prepare(s)
				}
				path, body := m.target(s), ""
				if e.path != nil {
					path = e.path(s)
				}
				if e.body != nil {
					body = e.body(s)
				}
				r := s.request(m.Method, path+e.query, body)
				if e.change != nil {
					r = e.change(r)
				}
				if !e.foul {
					require.NoError(t, described.CheckRequest(r))
				}
				if !e.foul && konnects != nil {
					require.NoError(t, konnects.CheckRequest(r))
				}
				resp := s.answer(r)
				require.Equal(t, e.code, resp.StatusCode, "%s %s", r.Method, path)
				require.NoError(t, described.CheckAnswer(r, resp))
				requireBreaksSeen(t, describedBroken, r, resp)
				switch {
				case e.beyond:
					beyond[fmt.Sprint(e.code)]++
				case konnects != nil:
					require.NoError(t, konnects.CheckAnswer(r, resp))
					requireBreaksSeen(t, konnectsBroken, r, resp)
				}
			})
		}
	}
	t.Logf("answers of the handler, by its own document:\n%s", described.Table())
	require.Equal(t, []string{"GET /openapi.json: no answer 200", "GET /openapi.json: no request"}, described.Missing(), "but for the document itself")
	if konnects == nil {
		t.Log("not checked against Konnect's files: " + conformance.ErrUnset.Error())
		return
	}
	t.Logf("the same by Konnect's files:\n%s", konnects.Table())
	require.Empty(t, konnects.Missing())
	for _, code := range slices.Sorted(maps.Keys(beyond)) {
		t.Logf("exception: %d answers %s, which the files do not have: %s", beyond[code], code, map[string]string{
			"400": "the list of destinations names what is wrong with its parameters",
			"413": "a body is bounded",
			"415": "a body is JSON, so that no form of another origin is taken for one",
			"429": "replay jobs are limited for each webhook",
			"500": "something is wrong inside",
			"503": "something is not available",
		}[code])
	}
}

// suites returns one of the Handler's own document, and one of Konnect's files,
// which is nil if they are not at hand.
func suites(t *testing.T, document string) (described, konnects *conformance.Suite) {
	t.Helper()
	described, err := conformance.New([][]byte{[]byte(document)}, nil)
	require.NoError(t, err)
	konnects, err = conformance.Load(conformance.Exceptions())
	if errors.Is(err, conformance.ErrUnset) {
		return described, nil
	}
	require.NoError(t, err)
	return described, konnects
}

// methods are all operations. The first exchange of each is its success.
func methods() []method {
	of := func(verb, path string, exchanges ...exchange) method {
		return method{conformance.Operation{Method: verb, Path: path}, exchanges}
	}
	all := []method{
		of(http.MethodGet, "/v2/audit-log-webhook/jwks.json", exchange{code: 200}),
		of(http.MethodGet, "/v2/audit-log-webhook",
			exchange{code: 200},
			exchange{code: 200, prepare: func(s *server) { s.must(http.MethodPatch, "/v2/audit-log-webhook", own) }}),
		of(http.MethodPatch, "/v2/audit-log-webhook",
			exchange{code: 200, body: text(own)},
			exchange{code: 200, body: text(`{"enabled":false}`)},
			exchange{code: 400, body: text(`{"enabled":true}`)},
			exchange{code: 400, body: text(`{"endpoint":"x"}`)}),
		of(http.MethodGet, "/v3/audit-logs",
			exchange{code: 200, prepare: (*server).record},
			exchange{code: 200},
			exchange{code: 200, prepare: (*server).record, query: "?page[size]=1&filter[type]=authentication&filter[ts][gte]=2000-01-01T00:00:00Z&filter[ts][lte]=2030-01-01T00:00:00Z"},
			exchange{code: 400, query: "?page[after]=x"},
			exchange{code: 400, query: "?filter[type]=x", foul: true}),
	}
	all = append(all, bindings("/v3", "")...)
	for _, version := range []string{"/v2", "/v3"} {
		portal := version + "/portals/" + portalID
		all = append(all, statusAndReplay(version, "")...)
		all = append(all, statusAndReplay(version, portal)...)
		all = append(all, bindings(version, portal)...)
		made := func(s *server) { s.create() }
		used := func(s *server) { s.bind("/v3/audit-log-webhook") }
		list, one := version+"/audit-log-destinations", version+"/audit-log-destinations/{auditLogDestinationId}"
		gone := func(*server) string { return list + "/" + portalID }
		all = append(all,
			of(http.MethodGet, list,
				exchange{code: 200, prepare: made},
				exchange{code: 200, prepare: func(s *server) {
					s.create()
					s.create()
				}, query: "?page[size]=1&filter[name][contains]=I"},
				exchange{code: 400, query: "?page[before]=x", beyond: true}),
			of(http.MethodPost, list,
				exchange{code: 201, body: text(created)},
				exchange{code: 400, body: text(strings.Replace(created, "https", "http", 1))}),
			of(http.MethodGet, one, exchange{code: 200, prepare: made}, exchange{code: 404, path: gone}),
			of(http.MethodPatch, one,
				exchange{code: 200, prepare: used, body: text(`{"log_format":"json"}`)},
				exchange{code: 400, prepare: made, body: text(`{"endpoint":"x"}`)},
				exchange{code: 404, path: gone, body: text(`{}`)}),
			of(http.MethodDelete, one,
				exchange{code: 204, prepare: made},
				exchange{code: 404, path: gone},
				exchange{code: 409, prepare: used}),
		)
	}
	return all
}

// named gives an operation the path that the files have for it.
func named(verb, path string, exchanges ...exchange) method {
	return method{conformance.Operation{Method: verb, Path: strings.Replace(path, portalID, "{portalId}", 1)}, exchanges}
}

// bindings are the operations of a webhook that is bound to a destination, below
// a portal or not.
func bindings(version, portal string) []method {
	path := version + "/audit-log-webhook"
	if portal != "" {
		path = portal + "/audit-log-webhook"
	}
	bound := func(s *server) { s.bind(path) }
	to := func(s *server) string {
		s.create()
		return fmt.Sprintf(`{"audit_log_destination_id":"%s"}`, s.made)
	}
	all := []method{
		named(http.MethodGet, path, exchange{code: 200, prepare: bound}, exchange{code: 404}),
		named(http.MethodPatch, path,
			exchange{code: 200, body: to},
			exchange{code: 200, prepare: bound, body: text(`{"enabled":false}`)},
			exchange{code: 400, body: text(`{"enabled":true}`)},
			exchange{code: 404, body: text(`{"audit_log_destination_id":"` + portalID + `"}`)}),
		named(http.MethodDelete, path, exchange{code: 204, prepare: bound}, exchange{code: 404}),
	}
	if portal != "" {
		all[1].exchanges = append(all[1].exchanges, exchange{code: 200, body: text(`{"enabled":false}`)})
		all[2].exchanges = append(all[2].exchanges, exchange{code: 409, prepare: func(s *server) { s.run(portal) }})
	}
	return all
}

// statusAndReplay are the operations that all webhooks have.
func statusAndReplay(version, portal string) []method {
	base, bound := version, func(s *server) { s.bind("/v3/audit-log-webhook") }
	if portal != "" {
		base, bound = portal, func(s *server) { s.bind(portal + "/audit-log-webhook") }
	}
	job := base + "/audit-log-replay-job"
	return []method{
		named(http.MethodGet, base+"/audit-log-webhook/status",
			exchange{code: 200},
			exchange{code: 200, prepare: bound},
			exchange{code: 200, prepare: func(s *server) {
				bound(s)
				time.Sleep(time.Minute) //nolint:forbidigo // on virtual time
			}}),
		named(http.MethodGet, job,
			exchange{code: 200},
			exchange{code: 200, prepare: func(s *server) {
				bound(s)
				s.must(http.MethodPut, job, jobOf(-time.Hour, 0))
				synctest.Wait()
			}}),
		named(http.MethodPut, job,
			exchange{code: 202, prepare: bound, body: func(*server) string { return jobOf(-time.Hour, 0) }},
			exchange{code: 400, prepare: bound, body: func(*server) string { return jobOf(0, -time.Hour) }},
			exchange{code: 409, prepare: func(s *server) {
				bound(s)
				s.must(http.MethodPut, job, jobOf(-time.Hour, 0))
				synctest.Wait()
			}, body: func(*server) string { return jobOf(-time.Hour, 0) }},
			exchange{code: 429, beyond: true, prepare: func(s *server) {
				for range 10 {
					s.do(http.MethodPut, job, `{}`)
				}
			}, body: func(*server) string { return jobOf(-time.Hour, 0) }}),
	}
}

// record records an event of each kind, and some more.
func (s *server) record() {
	s.t.Helper()
	s.must(http.MethodPatch, "/v2/audit-log-webhook", own)
	portal, signature := portalID, "c2ln"
	require.NoError(s.t, s.shipper.Record(s.t.Context(), "tenant",
		auditlog.Authentication{Time: time.Now(), Type: auditlog.AuthSSO, Outcome: auditlog.OutcomeSuccess, Success: true, OrgID: "o", PrincipalID: "p", PortalID: &portal, Signature: &signature}.Event(),
		auditlog.Authentication{Time: time.Now(), Type: "OTHER", Outcome: "OTHER"}.Event(),
		auditlog.Authorization{Time: time.Now(), Service: "s", Resource: "r", Action: "a"}.Event(),
		auditlog.Access{Time: time.Now(), Method: "GET", Status: 200}.Event(),
		auditlog.Event{},
	))
}

// TestTogether lets the client take its longer ways with the Handler.
func TestTogether(t *testing.T) {
	t.Parallel()
	suite := load(t)
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := newClient(t, suite, "/v3", func(r *http.Request) *http.Response {
			r.Header.Set("Authorization", "Bearer admin")
			inner := r.Clone(r.Context())
			inner.RequestURI = r.URL.RequestURI()
			if inner.Body == nil {
				inner.Body = http.NoBody
			}
			return s.answer(inner)
		}, func(err error) { t.Error(err) })
		ctx := t.Context()
		made, err := c.Binding.SetUp(ctx, destination())
		require.NoError(t, err)
		got, err := c.Binding.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, webhook.Binding{DestinationID: made.ID, Enabled: true}, got)
		require.NoError(t, s.shipper.Record(ctx, "tenant", auditlog.Access{Time: time.Now(), Method: "GET", Status: 200}.Event()))
		n := 0
		for _, err := range c.Logs.All(ctx, client.LogListOptions{Size: 1}) {
			require.NoError(t, err)
			n++
		}
		require.Equal(t, 2, n)
		_, err = c.Replay.Start(ctx, time.Now(), time.Now())
		require.NoError(t, err)
		job, err := c.Replay.Wait(ctx, nil)
		require.Error(t, err)
		require.Equal(t, webhook.JobFailed, job.Status)
		require.NoError(t, c.Binding.TearDown(ctx, destination().Name))
		_, err = c.Binding.Get(ctx)
		require.ErrorIs(t, err, client.ErrNotFound)
	})
}
