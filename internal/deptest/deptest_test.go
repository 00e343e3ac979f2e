package deptest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// root is the checkout.
const root = "../.."

// graph maps a package, by its import path, to what it imports.
type graph map[string][]string

func TestImports(t *testing.T) {
	t.Parallel()
	folders(t) // for the cache's sake
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			for _, fault := range check(list(t, goos)) {
				t.Error(fault)
			}
		})
	}
}

// Nested modules live by the public API alone, as other people's modules must.
// Their requirements may not be at hand, so their files are read as they are.
func TestNestedModules(t *testing.T) {
	t.Parallel()
	for _, folder := range folders(t) {
		if _, err := os.Stat(filepath.Join(root, folder, "go.mod")); folder == "." || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			for _, fault := range checkNested(folder, imports(t, folder)) {
				t.Error(fault)
			}
		})
	}
}

// check returns what breaks the table.
func check(g graph) []string {
	var faults []string
	for pkg, imported := range g {
		name, ours := inModule(pkg)
		if !ours {
			continue
		}
		allowed, listed := table[name]
		example := strings.HasPrefix(name, "examples/")
		if !listed && !example {
			faults = append(faults, pkg+" is not in the table: add it")
			continue
		}
		for _, p := range imported {
			switch local, ours := inModule(p); {
			case example && ours && isInternal(local) && !sharedByExamples(local):
				faults = append(faults, pkg+" imports "+p+", but examples show what users can do")
			case example && !ours && isThirdParty(p):
				faults = append(faults, pkg+" imports "+p+": examples with requirements have a module of their own")
			case !example && ours && !slices.Contains(allowed, local),
				!example && !ours && isThirdParty(p) && !slices.Contains(allowed, p):
				faults = append(faults, pkg+" must not import "+p)
			case name == "cef" && !slices.Contains(cefImports, p):
				faults = append(faults, pkg+" must not import "+p+", which not every plug-in host has")
			}
		}
		if !slices.Contains(forTests, name) {
			faults = append(faults, reached(g, pkg)...)
		}
	}
	slices.Sort(faults)
	return faults
}

// reached returns the ways from pkg to a test library that do not lead through
// a package meant for tests or one of the standard library.
func reached(g graph, pkg string) []string {
	var faults []string
	from := map[string]string{pkg: ""}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if isTestLibrary(at) {
			way := at
			for p := from[at]; p != ""; p = from[p] {
				way = p + " → " + way
			}
			faults = append(faults, "a test library reaches what is no test: "+way)
			continue
		}
		name, ours := inModule(at)
		if ours && slices.Contains(forTests, name) || !ours && !isThirdParty(at) {
			continue
		}
		for _, p := range g[at] {
			if _, seen := from[p]; !seen {
				from[p] = at
				queue = append(queue, p)
			}
		}
	}
	return faults
}

// checkNested returns which packages of the module in folder import what is
// internal to the SDK. A module that is internal itself may.
func checkNested(folder string, g graph) []string {
	var faults []string
	for pkg, imported := range g {
		for _, p := range imported {
			name, ours := inModule(p)
			if ours && isInternal(name) && !isInternal(folder) && !strings.HasPrefix(name, folder+"/") &&
				(!strings.HasPrefix(folder, "examples/") || !sharedByExamples(name)) {
				faults = append(faults, pkg+" imports "+p+", which is internal")
			}
		}
	}
	slices.Sort(faults)
	return faults
}

func inModule(pkg string) (name string, ours bool) {
	if pkg == module {
		return "", true
	}
	return strings.CutPrefix(pkg, module+"/")
}

func isInternal(name string) bool { return slices.Contains(strings.Split(name, "/"), "internal") }

// sharedByExamples reports whether a package is there for the example programs,
// which may be copied along with them.
func sharedByExamples(name string) bool { return strings.HasPrefix(name, "examples/internal/") }

func isThirdParty(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return strings.Contains(first, ".")
}

func isTestLibrary(pkg string) bool {
	return slices.ContainsFunc(testLibraries, func(library string) bool {
		return pkg == library || strings.HasPrefix(pkg, library+"/")
	})
}

// list returns the packages of the module and all that they need.
func list(t *testing.T, goos string) graph {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	command.Dir = root
	command.Env = append(os.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	var message bytes.Buffer
	command.Stderr = &message
	output, err := command.Output()
	require.NoError(t, err, "%s", &message)

	g := graph{}
	for d := json.NewDecoder(bytes.NewReader(output)); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		err := d.Decode(&pkg)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		g[pkg.ImportPath] = pkg.Imports
	}
	require.Contains(t, g, module+"/internal/deptest", "go list listed another tree")
	return g
}

