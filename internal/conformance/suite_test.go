package conformance_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/seed-6bcf82c5/auditlog/internal/conformance"
)

const petID = "07ec3858-066b-4629-bdc5-d4aa893b424d"

// pets is an OpenAPI file with what those of Konnect have.
const pets = `
openapi: 3.0.2
info: {title: Pets, version: 1.0.0}
servers: [{url: 'https://example.com/v3'}]
security: [token: []]
paths:
  /pets:
    get:
      parameters:
        - {name: 'page[size]', in: query, schema: {type: integer, maximum: 9}}
        - name: filter
          in: query
          style: deepObject
          schema:
            type: object
            properties:
              born: {type: object, properties: {gte: {type: string, format: date-time}}}
              name: {oneOf: [{type: string}, {type: object, properties: {eq: {type: string}}, additionalProperties: false}]}
      responses:
        '200': {description: OK, content: {application/json: {schema: {$ref: '#/components/schemas/Pets'}}}}
        '400': {description: Bad, content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}}
    post:
      requestBody: {content: {application/json: {schema: {type: object, required: [name], properties: {name: {type: string}}}}}}
      responses: {'201': {description: OK, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}}
  /pets/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string, format: uuid}}]
    delete: {responses: {'204': {description: Gone}, 'default': {description: Anything}}}
components:
  securitySchemes: {token: {type: http, scheme: bearer}}
  schemas:
    Pet:
      type: object
      properties: {name: {type: string}, tame: {type: boolean}, last_attempt_at: {type: string, format: date-time}}
    Pets:
      type: object
      required: [data]
      properties: {data: {type: array, items: {oneOf: [{$ref: '#/components/schemas/Pet'}]}}, next: {type: string, nullable: true}}
    Problem:
      allOf:
        - {type: object, required: [status], properties: {status: {type: integer}}}
        - {type: object, required: [detail], properties: {detail: {type: string}}}
`

func petSuite(t *testing.T) *conformance.Suite {
	t.Helper()
	suite, err := conformance.New([][]byte{[]byte(pets)}, nil)
	require.NoError(t, err)
	return suite
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "https://eu.example.org"+target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer x")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func TestCheckRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, method, target, body, want string }{
		{"plain", "GET", "/v3/pets", "", ""},
		{"parameters", "GET", "/v3/pets?page%5Bsize%5D=9&filter%5Bborn%5D%5Bgte%5D=2023-03-21T09:29:14.52Z&filter%5Bname%5D%5Beq%5D=x", "", ""},
		{"the other kind of filter", "GET", "/v3/pets?filter[name]=x", "", ""},
		{"body", "POST", "/v3/pets", `{"name":"x"}`, ""},
		{"no body, which no file requires", "POST", "/v3/pets", ``, ""},
		{"ID", "DELETE", "/v3/pets/" + petID, "", ""},
		{"another version", "GET", "/v2/pets", "", "none of the operations"},
		{"another path", "GET", "/v3/pet", "", "none of the operations"},
		{"another method", "PUT", "/v3/pets", "", "none of the operations"},
		{"parameter of the wrong type", "GET", "/v3/pets?page%5Bsize%5D=ten", "", "page[size]"},
		{"parameter out of range", "GET", "/v3/pets?page%5Bsize%5D=10", "", "page[size]"},
		{"filter of the wrong form", "GET", "/v3/pets?filter%5Bborn%5D%5Bgte%5D=yesterday", "", "filter"},
		{"unknown parameter", "GET", "/v3/pets?page%5Bafter%5D=x", "", "parameters that the file does not have: [page[after]]"},
		{"unknown filter", "GET", "/v3/pets?filter[born][lte]=x", "", "filter[born][lte]"},
		{"a filter that is an object", "GET", "/v3/pets?filter[born]=x", "", "filter"},
		{"no ID", "DELETE", "/v3/pets/x", "", "id"},
		{"member of the wrong type", "POST", "/v3/pets", `{"name":1}`, "name"},
		{"member missing", "POST", "/v3/pets", `{}`, "name"},
		{"unknown member", "POST", "/v3/pets", `{"name":"x","owner":{}}`, "members that the file does not have: [.owner]"},
		{"body where none is", "GET", "/v3/pets", `{}`, "body"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := request(t, c.method, c.target, c.body)
			err := petSuite(t).CheckRequest(r)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			body, err := io.ReadAll(r.Body)
			require.NoError(t, err)
			require.Equal(t, c.body, string(body), "it is put back")
		})
	}
	r := request(t, "GET", "/v3/pets", "")
	r.Header.Del("Authorization")
	require.ErrorContains(t, petSuite(t).CheckRequest(r), "no bearer token")

	r = request(t, "POST", "/v3/pets", `{"name":"x"}`)
	r.Header.Set("Content-Type", "text/plain")
	require.ErrorContains(t, petSuite(t).CheckRequest(r), "text/plain")

	r = request(t, "GET", "/v3/pets", "")
	r.Body = broken{}
	require.ErrorIs(t, petSuite(t).CheckRequest(r), errBroken)
}

