package supervise

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/listen"
)

// TestSuit: puma and Starman are given no connection on which nothing has come yet, other servers are, and nginx is not to wait.
func TestSuit(t *testing.T) {
	sock, err := listen.Open(listen.Spec{Name: "web", Network: "tcp", Address: "127.0.0.1:0", Mode: -1, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Remove()
	for _, test := range []struct {
		preset          string
		alone           bool
		deferred, waits bool
	}{
		{preset: "none", alone: true, waits: true},
		{preset: "puma", alone: true, deferred: true, waits: true},
		{preset: "gunicorn", deferred: true, waits: true}, // a process of puma's has it too
		{preset: "gunicorn", alone: true, waits: true},
		{preset: "starman", alone: true, deferred: true, waits: true},
		{preset: "puma", deferred: true, waits: true},
		{preset: "nginx", deferred: true},
		{preset: "nginx", alone: true},
	} {
		if err := suit(sock, test.preset, test.alone); err != nil {
			t.Fatal(err)
		}
		if got := accepts(t, sock); got == test.deferred {
			t.Errorf("%+v: a connection is accepted before anything has come: %t", test, got)
		}
		flags, err := unix.FcntlInt(sock.File().Fd(), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK == 0 != test.waits {
			t.Errorf("%+v: flags %#x, %v", test, flags, err)
		}
	}
}

// TestSuitUnix: what TCP alone has is not asked of a unix socket.
func TestSuitUnix(t *testing.T) {
	dir, err := os.MkdirTemp("", "gsv")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	sock, err := listen.Open(listen.Spec{Name: "web", Network: "unix", Address: dir + "/web.sock", Mode: 0o600, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Remove()
	if err := suit(sock, "puma", true); err != nil {
		t.Error(err)
	}
}

// Accepts reports whether a connection is there to be accepted before its client has sent anything. It is accepted
// in any case, once something has come.
func accepts(t *testing.T, sock *listen.Socket) (at bool) {
	t.Helper()
	client, err := net.DialTimeout("tcp", sock.Address(), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fd := int(sock.File().Fd())
	at = incoming(t, fd, 0)
	if _, err := client.Write([]byte("G")); err != nil {
		t.Fatal(err)
	}
	if !at && !incoming(t, fd, 10*time.Second) {
		t.Fatal("something has come, and the connection is not there")
	}
	conn, _, err := unix.Accept(fd)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(conn)
	return at
}

// Incoming reports whether a connection waits to be accepted, or does so in time.
func incoming(t *testing.T, fd int, patience time.Duration) bool {
	t.Helper()
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience.Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}
