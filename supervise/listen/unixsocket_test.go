package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func lstat(t *testing.T, path string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return st
}

func TestUnixModeAndOwner(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	uid, gid := -1, -1
	if os.Getuid() == 0 {
		uid, gid = 65534, 33
	}
	for _, umask := range []int{0, 0o022, 0o077, 0o777} {
		unix.Umask(umask)
		for _, mode := range []int{0o660, 0o777, 0o600, 0, -1} {
			sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
			sp.Mode, sp.UID, sp.GID = mode, uid, gid
			s := opened(t, sp)
			want := mode
			if mode < 0 {
				want = 0o777 &^ umask
			}
			st := lstat(t, sp.Address)
			if int(st.Mode&0o7777) != want || uid >= 0 && (int(st.Uid) != uid || int(st.Gid) != gid) {
				t.Errorf("umask %04o, mode %04o: %04o %d:%d", umask, mode, st.Mode&0o7777, st.Uid, st.Gid)
			}
			checkFile(t, s.File())
			if s.Address() != sp.Address {
				t.Errorf("getsockname is %s, want %s", s.Address(), sp.Address)
			}
		}
	}
}

// What is in the way and no socket is named and left alone, whatever it leads to.
func TestUnixInTheWay(t *testing.T) {
	for _, test := range []struct {
		says string
		put  func(path, victim string) error
	}{
		{"a regular file", func(path, _ string) error { return os.WriteFile(path, []byte("kept"), 0o640) }},
		{"a directory", func(path, _ string) error { return os.Mkdir(path, 0o750) }},
		{"a symbolic link", func(path, victim string) error { return os.Symlink(victim, path) }},
		{"a symbolic link", func(path, victim string) error { return os.Symlink(victim+".none", path) }},
		{"a symbolic link", func(path, _ string) error { return os.Symlink(path, path) }},
		{"a FIFO", func(path, _ string) error { return unix.Mkfifo(path, 0o640) }},
	} {
		dir := t.TempDir()
		path, victim := filepath.Join(dir, "sock"), filepath.Join(dir, "victim")
		if err := os.WriteFile(victim, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := test.put(path, victim); err != nil {
			t.Fatal(err)
		}
		before, victimBefore := lstat(t, path), lstat(t, victim)
		sp := spec("unix", path)
		sp.Mode, sp.UID, sp.GID = 0o777, os.Getuid(), os.Getgid()
		_, err := Open(sp)
		if want := fmt.Sprintf("cannot listen on unix:%s: %s is in the way", path, test.says); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if before != lstat(t, path) || victimBefore != lstat(t, victim) {
			t.Errorf("%s has changed", test.says)
		}
		if names, _ := readNames(dir); len(names) != 2 {
			t.Errorf("%s: there are %q", test.says, names)
		}
	}
}

// A link to a socket that nobody has is no stale socket, nor is one to a live one a way to it.
func TestUnixLinkToSocket(t *testing.T) {
	dir := t.TempDir()
	stale, path := filepath.Join(dir, "stale"), filepath.Join(dir, "sock")
	if err := opened(t, spec("unix", stale)).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("stale", path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(spec("unix", path)); err == nil || !strings.Contains(err.Error(), "a symbolic link is in the way") {
		t.Error(err)
	}
	lstat(t, stale)
}

// A link on the way is fine: /var/run is one.
func TestUnixBelowLink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run", filepath.Join(dir, "var")); err != nil {
		t.Fatal(err)
	}
	s := opened(t, spec("unix", filepath.Join(dir, "var/sock")))
	if want := filepath.Join(dir, "var/sock"); s.Address() != want {
		t.Errorf("getsockname is %s, want %s", s.Address(), want)
	}
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
	if names, _ := readNames(filepath.Join(dir, "run")); len(names) != 0 {
		t.Errorf("Remove left %q", names)
	}
}

func TestUnixStale(t *testing.T) {
	sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
	sp.Mode = 0
	if err := opened(t, sp).Close(); err != nil {
		t.Fatal(err)
	}
	lstat(t, sp.Address) // Close leaves it
	sp.Mode = 0o600
	opened(t, sp)
	if st := lstat(t, sp.Address); st.Mode&0o777 != 0o600 {
		t.Errorf("mode %04o", st.Mode&0o777)
	}
	c, err := net.Dial("unix", sp.Address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	// So is that of a datagram socket that nobody has.
	sp.Address += ".log"
	fd := bindRaw(t, unix.SOCK_DGRAM, sp.Address)
	unix.Close(fd)
	opened(t, sp)
}

// bindRaw binds a unix socket that does not listen.
func bindRaw(t *testing.T, kind int, path string) (fd int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	return fd
}

// A socket that somebody has is in use, though it may refuse connections: it may be about to listen, have no room, or not
// be one to connect to.
func TestUnixLiving(t *testing.T) {
	for name, make := range map[string]func(path string) int{
		"does not listen yet": func(path string) int { return bindRaw(t, unix.SOCK_STREAM, path) },
		"datagrams":           func(path string) int { return bindRaw(t, unix.SOCK_DGRAM, path) },
		"packets":             func(path string) int { return bindRaw(t, unix.SOCK_SEQPACKET, path) },
		"full": func(path string) int {
			fd := bindRaw(t, unix.SOCK_STREAM, path)
			if err := unix.Listen(fd, 0); err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			return fd
		},
	} {
		sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
		fd := make(sp.Address)
		before := lstat(t, sp.Address)
		_, err := Open(sp)
		checkInUse(t, err, InUse{Addr: sp.String(), Pids: []int{os.Getpid()}, UID: os.Getuid()})
		if before != lstat(t, sp.Address) {
			t.Errorf("%s: the socket has changed", name)
		}
		unix.Close(fd)
	}
}

// A process of another network namespace, where the kernel does not tell us of it, is found by connecting.
func TestUnixLivingElsewhere(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a namespace")
	}
	sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
	r, end, err := runIn(task{Open: &sp}, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}, nil)
	if errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err != nil || r.Err != "" {
		t.Fatal(err, r.Err)
	}
	_, err = Open(sp)
	checkInUse(t, err, InUse{Addr: sp.String(), Pids: []int{r.Pid}, UID: 0})
	end()
	opened(t, sp)
}

