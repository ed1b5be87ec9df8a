package lifecycle

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The package decides and does nothing else: it may import only these, and of
// time and syscall use only these names.
func TestPure(t *testing.T) {
	allowed := map[string][]string{
		"errors":  {"New"},
		"slices":  nil,
		"time":    {"Time", "Duration", "Second", "Millisecond"},
		"syscall": {"Signal", "SIGTERM", "SIGKILL"},
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	fset, files := token.NewFileSet(), 0
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		files++
		file, err := parser.ParseFile(fset, entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range file.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if _, ok := allowed[path]; !ok || imp.Name != nil {
				t.Errorf("%s: imports %s", fset.Position(imp.Pos()), path)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt, *ast.SendStmt, *ast.SelectStmt, *ast.ChanType:
				t.Errorf("%s: concurrency", fset.Position(n.Pos()))
			case *ast.SelectorExpr:
				pkg, ok := n.X.(*ast.Ident)
				if !ok || pkg.Obj != nil {
					break
				}
				if names := allowed[pkg.Name]; names != nil && !slices.Contains(names, n.Sel.Name) {
					t.Errorf("%s: uses %s.%s", fset.Position(n.Pos()), pkg.Name, n.Sel.Name)
				}
			}
			return true
		})
	}
	if files < 3 {
		t.Errorf("looked at %d files only", files)
	}
}
