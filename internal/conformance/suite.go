package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Environment is the variable that names the folder of Konnect's OpenAPI files.
const Environment = "AUDITLOG_OPENAPI"

// ErrUnset is the error of [Load] when the variable is not set.
var ErrUnset = errors.New("the environment variable " + Environment + " does not name a folder with Konnect's OpenAPI files")

// Suite is a set of OpenAPI files, and what was checked against them. It is
// safe for concurrent use.
type Suite struct {
	specs []spec

	mu       sync.Mutex
	requests map[Operation]int
	answers  map[Operation]map[int]int
}

// spec is one of the files.
type spec struct {
	version string // what paths begin with, such as "/v3", or nothing
	doc     *openapi3.T
	router  routers.Router
}

// Operation is one of the operations of the files.
type Operation struct {
	Method string
	Path   string // with the version and names in braces, such as /v3/portals/{portalId}/audit-log-webhook
}

// String returns method and path.
func (o Operation) String() string { return o.Method + " " + o.Path }

// Load reads the files of the folder that the environment names. The exceptions
// are applied to each, all of [Exceptions] as a rule.
func Load(exceptions []Exception) (*Suite, error) {
	folder := os.Getenv(Environment)
	if folder == "" {
		return nil, ErrUnset
	}
	files, err := fs.Glob(os.DirFS(folder), "*.yaml")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no OpenAPI files in %s", folder)
	}
	var contents [][]byte
	for _, name := range files {
		content, err := fs.ReadFile(os.DirFS(folder), name)
		if err != nil {
			return nil, err
		}
		contents = append(contents, content)
	}
	return New(contents, exceptions)
}

// New returns a Suite of OpenAPI files in YAML or JSON. The exceptions are
// applied to each.
func New(files [][]byte, exceptions []Exception) (*Suite, error) {
	s := &Suite{requests: map[Operation]int{}, answers: map[Operation]map[int]int{}}
	for _, content := range files {
		loader := openapi3.NewLoader()
		doc, err := loader.LoadFromData(content)
		if err != nil {
			return nil, err
		}
		if err := doc.Validate(context.Background()); err != nil {
			return nil, err
		}
		for _, e := range exceptions {
			e.Mend(doc)
		}
		if len(doc.Servers) == 0 {
			return nil, errors.New("an OpenAPI file names no server")
		}
		server, err := url.Parse(doc.Servers[0].URL)
		if err != nil {
			return nil, err
		}
		doc.Servers = nil // any host will do
		router, err := legacy.NewRouter(doc)
		if err != nil {
			return nil, err
		}
		s.specs = append(s.specs, spec{version: strings.TrimSuffix(server.Path, "/"), doc: doc, router: router})
	}
	return s, nil
}

// find returns the route of a request: its operation in the file that has it,
// and the parameters in its path.
func (s *Suite) find(r *http.Request) (Operation, *routers.Route, map[string]string, error) {
	for _, spec := range s.specs {
		path, ok := strings.CutPrefix(r.URL.Path, spec.version)
		if !ok {
			continue
		}
		within := *r.URL
		within.Path, within.RawPath = path, ""
		route, parameters, err := spec.router.FindRoute(&http.Request{Method: r.Method, URL: &within})
		if err == nil && route.Operation != nil {
			return Operation{Method: r.Method, Path: spec.version + route.Path}, route, parameters, nil
		}
	}
	return Operation{}, nil, nil, fmt.Errorf("%s %s is none of the operations", r.Method, r.URL.Path)
}

// Operations returns all operations, with the statuses that the files document
// for each.
func (s *Suite) Operations() map[Operation][]int {
	operations := map[Operation][]int{}
	for _, spec := range s.specs {
		for path, item := range spec.doc.Paths.Map() {
			for method, operation := range item.Operations() {
				var statuses []int
				for text := range operation.Responses.Map() {
					var status int
					if _, err := fmt.Sscanf(text, "%d", &status); err == nil {
						statuses = append(statuses, status)
					}
				}
				slices.Sort(statuses)
				operations[Operation{Method: method, Path: spec.version + path}] = statuses
			}
		}
	}
	return operations
}
