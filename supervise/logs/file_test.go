package logs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever lies where the log should be, nothing but gsv's own log is written.
func TestHostileLogFile(t *testing.T) {
	type place struct{ dir, log, victim string }
	tests := []struct {
		name, want string
		plant      func(t *testing.T, p place) error
		root       bool
	}{
		{"symlink", "symbolic link", func(t *testing.T, p place) error { return os.Symlink(p.victim, p.log) }, false},
		{"dangling", "symbolic link", func(t *testing.T, p place) error { return os.Symlink(p.victim+".new", p.log) }, false},
		{"hardlink", "hard link", func(t *testing.T, p place) error { return os.Link(p.victim, p.log) }, false},
		{"fifo", "not a regular file", func(t *testing.T, p place) error { return unix.Mkfifo(p.log, 0o666) }, false},
		{"directory", "is a directory", func(t *testing.T, p place) error { return os.Mkdir(p.log, 0o755) }, false},
		{"device", "not a regular file", func(t *testing.T, p place) error { return unix.Mknod(p.log, unix.S_IFCHR|0o666, 1<<8|3) }, true},
		{"foreign file", "belongs to uid 12345", func(t *testing.T, p place) error {
			return errors.Join(os.WriteFile(p.log, nil, 0o666), os.Chown(p.log, 12345, -1))
		}, true},
		{"open directory", "chmod go-w", func(t *testing.T, p place) error { return os.Chmod(p.dir, 0o777) }, true},
		{"group's directory", "chmod go-w", func(t *testing.T, p place) error { return os.Chmod(p.dir, 0o775) }, true},
		{"foreign directory", "chown root", func(t *testing.T, p place) error { return os.Chown(p.dir, 12345, -1) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.root && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			r := newRig(t)
			p := place{r.logs, filepath.Join(r.logs, "web.log"), filepath.Join(r.parts, "victim")}
			if err := os.WriteFile(p.victim, []byte("safe"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tt.plant(t, p); err != nil {
				t.Fatal(err)
			}
			key := Key{Name: "web", Gen: 1}
			child := r.run(key, NewFile(r.logs, "web"))
			other := r.run(Key{Name: "other", Gen: 1}, NewFile(t.TempDir(), "other"))
			r.write(child, "1234567\n")
			pr := <-r.problems
			if pr.Name != "web" || pr.Err == nil || !strings.Contains(pr.Err.Error(), tt.want) || pr.Dropped != 0 {
				t.Errorf("%+v", pr)
			}
			t.Log(pr.Err)
			r.write(child, "more\n") // is told once only
			r.sync(key)
			r.write(other, "fine\n")
			r.sync(Key{Name: "other", Gen: 1})
			r.wantFile(p.victim, "safe")
			if _, err := os.Lstat(p.victim + ".new"); err == nil {
				t.Error("made through a symbolic link")
			}

			// Mended by the operator.
			if err := os.RemoveAll(p.dir); err != nil {
				t.Fatal(err)
			}
			r.write(child, "again\n")
			if pr := <-r.problems; pr != (Problem{Name: "web", Dropped: 13}) {
				t.Errorf("%+v", pr)
			}
			r.sync(key)
			r.wantFile(p.log, "[gsv: 13 bytes of output are missing here]\nagain\n")
		})
	}
}

func TestCheckDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := CheckDir(dir); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, filepath.Join(file, "below"), "/proc/none"} {
		if err := CheckDir(bad); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if os.Geteuid() == 0 {
		on := filepath.Dir(dir)
		for _, spoil := range []func() error{func() error { return os.Chmod(on, 0o757) }, func() error { return os.Chown(on, 12345, -1) }} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if err := CheckDir(dir); err == nil || !strings.Contains(err.Error(), "on the way") {
				t.Errorf("a way that others can change: %v", err)
			}
			if err := errors.Join(os.Chmod(on, 0o755), os.Chown(on, 0, -1)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, 0o757); err != nil {
			t.Fatal(err)
		}
		if err := CheckDir(dir); err == nil {
			t.Error("a directory open to all")
		}
	}
}

// A full disk blocks nobody; the gap is told, and marked where it is.
func TestFullDisk(t *testing.T) {
	if !inNamespaces(t, "TestFullDisk") {
		return
	}
	for _, copying := range []bool{false, true} {
		r := newRig(t)
		if err := unix.Mount("logs", r.logs, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(r.logs, unix.MNT_DETACH) })
		key := Key{Name: "web", Gen: 1}
		file := NewFile(r.logs, "web")
		file.copying = copying
		child := r.run(key, file)
		r.write(child, "begin\n")
		r.sync(key)
		filler := filepath.Join(r.logs, "filler")
		err := os.WriteFile(filler, make([]byte, 64<<10), 0o600)
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("not full: %v", err)
		}
		line := strings.Repeat("x", 99) + "\n"
		const lines = 5000
		for range lines {
			r.write(child, line) // would block for ever if it were not dropped
		}
		r.sync(key)
		if pr := <-r.problems; pr.Name != "web" || !errors.Is(pr.Err, unix.ENOSPC) {
			t.Fatalf("%+v", pr)
		}
		kept, err := os.ReadFile(file.Path())
		if err != nil || len(kept) > 8192 {
			t.Fatalf("%d bytes, %v", len(kept), err)
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		r.write(child, "end\n")
		pr := <-r.problems
		if want := int64(len("begin\n") + lines*len(line) - len(kept)); pr != (Problem{Name: "web", Dropped: want}) {
			t.Fatalf("%+v, want %d dropped", pr, want)
		}
		r.sync(key)
		got, err := os.ReadFile(file.Path())
		if err != nil {
			t.Fatal(err)
		}
		after, ok := strings.CutPrefix(string(got), string(kept))
		if !ok || !strings.HasPrefix(strings.TrimPrefix(after, "\n"), "[gsv: ") || !strings.HasSuffix(after, "missing here]\nend\n") {
			t.Fatalf("%q", after)
		}
	}
}

