package supervise

import (
	"os"
	"path/filepath"
	"testing"

	"gsv/supervise/definition"
	"gsv/supervise/procfs"
)

// The process that was seen, and no other that has got its pid since, becomes a main process.
func TestRehomeKnowsProcessesByTheirStart(t *testing.T) {
	p, err := procfs.Read(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p.Start-- // it was another's
	r := &run{n: 1, born: 1, pid: 1}
	s := &Supervisor{mains: map[int]int{}}
	if s.rehome(&service{name: "web", runs: map[int]*run{1: r}}, 1, p) || r.pid != 1 || r.n != 1 {
		t.Errorf("the main process is %d", r.pid)
	}
}

// A pid-file is removed with gsv's rights, and its directory may be the service's user's to turn.
func TestStalePidFileOfAnotherUserIsLeft(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a service as another user")
	}
	const web, other = 65533, 65532
	dir := t.TempDir()
	file := filepath.Join(dir, "web.pid")
	d := &definition.Definition{Name: "web", User: "65533", Group: "65533", PidFile: file}
	for _, tt := range []struct {
		name string
		uid  int
		link bool
		left bool
	}{
		{"its own", web, false, false},
		{"another user's", other, false, true},
		{"root's", 0, false, true},
		{"a link of its own", web, true, true},
	} {
		os.Remove(file)
		at := file
		if tt.link {
			at = filepath.Join(dir, "elsewhere")
		}
		if err := os.WriteFile(at, []byte("1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if tt.link {
			if err := os.Symlink(at, file); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Lchown(file, tt.uid, tt.uid); err != nil {
			t.Fatal(err)
		}
		removeStale(d)
		if _, err := os.Stat(at); (err == nil) != tt.left {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := os.Lstat(file); (err == nil) != tt.left {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	d.User, d.Group = "", ""
	os.Remove(file)
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if removeStale(d); exists(file) {
		t.Error("that of root's own service is left")
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
