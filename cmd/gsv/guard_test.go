package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The socket of a gsv that was killed may be there still when its run-dir is free.
func TestClear(t *testing.T) {
	for _, accepts := range []bool{false, true} {
		l, path := listenAt(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if accepts {
				if c, err := l.Accept(); err == nil {
					defer c.Close()
				}
			} else if err := waits(l); err != nil {
				t.Error(err)
			}
			l.Close()
		}()
		if err := clear(path, time.Minute); err != nil {
			t.Error(err)
		}
		<-done
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Error("it is there still: ", err)
		}
	}
}

func TestClearOfOthers(t *testing.T) {
	l, path := listenAt(t)
	defer l.Close()
	if err := clear(path, time.Millisecond); err == nil || !strings.Contains(err.Error(), "another program answers") {
		t.Error(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != fs.ModeSocket {
		t.Error(err)
	}
}

func listenAt(t *testing.T) (*net.UnixListener, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "gsv") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "gsv.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	return l, path
}

// waits returns when somebody has connected.
func waits(l *net.UnixListener) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	e := raw.Control(func(fd uintptr) {
		for err = unix.EINTR; err == unix.EINTR; {
			_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000)
		}
	})
	return errors.Join(e, err)
}
