package listen

import (
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// connect makes a connection without waiting for it.
func connect(t *testing.T, s *Socket) error {
	t.Helper()
	domain := option(t, s, unix.SOL_SOCKET, unix.SO_DOMAIN)
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	sa, err := unix.Getsockname(raw(t, s.File()))
	if err != nil {
		t.Fatal(err)
	}
	return unix.Connect(fd, sa)
}

func TestQueueTCP(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		sp := spec("tcp", address)
		sp.Backlog = 1
		s := opened(t, sp)
		for n := range 3 {
			want := Queue{Waiting: n, Max: 1}
			if q, err := s.Queue(); err != nil || q != want {
				t.Errorf("%s: %+v, %v, want %+v", s.Spec(), q, err, want)
			}
			if n < 2 { // one more than the backlog
				c, err := net.Dial("tcp", s.Address())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
			}
		}
		for range 3 {
			_ = connect(t, s) // the kernel drops it
		}
		want := Queue{Waiting: 2, Max: 1, Overflow: 3}
		if q, err := s.Queue(); err != nil || q.Waiting != want.Waiting || q.Max != want.Max || q.Overflow < want.Overflow { // more where one was tried again
			t.Errorf("%s, overflowed: %+v, %v, want %+v", s.Spec(), q, err, want)
		}
	}
}

// What a server makes of the socket changes what the kernel counts: here each connection, though there is room for all.
func TestQueueDeferred(t *testing.T) {
	s := opened(t, spec("tcp", "127.0.0.1:0"))
	if err := unix.SetsockoptInt(raw(t, s.File()), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := net.Dial("tcp", s.Address())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if q, err := s.Queue(); err != nil || q.Overflow != -1 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestQueueUnix(t *testing.T) {
	sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
	sp.Backlog = 1
	s := opened(t, sp)
	for n := range 3 {
		want := Queue{Waiting: n, Max: 1, Overflow: -1}
		if q, err := s.Queue(); err != nil || q != want {
			t.Errorf("%+v, %v, want %+v", q, err, want)
		}
		if err := connect(t, s); (err != nil) != (n == 2) {
			t.Errorf("connection %d: %v", n, err)
		}
	}
}

func TestQueueUDP(t *testing.T) {
	s := opened(t, spec("udp", "127.0.0.1:0"))
	q, err := s.Queue()
	if err != nil || q.Waiting != 0 || q.Overflow != 0 || q.Max == 0 {
		t.Errorf("%+v, %v", q, err)
	}
	c, err := net.Dial("udp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if q, err = s.Queue(); err != nil || q.Waiting < 1000 || q.Overflow != 0 {
		t.Errorf("%+v, %v", q, err)
	}
	for range 2 * q.Max / 1000 {
		if _, err := c.Write(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if q, err = s.Queue(); err != nil || q.Waiting < q.Max/2 || q.Overflow < 1 {
		t.Errorf("overflowed: %+v, %v", q, err)
	}
}

// With as many as the kernel allows, that is what it says.
func TestQueueDefault(t *testing.T) {
	for _, sp := range []Spec{spec("tcp", "127.0.0.1:0"), spec("unix", filepath.Join(t.TempDir(), "sock"))} {
		q, err := opened(t, sp).Queue()
		if err != nil || q.Max < 128 {
			t.Errorf("%s: %+v, %v", sp, q, err)
		}
	}
}

func BenchmarkQueue(b *testing.B) {
	for _, sp := range []Spec{spec("tcp", "127.0.0.1:0"), spec("unix", filepath.Join(b.TempDir(), "sock"))} {
		s, err := Open(sp)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(sp.Network, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Queue(); err != nil {
					b.Fatal(err)
				}
			}
		})
		_ = s.Remove()
	}
}