func TestFileChangedByOthers(t *testing.T) {
	r := newRig(t)
	key := Key{Name: "web", Gen: 1}
	file := NewFile(r.logs, "web")
	child := r.run(key, file)
	say := func(s string) { r.Helper(); r.write(child, s); r.sync(key) }

	say("one\n")
	if err := os.Truncate(file.Path(), 0); err != nil { // copytruncate
		t.Fatal(err)
	}
	say("two\n")
	r.wantFile(file.Path(), "two\n")

	f, err := os.OpenFile(file.Path(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	r.write(f, "by hand\n")
	f.Close()
	say("three\n")
	r.wantFile(file.Path(), "two\nby hand\nthree\n")

	if err := os.Remove(file.Path()); err != nil {
		t.Fatal(err)
	}
	say("four\n")
	r.wantFile(file.Path(), "four\n")

	moved := file.Path() + ".1"
	if err := os.Rename(file.Path(), moved); err != nil {
		t.Fatal(err)
	}
	file.Mark() // has it look at once
	say("five\n")
	r.wantFile(moved, "four\n")
	r.wantFile(file.Path(), "five\n")
	if err := os.Rename(file.Path(), moved); err != nil {
		t.Fatal(err)
	}
	if err := r.Reopen(t.Context()); err != nil {
		t.Fatal(err)
	}
	say("six\n")
	r.wantFile(moved, "five\n")
	r.wantFile(file.Path(), "six\n")

	if err := os.RemoveAll(r.logs); err != nil {
		t.Fatal(err)
	}
	say("seven\n")
	r.wantFile(file.Path(), "seven\n")
	if st, _ := os.Stat(r.logs); st.Mode().Perm()&0o022 != 0 {
		t.Error(st.Mode())
	}
	select {
	case pr := <-r.problems:
		t.Errorf("%+v", pr)
	default:
	}
}
