package probe

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is more than any try here takes.
const patience = 10 * time.Second

// listener is a socket at a free place.
func listener(t *testing.T, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestConnect(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		l := listener(t, network)
		address := l.Addr().String()
		if err := Connect(t.Context(), network, address, patience); err != nil {
			t.Errorf("%s: %v", network, err)
		}
		if u, ok := l.(*net.UnixListener); ok {
			u.SetUnlinkOnClose(false) // one that is there and not listening
		}
		l.Close()
		err := Connect(t.Context(), network, address, patience)
		if want := "does not accept connections at " + address + " (connection refused)"; err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", network, err, want)
		}
	}
	err := Connect(t.Context(), "unix", "/nonexistent/s", patience)
	if want := "does not accept connections at /nonexistent/s (no such file or directory)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := Connect(t.Context(), "tcp", "no\x1bhost.invalid:80", patience); err == nil || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("a host that cannot be: %q", err)
	}
}

// One whose queue is full is no better than one that is not there.
func TestConnectToFullQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	if err := Connect(t.Context(), "unix", path, patience); err != nil {
		t.Fatal(err)
	}
	err = Connect(t.Context(), "unix", path, patience)
	if want := "does not accept connections at " + path + " (as many as may wait do so already)"; err == nil || err.Error() != want {
		t.Errorf("a full queue: %v", err)
	}
}

func TestConnectIsBounded(t *testing.T) {
	l := listener(t, "tcp")
	if err := Connect(t.Context(), "tcp", l.Addr().String(), time.Nanosecond); err == nil || !strings.HasPrefix(err.Error(), "does not accept connections at 127.0.0.1:") || !strings.HasSuffix(err.Error(), " within 1ns") {
		t.Errorf("no time: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Connect(ctx, "tcp", l.Addr().String(), patience); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		2 * time.Second: "2s", time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "1m30s", 200 * time.Millisecond: "200ms", 10 * time.Minute: "10m", 70 * time.Minute: "1h10m",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}
