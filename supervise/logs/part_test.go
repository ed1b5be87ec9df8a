package logs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTidy(t *testing.T) {
	dir := t.TempDir()
	others := []string{"web.part", ".1.part", "web.1", "web.01.part", "web.+1.part", "web.-1.part", "web.1.part.x", "part", ".part", "web..part"}
	for _, name := range append([]string{"web.1.part", "web.2.part", "a.b.3.part", "old.7.part"}, others...) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"dir.1.part", "fifo.1.part", "link.1.part"} {
		path := filepath.Join(dir, name)
		var err error
		switch {
		case strings.HasPrefix(name, "dir"):
			err = os.Mkdir(path, 0o700)
		case strings.HasPrefix(name, "fifo"):
			err = unix.Mkfifo(path, 0o600)
		default:
			err = os.Symlink("web.1", path)
		}
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, name)
	}
	var asked []string
	err := Tidy(dir, func(k Key) bool {
		asked = append(asked, k.String())
		return k == Key{Name: "web", Gen: 2} || k == Key{Name: "a.b", Gen: 3}
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"a.b.3", "old.7", "web.1", "web.2"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v, want %v", asked, want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := append(others, "web.2.part", "a.b.3.part")
	slices.Sort(want)
	if !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

func TestTidyOfWhatIsNoDirectory(t *testing.T) {
	dir := t.TempDir()
	none := func(Key) bool { return false }
	if err := Tidy(filepath.Join(dir, "none"), none); err != nil {
		t.Errorf("missing: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Tidy(file, none); err == nil || !strings.HasPrefix(err.Error(), "cannot tidy ") {
		t.Error(err)
	}
}

// Without a directory, or where it cannot be used, nothing is missing from what
// one Pump reads, and nothing is written elsewhere.
func TestLinesWithoutDir(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"", "/proc/none"} {
		p, err := NewPump(Options{Dir: dir, Problem: func(p Problem) { t.Errorf("%q: %+v", dir, p) }})
		if err != nil {
			t.Fatal(err)
		}
		key, out := Key{Name: "web", Gen: 1}, newOutput(t)
		child, reader, err := Make(key, -1)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Add(key, reader, out.As(Prefix)); err != nil {
			t.Fatal(err)
		}
		reader.Close()
		for _, s := range []string{"o", "ne\ntw", "o\n" + strings.Repeat("x", maxLine), "y"} {
			if _, err := child.WriteString(s); err != nil {
				t.Fatal(err)
			}
			if err := p.Sync(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		p.Release(key)
		child.Close()
		done := make(chan struct{})
		p.tell.add(func(*Options) { close(done) })
		if err := p.wait(t.Context(), p.lines, func() {}); err != nil {
			t.Fatal(err)
		}
		<-done
		p.Close()
		want := "web | one\nweb | two\nweb | " + strings.Repeat("x", maxLine) + "…\nweb | …y\n"
		if got := out.text(); got != want {
			t.Errorf("%q: %d bytes, want %d: %q", dir, len(got), len(want), clip([]byte(got)))
		}
		if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
			t.Errorf("%q: left %v, %v", dir, left, err)
		}
	}
}

// What is left of runs whose pipes are gone is written.
func TestSalvage(t *testing.T) {
	r := newRig(t)
	left := map[string]string{"web.3.spill": strings.Repeat("\x00", spillHeader) + "two", "web.12.spill": strings.Repeat("\x00", spillHeader) + "three",
		"web.3.part": "", "api.2.part": "begin", "x.1.seen": ""}
	for name, text := range left {
		if err := os.WriteFile(filepath.Join(r.parts, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	found := Left(r.parts)
	if want := []Key{{Name: "api", Gen: 2}, {Name: "web", Gen: 3}, {Name: "web", Gen: 12}}; !slices.Equal(found, want) {
		t.Fatalf("%v, want %v", found, want)
	}
	file := NewFile(r.logs, "web")
	file.Set(Policy{Timestamp: true})
	out := newOutput(t)
	for i, sink := range []Sink{out.As(Prefix), file, file} {
		if err := r.Salvage(found[i], sink); err != nil {
			t.Fatal(err)
		}
		if key := <-r.drained; key != found[i] {
			t.Errorf("%v", key)
		}
	}
	if got := unstamped(t, whole(t, file)); got != "two\nthree\n" {
		t.Errorf("%q", got)
	}
	if got := out.text(); got != "api | begin\n" {
		t.Errorf("%q", got)
	}
	if kept, err := os.ReadDir(r.parts); err != nil || len(kept) != 2 {
		t.Errorf("%v, %v", kept, err)
	}
}
