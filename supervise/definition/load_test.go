package definition

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func number(id uint32) string { return strconv.FormatUint(uint64(id), 10) }

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// loaded is what was loaded, in one line.
func loaded(defs []*Definition, bad []Bad) string {
	var b strings.Builder
	for _, d := range defs {
		fmt.Fprintf(&b, "%s=%s ", d.Name, d.Command[0])
	}
	b.WriteString("bad:")
	for _, x := range bad {
		fmt.Fprintf(&b, " %s", x.Name)
	}
	return b.String()
}

func TestLoadDirs(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	for name, content := range map[string]string{
		"web.toml": "command='one'", "worker.toml": "command='one'", "api.toml": "command=", "Big.toml": "command='x'", "web.0.toml": "command='x'",
		".hidden.toml": "command=", "web.toml~": "command=", "#web.toml#": "command=", "web.toml.disabled": "command=", "README": "command=",
		".toml": "command=", "late.toml": "command='one'",
	} {
		write(t, filepath.Join(one, name), content)
	}
	write(t, filepath.Join(two, "web.toml"), "command='two'")
	write(t, filepath.Join(two, "late.toml"), "command=")
	if err := os.Symlink("nowhere", filepath.Join(two, "dangling.toml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(one, "worker.toml"), filepath.Join(two, "linked.toml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(two, "dir.toml"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(two, "fifo.toml"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(two, "huge.toml"), strings.Repeat("#", maxSource+1))

	defs, bad, err := LoadDirs([]string{one, two}, false, Defaults{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "linked=one web=two worker=one bad: Big api dangling dir fifo huge late web.0"
	if got := loaded(defs, bad); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, b := range bad {
		if !b.Problems.Errors() || b.Path == "" || !strings.HasPrefix(b.Problems.String(), b.Path) {
			t.Errorf("%s (%s): %s", b.Name, b.Path, b.Problems)
		}
	}
	if got := bad[2].Problems.String(); got != two+"/dangling.toml: cannot read it: no such file or directory\n" {
		t.Error(got)
	}
	if got := bad[3].Problems.String(); got != two+"/dir.toml: cannot read it: it is a directory, not a regular file\n" {
		t.Error(got)
	}
	if defs, bad, err := LoadDirs([]string{t.TempDir()}, false, Defaults{}); len(defs)+len(bad) > 0 || err != nil {
		t.Error("empty directory:", defs, bad, err)
	}
}

func TestUnreadableDirs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.toml"), "command='a'")
	for path, want := range map[string]string{
		dir + "/missing": "cannot read the service directory " + dir + "/missing: no such file or directory",
		dir + "/a.toml":  "cannot read the service directory " + dir + "/a.toml: not a directory",
	} {
		if defs, bad, err := LoadDirs([]string{dir, path}, false, Defaults{}); defs != nil || bad != nil || err == nil || err.Error() != want {
			t.Errorf("got %v, %v, %v", defs, bad, err)
		}
	}
}

func TestLoadFiles(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	for _, path := range []string{one + "/web.toml", two + "/web.toml", two + "/api.toml", two + "/api.conf"} {
		write(t, path, "command='x'")
	}
	tests := []struct {
		files []string
		want  string
	}{
		{[]string{two + "/api.toml", one + "/web.toml"}, "api=x web=x bad:"},
		{[]string{one + "/web.toml", two + "/web.toml", two + "/api.toml"}, "api=x bad: web web"},
		{[]string{one + "/web.toml", one + "/web.toml"}, "bad: web web"},
		{[]string{two + "/api.conf", two + "/no.toml"}, "bad: api.conf no"},
	}
	for _, tt := range tests {
		defs, bad, err := LoadFiles(tt.files, false, Defaults{})
		if got := loaded(defs, bad); got != tt.want || err != nil {
			t.Errorf("%s: got %s, %v, want %s", tt.files, got, err, tt.want)
		}
	}
	_, bad, _ := LoadFiles([]string{one + "/web.toml", two + "/web.toml"}, false, Defaults{})
	if got := bad[0].Problems.String(); !strings.HasPrefix(got, one+"/web.toml: duplicate name: "+two+"/web.toml is a service \"web\" too\n") {
		t.Error(got)
	}
	if _, _, err := LoadFiles(nil, false, Defaults{}); err == nil {
		t.Error("no file is no error")
	}
}

func TestTwoMains(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a.toml", "command='x'\n\n  main = true")
	write(t, dir+"/b.toml", "command='x'")
	write(t, dir+"/c.toml", "main=true\ncommand='x'")
	defs, bad, err := LoadDirs([]string{dir}, false, Defaults{})
	if got := loaded(defs, bad); got != "b=x bad: a c" || err != nil {
		t.Fatal(got, err)
	}
	want := dir + "/a.toml:3:3: main: two services cannot be main\n    3 |   main = true\n      |   ^^^^ " + dir + "/c.toml is main too: keep one\n"
	if got := bad[0].Problems.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What a non-root user could change is refused. Without being root nothing can be made that
// is root's, so then it is only seen that everything of this user is refused.
func TestTrust(t *testing.T) {
	dir := t.TempDir()
	root := os.Geteuid() == 0
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	make := func(name string) string {
		t.Helper()
		sub := filepath.Join(dir, name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, sub+"/web.toml", "command='x'")
		return sub
	}
	chown := func(path string) {
		t.Helper()
		if root {
			if err := os.Lchown(path, 12345, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	link := func(to, at string) {
		t.Helper()
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	good, owned, fileOwned, open, fileOpen, groupOpen := make("good"), make("owned"), make("file-owned"), make("open"), make("file-open"), make("group-open")
	chown(owned)
	chown(fileOwned + "/web.toml")
	chmod(open, 0o777|os.ModeSticky)
	chmod(fileOpen+"/web.toml", 0o666)
	chmod(groupOpen, 0o775)
	links := make("links")
	link("../good/web.toml", links+"/good.toml")
	link(fileOpen+"/./web.toml", links+"/to-open.toml")
	link("../owned/../good/web.toml", links+"/through-owned.toml")
	link("loop.toml", links+"/loop.toml")
	link("good.toml", links+"/again.toml")
	sticky := make("sticky")
	chmod(sticky, 0o777|os.ModeSticky)
	link(good, sticky+"/mine")
	link(good, sticky+"/foreign")
	chown(sticky + "/foreign")

	tests := []struct {
		path string
		why  string // as root; "" = trusted
	}{
		{good, ""},
		{good + "/web.toml", ""},
		{owned, owned + " belongs to uid 12345, who could change it"},
		{fileOwned, ""},
		{fileOwned + "/web.toml", fileOwned + "/web.toml belongs to uid 12345, who could change it"},
		{open, open + " is writable for others than root"},
		{open + "/web.toml", ""}, // the sticky bit keeps it
		{fileOpen + "/web.toml", fileOpen + "/web.toml is writable for others than root"},
		{groupOpen, groupOpen + " is writable for others than root"},
		{groupOpen + "/web.toml", groupOpen + " is writable for others than root"},
		{links + "/good.toml", ""},
		{links + "/again.toml", ""},
		{links + "/to-open.toml", fileOpen + "/web.toml is writable for others than root"},
		{links + "/through-owned.toml", owned + " belongs to uid 12345, who could change it"},
		{links + "/loop.toml", "too many symbolic links"},
		{sticky + "/mine/web.toml", ""},
		{sticky + "/foreign/web.toml", sticky + "/foreign belongs to uid 12345, who could change it"},
		{good + "/missing.toml", "no such file or directory"},
	}
	for _, tt := range tests {
		d := trusted(tt.path)
		switch {
		case !root:
			if d == nil {
				t.Errorf("%s is trusted", tt.path)
			}
		case tt.why == "" && d != nil:
			t.Errorf("%s: %s", tt.path, d.why)
		case tt.why != "" && (d == nil || d.why != tt.why || d.todo == ""):
			t.Errorf("%s: got %+v, want %s", tt.path, d, tt.why)
		}
	}
	if d := trusted("/etc/passwd"); d != nil {
		t.Error(d.why)
	}
	if !root {
		return
	}
	for _, sub := range []string{open, groupOpen, owned} {
		if _, _, err := LoadDirs([]string{good, sub}, true, Defaults{}); err == nil || !strings.Contains(err.Error(), "ch") {
			t.Errorf("%s: %v", sub, err)
		}
	}
	defs, bad, err := LoadDirs([]string{fileOpen, links}, true, Defaults{})
	if got := loaded(defs, bad); got != "again=x good=x web=x bad: loop through-owned to-open" || err != nil {
		t.Error(got, err)
	}
	_, bad, _ = LoadFiles([]string{fileOpen + "/web.toml"}, true, Defaults{})
	want := fileOpen + "/web.toml: refused as root: " + fileOpen + "/web.toml is writable for others than root\n    chmod go-w " + fileOpen + "/web.toml\n"
	if len(bad) != 1 || bad[0].Problems.String() != want {
		t.Errorf("got %v, want %s", bad, want)
	}
}
