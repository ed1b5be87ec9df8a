package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Rooms are the packages from the bottom up: each may import only those before it.
var rooms = []string{
	"supervise/status", "supervise/terminal", "supervise/lifecycle", "supervise/procfs", "supervise/spawn", "supervise/guardian", "supervise/logs", "supervise/forward", "supervise/listen",
	"supervise/probe", "supervise/notify", "supervise/watch",
	"supervise/definition", "supervise", "control", "control/server", "control/server/servertest", "cmd/gsvctl", "cmd/gsv",
}

// Barred are packages that a room must not import, though they stand below it.
var barred = map[string][]string{
	"supervise/lifecycle": {"supervise/status"},
	"control":             {"supervise", "supervise/guardian", "supervise/spawn", "supervise/logs", "supervise/definition", "supervise/procfs"},
	"cmd/gsvctl":          {"supervise", "supervise/guardian", "supervise/definition", "control/server"},
}

// Imports go down only, and what must be in one place is nowhere else: starting processes, reaping them, tickers.
func TestRooms(t *testing.T) {
	fset, files := token.NewFileSet(), 0
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		room := filepath.ToSlash(filepath.Dir(rel))
		if room == "services.d/prefork" || strings.HasPrefix(room, ".ci") {
			return nil // a server of its own, and a tool
		}
		files++
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		at := slices.Index(rooms, room)
		if at < 0 {
			t.Errorf("%s: package %s has no place among the rooms", rel, room)
		}
		for _, imp := range file.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			if name == "os/exec" {
				t.Errorf("%s: os/exec waits for children, and only the guardian may", fset.Position(imp.Pos()))
			}
			below, ours := strings.CutPrefix(name, "gsv/")
			if ours && (slices.Index(rooms, below) >= at || slices.Contains(barred[room], below)) {
				t.Errorf("%s: %s must not import %s", fset.Position(imp.Pos()), room, below)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Obj != nil {
				return true
			}
			switch name := pkg.Name + "." + sel.Sel.Name; name {
			case "time.NewTicker", "time.Tick":
				t.Errorf("%s: %s: idle must cost nothing", fset.Position(n.Pos()), name)
			case "syscall.Wait4", "unix.Wait4", "unix.Waitid", "syscall.ForkExec", "os.StartProcess":
				if room != "supervise/guardian" {
					t.Errorf("%s: %s outside the guardian", fset.Position(n.Pos()), name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 50 {
		t.Errorf("looked at %d files only", files)
	}
}