// The directory is swapped for a link to another one between the look at it and the bind: the socket is made there, which
// nothing can bar, but nothing there gets its owner or mode, and it is taken back.
func TestUnixSwappedDirectory(t *testing.T) {
	for _, there := range []bool{false, true} {
		top := t.TempDir()
		dir, etc := filepath.Join(top, "dir"), filepath.Join(top, "etc")
		for _, name := range []string{dir, etc} {
			if err := os.Mkdir(name, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		sp := spec("unix", filepath.Join(dir, "sock"))
		sp.Mode, sp.UID, sp.GID = 0o777, os.Getuid(), os.Getgid()
		dirfd, err := openDir(sp.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(dirfd)
		if err := errors.Join(os.Rename(dir, dir+".old"), os.Symlink("etc", dir)); err != nil {
			t.Fatal(err)
		}
		victim := filepath.Join(dir+".old", "sock") // what the name leads to by the directory that was opened
		if there {
			if err := os.WriteFile(filepath.Join(etc, "sock"), []byte("kept"), 0o600); err != nil {
				t.Fatal(err)
			}
			victim = filepath.Join(etc, "sock")
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if id, err := bindUnix(fd, dirfd, sp); err == nil || id != (identity{}) {
			t.Errorf("bound: %v, %v", id, err)
		}
		if _, err := os.Lstat(victim); there && lstat(t, victim).Mode != unix.S_IFREG|0o600 || !there && err == nil {
			t.Errorf("%s: %v", victim, err)
		}
		if names, _ := readNames(etc); !there && len(names) > 0 {
			t.Errorf("left behind: %q", names)
		}
	}
}

// What is put in the place of the socket just made is not taken for it.
func TestUnixReplaced(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"nothing":        func(string) error { return nil },
		"a regular file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
		"a link to it":   func(path string) error { return os.Symlink(path+".old", path) },
		"a hard link":    func(path string) error { return os.Link(path+".old", path) },
		"a socket": func(path string) error {
			fd := bindRaw(t, unix.SOCK_STREAM, path)
			t.Cleanup(func() { unix.Close(fd) })
			return nil
		},
	} {
		path := filepath.Join(t.TempDir(), "sock")
		dir, err := openDir(path)
		if err != nil {
			t.Fatal(err)
		}
		fd := bindRaw(t, unix.SOCK_STREAM, path)
		if file, id, err := ours(fd, dir, "sock"); err != nil || id == (identity{}) {
			t.Errorf("it was not taken for itself: %v", err)
		} else {
			unix.Close(file)
		}
		if err := errors.Join(os.Rename(path, path+".old"), put(path)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ours(fd, dir, "sock"); err == nil {
			t.Errorf("%s was taken for the socket", name)
		}
		unix.Close(fd)
		unix.Close(dir)
	}
}

func TestUnixNoDirectory(t *testing.T) {
	dir := t.TempDir()
	_, err := Open(spec("unix", filepath.Join(dir, "a/b/sock")))
	if want := "there is no directory " + filepath.Join(dir, "a") + ":"; !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestUnixLongestPath(t *testing.T) {
	t.Chdir("/")
	dir := t.TempDir()
	path := dir + "/" + strings.Repeat("x", maxPath-len(dir)-1)
	s := opened(t, spec("unix", path))
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if s.Address() != path {
		t.Errorf("getsockname is %s", s.Address())
	}
	if _, err := Open(spec("unix", path+"x")); err == nil || !strings.Contains(err.Error(), "108 bytes") {
		t.Error(err)
	}
}

// Where owner or mode may not be set nothing is left behind.
func TestUnixOwnerRefused(t *testing.T) {
	dir := openToAll(t)
	sp := spec("unix", filepath.Join(dir, "sock"))
	sp.UID = 0
	if err := asNobody(t, task{Open: &sp}); !strings.Contains(err, "cannot make user 0, group -1 its owner: operation not permitted") {
		t.Error(err)
	}
	if names, _ := readNames(dir); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
}

func TestRemove(t *testing.T) {
	sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
	s := opened(t, sp)
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(sp.Address); !errors.Is(err, os.ErrNotExist) {
		t.Error("the path is still there")
	}
	if err := s.Remove(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a second time: %v", err)
	}
	if _, err := s.Queue(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Queue after it: %v", err)
	}

	// Another has taken the path, the directory is gone: no error, and nothing is removed.
	s = opened(t, sp)
	if err := os.Remove(sp.Address); err != nil {
		t.Fatal(err)
	}
	next := opened(t, sp)
	if err := s.Remove(); err != nil {
		t.Error(err)
	}
	lstat(t, sp.Address)
	if err := os.RemoveAll(filepath.Dir(sp.Address)); err != nil {
		t.Fatal(err)
	}
	if err := next.Remove(); err != nil {
		t.Error(err)
	}
	if err := opened(t, spec("tcp", "127.0.0.1:0")).Remove(); err != nil {
		t.Error(err)
	}
}