func TestCheckAnswer(t *testing.T) {
	t.Parallel()
	const list, problem = "application/json", "application/problem+json"
	for _, c := range []struct {
		name, method, target string
		code                 int
		mediaType, body      string
		want                 string
	}{
		{"list", "GET", "/v3/pets", 200, list, `{"data":[{"name":"x","tame":true,"last_attempt_at":"2023-03-21T09:29:14Z"}],"next":null}`, ""},
		{"what may be absent", "GET", "/v3/pets", 200, list, `{"data":[{"name":"x","tame":true}]}`, ""},
		{"problem", "GET", "/v3/pets", 400, problem, `{"status":400,"detail":"x"}`, ""},
		{"nothing", "DELETE", "/v3/pets/" + petID, 204, "", ``, ""},
		{"another operation", "GET", "/v3/pet", 200, list, `{}`, "none of the operations"},
		{"a status that is not documented", "GET", "/v3/pets", 404, problem, `{"status":404,"detail":"x"}`, "status is not supported"},
		{"another media type", "GET", "/v3/pets", 400, list, `{"status":400,"detail":"x"}`, "Content-Type"},
		{"no media type", "GET", "/v3/pets", 200, "", `{"data":[]}`, "Content-Type"},
		{"no JSON", "GET", "/v3/pets", 200, list, `<html>`, "answer 200"},
		{"member missing", "GET", "/v3/pets", 200, list, `{"next":null}`, `"data" is missing`},
		{"member missing that nobody requires", "GET", "/v3/pets", 200, list, `{"data":[{"name":"x"}]}`, "missing: [.data[].tame]"},
		{"member of the wrong type", "GET", "/v3/pets", 200, list, `{"data":[{"name":"x","tame":"yes"}]}`, "tame"},
		{"no time", "GET", "/v3/pets", 200, list, `{"data":[{"name":"x","tame":true,"last_attempt_at":"0001-01-01T00:00:0Z"}]}`, "last_attempt_at"},
		{"unknown member", "GET", "/v3/pets", 200, list, `{"data":[{"name":"x","tame":true,"authorization":"x"}]}`, "does not have: [.data[].authorization]"},
		{"unknown member of a problem", "GET", "/v3/pets", 400, problem, `{"status":400,"detail":"x","title":"x"}`, "does not have: [.title]"},
		{"body where none is", "DELETE", "/v3/pets/" + petID, 204, list, `{}`, "a body where the file has none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			resp := &http.Response{StatusCode: c.code, Header: http.Header{"Content-Type": {c.mediaType}}, Body: io.NopCloser(strings.NewReader(c.body))}
			err := petSuite(t).CheckAnswer(request(t, c.method, c.target, ""), resp)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, c.body, string(body), "it is put back")
		})
	}
	resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: broken{}}
	require.ErrorIs(t, petSuite(t).CheckAnswer(request(t, "GET", "/v3/pets", ""), resp), errBroken)
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }
func (broken) Close() error             { return nil }

