package watch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"time"
)

// Whatever happens in whatever order: nothing is told while paused, before it is
// quiet, or with a temporary file of this deploy there; each change of contents is
// told once, or loaded by other means.
func FuzzSettling(f *testing.F) {
	f.Add([]byte("\x00\x10\x20\x30\x40\x50\x60\x70\x80\x90\xa0\xb0\xc0\xd0\xe0\xf0"))
	f.Add([]byte{0x00, 0xd2, 0x41, 0x00, 0xd2, 0x61, 0xd2})
	f.Add([]byte{0x00, 0xc0, 0x01, 0xd2, 0xd2, 0x70, 0x00, 0xd3, 0x80, 0xd0})
	f.Fuzz(func(t *testing.T, ops []byte) {
		tl := newTeller()
		tl.s.maxDelay = 7 * time.Second
		temps := map[string]temporary{} // those of this deploy
		opened := map[string]time.Time{}
		var events []time.Time // of this deploy
		paused, stalls := false, 0
		over := func() { events, stalls = nil, 0; clear(temps); clear(opened) }
		// A temporary counts until the deploy's events go on after a quiet time.
		leftOver := func(tmp temporary) bool {
			for i, at := range events[1:] {
				if before := events[i]; !before.Before(tmp.last) && at.Sub(before) >= tl.s.debounce {
					return !tmp.writing || tl.now.Sub(tmp.last) >= tempFor
				}
			}
			return false
		}
		disturbed := false // something has happened while it compares
		tl.check = func(counts bool) {
			if counts == (disturbed || paused) {
				t.Fatalf("a comparison counts: %v, something happened meanwhile: %v", counts, disturbed)
			}
			disturbed = false
			if !counts {
				return
			}
			if paused || len(events) == 0 {
				t.Fatalf("settles paused=%v after %d events", paused, len(events))
			}
			if quiet := tl.now.Sub(events[len(events)-1]); quiet < tl.s.debounce {
				t.Fatalf("settles %s after the last event", quiet)
			}
			for name, tmp := range temps {
				if !leftOver(tmp) {
					t.Fatalf("settles with %s under way", name)
				}
			}
			for name, last := range opened {
				if tl.now.Sub(last) < openFor {
					t.Fatalf("settles with %s open", name)
				}
			}
			over()
		}
		happens := func(op byte) {
			name := string('a' + rune(op&3))
			file, tmp := "lib/"+name, "."+name+".Ab12Cd"
			did := func(words string) {
				tl.happens(strings.Fields(words))
			}
			event := func() { events = append(events, tl.now) }
			switch op >> 4 {
			case 0, 1:
				did("change " + file)
				event()
			case 2:
				did("rewrite " + file)
				event()
			case 3:
				did("write " + file)
				opened[file] = tl.now
				event()
			case 4:
				did("close " + file)
				delete(opened, file)
				event()
			case 5:
				did("remove " + file)
				delete(opened, file)
				event()
			case 6:
				did("temp " + tmp)
				temps[tmp] = temporary{tl.now, true}
				event()
			case 7:
				did("temp-closed " + tmp)
				temps[tmp] = temporary{tl.now, false}
				event()
			case 8:
				did("temp-gone " + tmp)
				if _, ok := temps[tmp]; ok {
					delete(temps, tmp)
					event()
				}
			case 9:
				did("pause")
				paused = true
			case 10:
				did("resume")
				paused = false
			case 11:
				did("loaded")
				over()
			}
		}
		said := func() {
			for _, word := range tl.said {
				if strings.HasPrefix(word, "stalled") {
					if stalls++; stalls > 1 || paused || tl.now.Sub(tl.s.since) < tl.s.maxDelay {
						t.Fatalf("stalled %d times in one deploy, paused=%v, after %s", stalls, paused, tl.now.Sub(tl.s.since))
					}
				}
			}
			tl.said = nil
		}
		for _, op := range ops {
			switch op >> 4 {
			case 12: // while it compares, if it does
				tl.meanwhile = append(tl.meanwhile, func() {
					before := len(events)
					happens(op<<4 | op&3)
					disturbed = disturbed || len(events) != before || op&15 == 11
				})
			case 13, 14, 15:
				for end := tl.now.Add([]time.Duration{time.Millisecond, time.Second, 2 * time.Second, time.Hour}[op&3]); ; {
					at := tl.next()
					if len(events) == 0 && !tl.s.since.IsZero() {
						t.Fatal("a deploy is under way without events")
					}
					said()
					if at.IsZero() || at.After(end) {
						tl.now = end
						break
					}
					tl.now = at
				}
			default:
				happens(op)
			}
			tl.next()
			said()
			if tl.s.since.IsZero() { // temporaries alone end without a comparison
				over()
			}
		}
		tl.meanwhile = nil
		for i := range byte(4) {
			happens(8<<4 | i)
		}
		happens(10 << 4)
		tl.after(time.Hour)
		if tl.s.String() != "" {
			t.Fatalf("an hour later: %s", &tl.s)
		}
		if n := tl.take(); n != 0 {
			t.Fatalf("%d changes were never told", n)
		}
	})
}

// What is under way is named by its first, in order.
func TestSettlingString(t *testing.T) {
	var s settling
	now := time.Unix(1e9, 0)
	for i := range 3 {
		s.temp(now, place{"/app", fmt.Sprintf("lib/.%d.Ab12Cd", 3-i)}, true)
	}
	s.write(now, place{under: "/etc/app.conf"})
	want := "/etc/app.conf still changes; open for writing /etc/app.conf; temporary lib/.1.Ab12Cd and 2 more"
	if got := s.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// It asks for no time and reads no file.
func TestSettlingIsPure(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "settle.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, imp := range file.Imports {
		if !slices.Contains([]string{`"cmp"`, `"fmt"`, `"maps"`, `"slices"`, `"strings"`, `"time"`}, imp.Path.Value) {
			t.Errorf("imports %s", imp.Path.Value)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			pkg, ok := sel.X.(*ast.Ident)
			if ok && pkg.Obj == nil && pkg.Name == "time" && !slices.Contains([]string{"Time", "Duration", "Minute"}, sel.Sel.Name) {
				t.Errorf("%s: uses time.%s", fset.Position(sel.Pos()), sel.Sel.Name)
			}
		}
		return true
	})
}