// folders returns the folders that can hold packages, by their path from root.
// Reading them makes the go command look at their files before it takes a result
// of this test from its cache.
func folders(t *testing.T) []string {
	t.Helper()
	var found []string
	require.NoError(t, fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if base := path.Base(name); name != "." && strings.HasPrefix(base, ".") || base == "testdata" {
			return fs.SkipDir
		}
		found = append(found, name)
		return nil
	}))
	return found
}

// imports reads the imports of all files in folder and below it, tests apart.
func imports(t *testing.T, folder string) graph {
	t.Helper()
	g := graph{}
	require.NoError(t, fs.WalkDir(os.DirFS(root), folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := module + "/" + path.Dir(name)
		for _, spec := range file.Imports {
			g[pkg] = append(g[pkg], strings.Trim(spec.Path.Value, "\"`"))
		}
		return nil
	}))
	return g
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const testify = "github.com/stretchr/testify/require"
	for name, test := range map[string]struct {
		graph graph
		want  []string
	}{
		"what the table allows": {
			graph{module: {"strings", module + "/cef"}, module + "/delivery": {"net/http", module + "/webhook", gzip}},
			nil,
		},
		"a package that nobody listed": {
			graph{module + "/util": nil},
			[]string{module + "/util is not in the table: add it"},
		},
		"an arrow upwards": {
			graph{module + "/webhook": {module + "/delivery"}},
			[]string{module + "/webhook must not import " + module + "/delivery"},
		},
		"a requirement in the wrong place": {
			graph{module + "/client": {gzip}},
			[]string{module + "/client must not import " + gzip},
		},
		"more of the standard library than plug-in hosts have": {
			graph{module + "/cef": {"strconv", "reflect"}},
			[]string{module + "/cef must not import reflect, which not every plug-in host has"},
		},
		"a test library in the standard library": {
			graph{module + "/status": {"testing/fstest"}},
			[]string{"a test library reaches what is no test: " + module + "/status → testing/fstest"},
		},
		"a test library by way of a requirement": {
			graph{module + "/delivery": {retry}, retry: {testify}},
			[]string{"a test library reaches what is no test: " + module + "/delivery → " + retry + " → " + testify},
		},
		"a test library where it belongs": {
			graph{module + "/konnecttest": {"testing"}, module + "/examples/quickstart": {module + "/konnecttest"}},
			nil,
		},
		"an example of what users cannot do": {
			graph{module + "/examples/ship": {module + "/internal/redact"}},
			[]string{module + "/examples/ship imports " + module + "/internal/redact, but examples show what users can do"},
		},
		"what examples share": {
			graph{
				module + "/examples/ship":                {module + "/examples/internal/secretflag"},
				module + "/examples/internal/secretflag": {module + "/webhook"},
			},
			nil,
		},
		"what examples share, used elsewhere": {
			graph{module + "/client": {module + "/examples/internal/secretflag"}},
			[]string{module + "/client must not import " + module + "/examples/internal/secretflag"},
		},
		"an example that burdens the module": {
			graph{module + "/examples/ship": {"example.com/x"}},
			[]string{module + "/examples/ship imports example.com/x: examples with requirements have a module of their own"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, check(test.graph)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestCheckNested(t *testing.T) {
	t.Parallel()
	pkg := func(name string) graph { return graph{module + "/" + name: {module + "/internal/redact"}} }
	for _, test := range []struct {
		folder string
		graph  graph
		faults int
	}{
		{"natsstore", pkg("natsstore"), 1},
		{"examples/caddy", pkg("examples/caddy"), 1},
		{"examples/caddy", graph{module + "/examples/caddy": {module + "/examples/internal/secretflag"}}, 0},
		{"natsstore", graph{module + "/natsstore": {module + "/examples/internal/secretflag"}}, 1},
		{"internal/plugintest", pkg("internal/plugintest/runner"), 0},
		{"benchmarks", graph{module + "/benchmarks": {module + "/benchmarks/internal/peer", module + "/cef"}}, 0},
	} {
		t.Run(test.folder, func(t *testing.T) {
			t.Parallel()
			faults := checkNested(test.folder, test.graph)
			require.Len(t, faults, test.faults, fmt.Sprint(faults))
		})
	}
}