func TestCoverage(t *testing.T) {
	t.Parallel()
	suite := petSuite(t)
	require.Equal(t, []string{
		"DELETE /v3/pets/{id}: no answer 204",
		"DELETE /v3/pets/{id}: no request",
		"GET /v3/pets: no answer 200",
		"GET /v3/pets: no answer 400",
		"GET /v3/pets: no request",
		"POST /v3/pets: no answer 201",
		"POST /v3/pets: no request",
	}, suite.Missing())

	var faults []string
	fail := func(err error) { faults = append(faults, err.Error()) }
	send := func(method, target string, next transport) error {
		resp, err := suite.Transport(next, fail).RoundTrip(request(t, method, target, ""))
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	gone := transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 204, Body: http.NoBody}, nil
	})
	require.NoError(t, send("DELETE", "/v3/pets/"+petID, gone))
	require.Empty(t, faults)
	require.NoError(t, send("GET", "/v3/pets?x=1", gone))
	require.Len(t, faults, 2, "the request and the answer")
	require.ErrorIs(t, send("GET", "/v3/pets", func(*http.Request) (*http.Response, error) { return nil, errBroken }), errBroken)

	require.Equal(t, []string{
		"GET /v3/pets: no answer 200",
		"GET /v3/pets: no answer 400",
		"POST /v3/pets: no answer 201",
		"POST /v3/pets: no request",
	}, suite.Missing())
	require.Equal(t, ""+
		"operation             requests  200  201  204  400\n"+
		"GET /v3/pets                 1    .              .\n"+
		"POST /v3/pets                0         .          \n"+
		"DELETE /v3/pets/{id}         1              1     \n"+
		"3 operations, 1 of 4 statuses\n", suite.Table())
}

func TestNewErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, want string }{
		{"no YAML", "{", "did not find expected"},
		{"no OpenAPI", "{}", "openapi"},
		{"no server", strings.Replace(pets, "servers: [{url: 'https://example.com/v3'}]", "", 1), "names no server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := conformance.New([][]byte{[]byte(c.file)}, nil)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestNewAppliesExceptions(t *testing.T) {
	t.Parallel()
	suite, err := conformance.New([][]byte{[]byte(pets)}, []conformance.Exception{{Mend: func(doc *openapi3.T) { doc.Security = nil }}})
	require.NoError(t, err)
	r := request(t, "GET", "/v3/pets", "")
	r.Header.Del("Authorization")
	require.NoError(t, suite.CheckRequest(r))
}

func TestLoadErrors(t *testing.T) {
	t.Setenv(conformance.Environment, "")
	_, err := conformance.Load(nil)
	require.ErrorIs(t, err, conformance.ErrUnset)
	t.Setenv(conformance.Environment, t.TempDir())
	_, err = conformance.Load(nil)
	require.ErrorContains(t, err, "no OpenAPI files in ")
	t.Setenv(conformance.Environment, t.TempDir()+"/none")
	_, err = conformance.Load(nil)
	require.Error(t, err)
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(folder+"/x.yaml", 0o700))
	t.Setenv(conformance.Environment, folder)
	_, err = conformance.Load(nil)
	require.Error(t, err)
}

func TestMutations(t *testing.T) {
	t.Parallel()
	var got []string
	for m, document := range conformance.Mutations([]byte(`{"a":[{"b":"c"}]}`)) {
		got = append(got, m.Kind+" "+m.Path+" "+string(document))
	}
	require.Equal(t, []string{
		`removed .a[0].b {"a":[{}]}`,
		`renamed .a[0].b {"a":[{"b_":"c"}]}`,
		`null .a[0].b {"a":[{"b":null}]}`,
		`retyped .a[0].b {"a":[{"b":1}]}`,
		`removed .a {}`,
		`renamed .a {"a_":[{"b":"c"}]}`,
		`null .a {"a":null}`,
		`retyped .a {"a":"x"}`,
	}, got)
	for range conformance.Mutations([]byte(`{"a":1,"b":[{"c":2}]}`)) {
		break
	}
	require.Panics(t, func() {
		for range conformance.Mutations(nil) {
			break
		}
	})
}
