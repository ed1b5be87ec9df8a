package listen

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOpenSets(t *testing.T) {
	for _, test := range []struct {
		network, address    string
		v6only, reuse       bool
		domain, only, other int
	}{
		{"tcp", "127.0.0.1:0", false, false, unix.AF_INET, -1, 0},
		{"tcp", "0.0.0.0:0", false, true, unix.AF_INET, -1, 1},
		{"tcp", "[::1]:0", false, false, unix.AF_INET6, -1, 0}, // the kernel sets it for all but [::]
		{"tcp", "[::]:0", false, false, unix.AF_INET6, 0, 0},
		{"tcp", "[::]:0", true, true, unix.AF_INET6, 1, 1},
		{"udp", "127.0.0.1:0", false, false, unix.AF_INET, -1, 0},
		{"udp", "[::]:0", false, true, unix.AF_INET6, 0, 1},
	} {
		sp := spec(test.network, test.address)
		sp.V6Only, sp.ReusePort = test.v6only, test.reuse
		s := opened(t, sp)
		if s.Spec() != sp {
			t.Errorf("%v: the spec became %v", sp, s.Spec())
		}
		tcp := number(test.network == "tcp")
		for name, want := range map[int]int{unix.SO_DOMAIN: test.domain, unix.SO_ACCEPTCONN: tcp, unix.SO_REUSEADDR: tcp, unix.SO_REUSEPORT: test.other} {
			if got := option(t, s, unix.SOL_SOCKET, name); got != want {
				t.Errorf("%s: option %d is %d, want %d", sp, name, got, want)
			}
		}
		if test.only >= 0 && option(t, s, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY) != test.only {
			t.Errorf("%s, %v: IPV6_V6ONLY is not %d", sp, test.v6only, test.only)
		}
		checkFile(t, s.File())
		if strings.HasSuffix(s.Address(), ":0") {
			t.Errorf("%s: no port in %s", sp, s.Address())
		}
	}
}

// checkFile checks that a descriptor does not leak to children, is blocking, and not the poller's.
func checkFile(t *testing.T, f *os.File) {
	t.Helper()
	fd := raw(t, f)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("%s: flags %#x, %v: no FD_CLOEXEC", f.Name(), flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("%s: flags %#x, %v: it is not blocking", f.Name(), flags, err)
	}
	if polled(t, fd) {
		t.Errorf("%s: the poller has it", f.Name())
	}
}

// One that takes IPv6 alone leaves IPv4 free, one for both does not.
func TestDualStack(t *testing.T) {
	four := opened(t, spec("tcp", "127.0.0.1:0"))
	sp := spec("tcp", "[::]:"+port(t, four))
	_, err := Open(sp)
	checkInUse(t, err, InUse{Addr: sp.String(), At: four.Address(), Pids: []int{os.Getpid()}, UID: os.Getuid()})
	sp.V6Only = true
	six := opened(t, sp)
	opened(t, spec("tcp", "127.0.0.2:"+port(t, six))) // 127.0.0.1 has that port, [::] has it in IPv6 alone

	both := opened(t, spec("tcp", "[::]:0"))
	c, err := net.Dial("tcp", "127.0.0.1:"+port(t, both))
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	for _, address := range []string{"127.0.0.1:", "0.0.0.0:", "[::1]:", "[::]:"} {
		sp := spec("tcp", address+port(t, both))
		_, err := Open(sp)
		want := InUse{Addr: sp.String(), At: both.Address(), Pids: []int{os.Getpid()}, UID: os.Getuid()}
		if want.At == sp.Address {
			want.At = ""
		}
		checkInUse(t, err, want)
	}
}

// What is connected while no process accepts is served later.
func TestBacklogWaits(t *testing.T) {
	for _, sp := range []Spec{spec("tcp", "127.0.0.1:0"), spec("unix", t.TempDir()+"/sock")} {
		s := opened(t, sp)
		for range 100 {
			c, err := net.Dial(sp.Network, s.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
		}
		if q, err := s.Queue(); err != nil || q.Waiting != 100 {
			t.Errorf("%s: %+v, %v", sp, q, err)
		}
		l, err := net.FileListener(s.File()) // a server
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for range 100 {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 5)
			if _, err := c.Read(b); err != nil || string(b) != "hello" {
				t.Errorf("%s: %q, %v", sp, b, err)
			}
			c.Close()
		}
		if q, err := s.Queue(); err != nil || q.Waiting != 0 {
			t.Errorf("%s: %+v, %v", sp, q, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	fds := openFds(t)
	for _, test := range []struct {
		network, address, says string
		is                     error
	}{
		{"tcp", "192.0.2.1:0", "cannot listen on 192.0.2.1:0: there is no address 192.0.2.1 on this host", unix.EADDRNOTAVAIL},
		{"udp", "192.0.2.1:0", "cannot listen on udp:192.0.2.1:0: there is no address 192.0.2.1 on this host", unix.EADDRNOTAVAIL},
		{"tcp", "localhost:80", `"localhost:80" is no numeric HOST:PORT`, nil},
		{"tcp", ":80", `":80" is no numeric HOST:PORT`, nil},
		{"tcp", "127.0.0.1:65536", "is no numeric HOST:PORT", nil},
		{"tcp", "127.0.0.1", "is no numeric HOST:PORT", nil},
		{"tcp", "[fe80::1%nosuch0]:0", "there is no interface nosuch0", nil},
		{"sctp", "127.0.0.1:0", `there is no network "sctp"`, nil},
		{"unix", "run/sock", "cannot listen on unix:run/sock: the path is not absolute", nil},
		{"unix", "@sock", "the path is not absolute", nil},
		{"unix", "", "the path is not absolute", nil},
		{"unix", "/tmp/", "the path is a directory's", nil},
		{"unix", "/tmp/..", "the path is a directory's", nil},
		{"unix", "/tmp/a\x00b", "NUL", nil},
		{"unix", "/" + strings.Repeat("x", 107), "the path has 108 bytes, a unix socket's at most 107", nil},
		{"unix", "/dev/null/sock", "cannot enter /dev/null: not a directory", unix.ENOTDIR},
	} {
		s, err := Open(spec(test.network, test.address))
		if s != nil || err == nil || !strings.Contains(err.Error(), test.says) || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s %q: %v, want %q", test.network, test.address, err, test.says)
		}
	}
	if n := openFds(t); n != fds {
		t.Errorf("%d descriptors were left open", n-fds)
	}
}

func TestPrivilegedPort(t *testing.T) {
	if unprivileged() < 2 {
		t.Skip("all ports are everybody's here")
	}
	sp := spec("tcp", "127.0.0.1:1")
	if err := asNobody(t, task{Open: &sp}); !strings.Contains(err, "cannot listen on 127.0.0.1:1: permission denied: ports below 1024 take root or CAP_NET_BIND_SERVICE") {
		t.Error(err)
	}
}

func TestPrivate(t *testing.T) {
	f, at, err := Private()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !strings.HasPrefix(at, "127.0.0.1:") {
		t.Error(at)
	}
	checkFile(t, f)
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, second, err := Private(); err != nil || second == at {
		t.Errorf("a second one: %s, %v", second, err)
	}
}

func TestReusePort(t *testing.T) {
	sp := spec("tcp", "127.0.0.1:0")
	sp.ReusePort = true
	sp.Address = opened(t, sp).Address()
	opened(t, sp)
	sp.ReusePort = false
	var inUse *InUse
	if _, err := Open(sp); !errors.As(err, &inUse) {
		t.Error(err)
	}
}
