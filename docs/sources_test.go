package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The packages that the operating guide covers, by folder.
var (
	engine = []string{"shipper", "store", "store/diskstore", "store/memstore", "delivery", "webhook"}
	cores  = []string{"store/internal/core"} // exports nothing to users, but logs
)

// files parses the Go files of a package, without tests.
func files(t *testing.T, folder string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(folder), "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, names, folder)
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		parsed = append(parsed, file)
	}
	return parsed
}

// exported returns the exported names, with their package's, that a package's
// declarations have.
func exported(t *testing.T, folders []string, names func(ast.Decl) []string) []string {
	t.Helper()
	var all []string
	for _, folder := range folders {
		for _, file := range files(t, folder) {
			for _, decl := range file.Decls {
				for _, name := range names(decl) {
					if ast.IsExported(name) {
						all = append(all, path.Base(folder)+"."+name)
					}
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// errorsIn returns the error values and types that are declared.
func errorsIn(decl ast.Decl) []string {
	switch d := decl.(type) {
	case *ast.FuncDecl: // func (e *T) Error() string
		if d.Recv == nil || d.Name.Name != "Error" || len(d.Type.Params.List) > 0 {
			return nil
		}
		receiver := d.Recv.List[0].Type
		if star, ok := receiver.(*ast.StarExpr); ok {
			receiver = star.X
		}
		if name, ok := receiver.(*ast.Ident); ok {
			return []string{name.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.VAR {
			return slices.DeleteFunc(specNames(d), func(name string) bool { return !strings.HasPrefix(name, "Err") })
		}
	}
	return nil
}

// boundsIn returns the constants that are defaults and bounds.
func boundsIn(decl ast.Decl) []string {
	d, ok := decl.(*ast.GenDecl)
	if !ok || d.Tok != token.CONST {
		return nil
	}
	return slices.DeleteFunc(specNames(d), func(name string) bool {
		return !strings.HasPrefix(name, "Default") && !strings.HasPrefix(name, "Max") && !strings.HasPrefix(name, "Min")
	})
}

// reasonsIn returns the constants of the type Reason.
func reasonsIn(decl ast.Decl) []string {
	d, ok := decl.(*ast.GenDecl)
	if !ok || d.Tok != token.CONST {
		return nil
	}
	var names []string
	for _, spec := range d.Specs {
		if value, ok := spec.(*ast.ValueSpec); ok {
			if typ, ok := value.Type.(*ast.Ident); ok && typ.Name == "Reason" {
				names = append(names, value.Names[0].Name)
			}
		}
	}
	return names
}

func specNames(d *ast.GenDecl) []string {
	var names []string
	for _, spec := range d.Specs {
		if value, ok := spec.(*ast.ValueSpec); ok {
			for _, name := range value.Names {
				names = append(names, name.Name)
			}
		}
	}
	return names
}

// message is a line that a package can log.
type message struct {
	text   string
	levels string // sorted, with commas between
}

// messages returns all that the packages can log.
func messages(t *testing.T, folders []string) []message {
	t.Helper()
	levels := map[string][]string{}
	for _, folder := range folders {
		for _, file := range files(t, folder) {
			for _, decl := range file.Decls {
				function, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				ast.Inspect(function, func(n ast.Node) bool {
					call, ok := n.(*ast.CallExpr)
					if !ok {
						return true
					}
					for _, m := range logged(t, function, call) {
						levels[m.text] = append(levels[m.text], m.levels)
					}
					return true
				})
			}
		}
	}
	var all []message
	for text, at := range levels {
		slices.Sort(at)
		all = append(all, message{text, strings.Join(slices.Compact(at), ", ")})
	}
	slices.SortFunc(all, func(a, b message) int { return strings.Compare(a.text, b.text) })
	return all
}

// logged returns what the call logs, one entry for each level; nothing if it
// is no call of a logger. It fails the test if it cannot tell.
func logged(t *testing.T, function *ast.FuncDecl, call *ast.CallExpr) []message {
	t.Helper()
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !strings.HasSuffix(strings.ToLower(lastName(method.X)), "logger") {
		return nil
	}
	name, takesContext := strings.CutSuffix(method.Sel.Name, "Context")
	arguments := call.Args
	if takesContext || strings.HasPrefix(name, "Log") {
		arguments = arguments[1:]
	}
	switch name {
	case "Debug", "Info", "Warn", "Error":
		text, ok := literal(arguments[0])
		require.True(t, ok, "a message in %s is no literal", function.Name.Name)
		return []message{{text, strings.ToLower(name)}}
	case "LogAttrs", "Log":
		return atLevels(function, arguments[0], arguments[1])
	}
	return nil
}

// atLevels returns the messages that a level and a text can make. Where both are
// variables, they are assigned together.
func atLevels(function *ast.FuncDecl, level, text ast.Expr) []message {
	var all []message
	for _, t := range choices(function, text) {
		for _, l := range choices(function, level) {
			if t.by == l.by || t.by == nil || l.by == nil {
				name, _ := literal(t.value)
				all = append(all, message{name, strings.ToLower(strings.TrimPrefix(lastName(l.value), "Level"))})
			}
		}
	}
	return all
}

// choice is a value that an expression can have, and what assigns it.
type choice struct {
	value ast.Expr
	by    *ast.AssignStmt
}

// choices returns what a variable is assigned in the function, or the expression
// itself.
func choices(function *ast.FuncDecl, expr ast.Expr) []choice {
	variable, ok := expr.(*ast.Ident)
	if !ok {
		return []choice{{value: expr}}
	}
	var all []choice
	ast.Inspect(function, func(n ast.Node) bool {
		assignment, ok := n.(*ast.AssignStmt)
		if !ok || len(assignment.Lhs) != len(assignment.Rhs) {
			return true
		}
		for i, left := range assignment.Lhs {
			if lastName(left) == variable.Name {
				if _, isCall := assignment.Rhs[i].(*ast.CallExpr); !isCall {
					all = append(all, choice{assignment.Rhs[i], assignment})
				}
			}
		}
		return true
	})
	return all
}

// lastName returns the identifier that an expression ends in.
func lastName(expr ast.Expr) string {
	switch e := expr.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func literal(expr ast.Expr) (string, bool) {
	basic, ok := expr.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}
