package logs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestDirRefusesWhatOthersPutThere: nothing is gained by what lies in the place of a file of gsv's, and nobody waits for it.
func TestDirRefusesWhatOthersPutThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		make func(at string) error
	}{
		{"link", func(at string) error { return os.Symlink(outside, at) }},
		{"dangling", func(at string) error { return os.Symlink(outside+"2", at) }},
		{"second-name", func(at string) error { return os.Link(outside, at) }},
		{"fifo", func(at string) error { return unix.Mkfifo(at, 0o600) }},
		{"directory", func(at string) error { return os.Mkdir(at, 0o700) }},
		{"others", func(at string) error {
			if err := os.WriteFile(at, nil, 0o666); err != nil || os.Geteuid() != 0 {
				return errors.Join(err, os.Remove(at), os.Symlink(outside, at))
			}
			return os.Chown(at, 65534, 65534)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.make(filepath.Join(path, tt.name)); err != nil {
				t.Fatal(err)
			}
			for _, flags := range []int{unix.O_RDONLY, unix.O_RDWR | unix.O_APPEND | unix.O_CREAT} {
				if f, err := d.Open(tt.name, flags, 0o600); err == nil {
					f.Close()
					t.Errorf("opened with %#x", flags)
				}
			}
		})
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "theirs" {
		t.Errorf("the file outside is %q, %v", text, err)
	}
	if _, err := os.Lstat(outside + "2"); err == nil {
		t.Error("a file was made outside")
	}
}

func TestDirOpensItsOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "log")
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.Open("x", unix.O_RDONLY, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	f, err := d.Open("x", unix.O_RDWR|unix.O_APPEND|unix.O_CREAT, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Mode() != 0o600 || !d.Is("x", f) {
		t.Errorf("made %v, %v", st, err)
	}
	if err := d.Rename("x", "y"); err != nil || d.Is("x", f) || !d.Is("y", f) {
		t.Errorf("renamed: %v", err)
	}
	if err := d.Rename("x", "y"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("renaming nothing: %v", err)
	}
}
