package listen

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// copyOf is another descriptor of a socket, as the guardian would hand it back.
func copyOf(t *testing.T, s *Socket) *os.File {
	t.Helper()
	fd, err := unix.FcntlInt(uintptr(raw(t, s.File())), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "held")
	t.Cleanup(func() { f.Close() })
	return f
}

func TestAdopt(t *testing.T) {
	dir := t.TempDir()
	six := spec("tcp", "[::]:0")
	six.V6Only = true
	for _, sp := range []Spec{
		spec("tcp", "127.0.0.1:0"), spec("tcp", "[::1]:0"), spec("tcp", "[::]:0"), six, spec("udp", "127.0.0.1:0"), spec("unix", filepath.Join(dir, "sock")),
	} {
		sp.Backlog = 5
		old := opened(t, sp)
		sp.Address = old.Address()
		held := copyOf(t, old)
		if err := old.Close(); err != nil {
			t.Fatal(err)
		}
		sp.Backlog = 7
		s, err := Adopt(sp, held)
		if err != nil {
			t.Error(err)
			continue
		}
		if s.Inode() != old.Inode() || s.Spec() != sp || s.Address() != sp.Address {
			t.Errorf("%s: socket %d for %d, at %s", sp, s.Inode(), old.Inode(), s.Address())
		}
		if q, err := s.Queue(); err != nil || sp.Network != "udp" && q.Max != 7 {
			t.Errorf("%s: %+v, %v", sp, q, err)
		}
		if err := held.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: what was adopted is still open", sp)
		}
		checkFile(t, s.File())
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
	}
	if names, _ := readNames(dir); len(names) != 0 {
		t.Errorf("Remove left %q", names)
	}
}

func TestAdoptAnother(t *testing.T) {
	dir := t.TempDir()
	tcp := opened(t, spec("tcp", "127.0.0.1:0"))
	udp := opened(t, spec("udp", tcp.Address()))
	path := opened(t, spec("unix", filepath.Join(dir, "sock")))
	both := opened(t, spec("tcp", "[::]:0"))
	c, err := net.Dial("tcp", tcp.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := net.FileListener(tcp.File())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted, err := l.Accept() // its address is the listening socket's
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	connection, err := accepted.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	anonymous := os.NewFile(uintptr(event), "event")
	defer anonymous.Close()
	unbound, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	none := os.NewFile(uintptr(unbound), "unbound")
	defer none.Close()
	six := spec("tcp", both.Address())
	six.V6Only = true
	for _, test := range []struct {
		spec Spec
		file *os.File
		says string
	}{
		{spec("tcp", tcp.Address()), udp.File(), "it is a socket of another kind"},
		{spec("udp", udp.Address()), tcp.File(), "it is a socket of another kind"},
		{spec("unix", path.Address()), tcp.File(), "it is a socket of another kind"},
		{spec("tcp", tcp.Address()), path.File(), "it is a socket of another kind"},
		{spec("tcp", tcp.Address()), both.File(), "its address is " + both.Address()},
		{spec("tcp", "127.0.0.2:"+port(t, tcp)), tcp.File(), "its address is " + tcp.Address()},
		{spec("tcp", "0.0.0.0:"+port(t, tcp)), tcp.File(), "its address is " + tcp.Address()},
		{spec("unix", path.Address()+"x"), path.File(), `its path is "` + path.Address() + `"`},
		{six, both.File(), "whether it takes IPv4 too cannot be changed any more"},
		{spec("tcp", tcp.Address()), connection, "it is a connection"},
		{spec("tcp", tcp.Address()), null, "it is a device, no socket"},
		{spec("tcp", tcp.Address()), file, "it is a regular file, no socket"},
		{spec("tcp", tcp.Address()), anonymous, "no socket"},
		{spec("tcp", "127.0.0.1:0"), none, "its address is 0.0.0.0:0"},
		{spec("tcp", "0.0.0.0:0"), none, "its address is 0.0.0.0:0"},
		{spec("sctp", tcp.Address()), tcp.File(), "it is a socket of another kind"},
	} {
		s, err := Adopt(test.spec, test.file)
		if s != nil || err == nil || !strings.HasPrefix(err.Error(), "cannot go on listening on "+test.spec.String()+": "+test.says) && !strings.HasSuffix(err.Error(), test.says) {
			t.Errorf("%s: %v, want %s", test.spec, err, test.says)
		}
		if err := control(test.file, func(int) error { return nil }); err != nil {
			t.Errorf("%s: the file: %v", test.spec, err)
		}
	}
	null.Close()
	if _, err := Adopt(spec("tcp", tcp.Address()), null); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed one: %v", err)
	}
}

// The path of a unix socket gets another mode and owner, unless it is another's.
func TestAdoptPath(t *testing.T) {
	sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
	sp.Mode = 0o600
	old := opened(t, sp)
	sp.Mode = 0o666
	if os.Getuid() == 0 {
		sp.UID, sp.GID = 65534, 33
	}
	s, err := Adopt(sp, copyOf(t, old))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if st := lstat(t, sp.Address); st.Mode&0o777 != 0o666 || sp.UID >= 0 && (st.Uid != 65534 || st.Gid != 33) {
		t.Errorf("%04o %d:%d", st.Mode&0o777, st.Uid, st.Gid)
	}

	moved := sp.Address + ".old"
	for says, put := range map[string]func() error{
		"its path has been removed":                     func() error { return nil },
		"another file, a symbolic link, is at its path": func() error { return os.Symlink(moved, sp.Address) },
		"another file, a regular file, is at its path":  func() error { return os.WriteFile(sp.Address, nil, 0o600) },
		"another file, a socket, is at its path": func() error {
			next := opened(t, spec("unix", sp.Address))
			t.Cleanup(func() { _ = next.Remove() })
			return nil
		},
	} {
		if err := errors.Join(os.Rename(sp.Address, moved), put()); err != nil {
			t.Fatal(err)
		}
		before := lstat(t, moved)
		sp.Mode = 0o640
		if s, err := Adopt(sp, copyOf(t, old)); s != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
		if before != lstat(t, moved) {
			t.Errorf("%s: the socket has changed", says)
		}
		if err := errors.Join(ignoring(os.Remove(sp.Address), os.ErrNotExist), os.Rename(moved, sp.Address)); err != nil {
			t.Fatal(err)
		}
	}
}

// A server that shuts down the socket it shares, as plain Net::Server does, leaves it deaf. It listens again.
func TestAdoptShut(t *testing.T) {
	for _, sp := range []Spec{spec("tcp", "127.0.0.1:0"), spec("tcp", "[::]:0")} {
		sp.ReusePort = true
		first := opened(t, sp)
		sp.Address = first.Address() // a port that was asked for
		old := opened(t, sp)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		if err := unix.Shutdown(raw(t, old.File()), unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		if _, err := old.Queue(); !errors.Is(err, ErrShut) {
			t.Errorf("%s: %v", sp, err)
		}
		s, err := Adopt(sp, copyOf(t, old))
		if err != nil {
			t.Error(err)
			continue
		}
		defer s.Close()
		c, err := net.Dial("tcp", sp.Address)
		if err != nil {
			t.Error(err)
			continue
		}
		c.Close()
	}
}

// Reuse-port can be had later too: another may bind it then.
func TestAdoptReusePort(t *testing.T) {
	sp := spec("tcp", "127.0.0.1:0")
	old := opened(t, sp)
	sp.Address, sp.ReusePort = old.Address(), true
	s, err := Adopt(sp, copyOf(t, old))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	opened(t, sp)
}

// A server may have set O_NONBLOCK on what we share: it stays so, and the poller does not get it.
func TestNonblockingIsNotPolled(t *testing.T) {
	old := opened(t, spec("tcp", "127.0.0.1:0"))
	if err := unix.SetNonblock(raw(t, old.File()), true); err != nil {
		t.Fatal(err)
	}
	sp := spec("tcp", old.Address())
	s, err := Adopt(sp, copyOf(t, old))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	regained, err := Regain(os.Getpid(), old.Inode())
	if err != nil {
		t.Fatal(err)
	}
	defer regained.Close()
	fds := openFds(t)
	for _, f := range []*os.File{s.File(), regained} {
		fd := raw(t, f)
		if polled(t, fd) {
			t.Errorf("%s: the poller has it", f.Name())
		}
		if int(f.Fd()) != fd {
			t.Errorf("Fd is %d, want %d", f.Fd(), fd)
		}
		for name, want := range map[int]int{unix.F_GETFL: unix.O_NONBLOCK, unix.F_GETFD: unix.FD_CLOEXEC} {
			if flags, err := unix.FcntlInt(uintptr(fd), name, 0); err != nil || flags&want == 0 {
				t.Errorf("%s: flags %#x, %v", f.Name(), flags, err)
			}
		}
	}
	if n := openFds(t); n != fds {
		t.Errorf("%d descriptors more", n-fds)
	}
}
