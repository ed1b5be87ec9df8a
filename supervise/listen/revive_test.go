package listen

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// connects tells whether a socket that listens takes a connection.
func connects(sp Spec) error {
	c, err := net.Dial(sp.Network, sp.Address)
	if err == nil {
		c.Close()
	}
	return err
}

func TestRevive(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		sp := spec(network, "127.0.0.1:0")
		if network == "unix" {
			sp.Address = filepath.Join(t.TempDir(), "sock")
		}
		s := opened(t, sp)
		sp.Address = s.Address()
		if err := s.Revive(); err != nil || connects(sp) != nil {
			t.Errorf("%s, as it should be: %v, %v", sp, err, connects(sp))
		}
	}
	s := asked(t, "tcp", "127.0.0.1:0")
	if err := unix.Shutdown(raw(t, s.File()), unix.SHUT_RDWR); err != nil {
		t.Fatal(err)
	}
	if connects(s.Spec()) == nil {
		t.Fatal("it was not shut down")
	}
	if err := s.Revive(); err != nil {
		t.Error(err)
	}
	if err := connects(s.Spec()); err != nil {
		t.Error(err)
	}
}

// asked is a socket at a port that was asked for, not one that the kernel chose: it keeps that.
func asked(t *testing.T, network, address string) *Socket {
	t.Helper()
	sp := spec(network, address)
	sp.ReusePort = true
	chosen := opened(t, sp)
	sp.Address = chosen.Address()
	s := opened(t, sp)
	if err := chosen.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// A process has connected the UDP socket that it shares: nobody else would be heard.
func TestReviveConnected(t *testing.T) {
	for _, tt := range []struct {
		address string
		to      unix.Sockaddr
	}{
		{"127.0.0.1:0", &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}},
		{"0.0.0.0:0", &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}},
		{"[::]:0", &unix.SockaddrInet6{Port: 9, Addr: [16]byte{15: 1}}},
	} {
		s := asked(t, "udp", tt.address)
		at := s.Address()
		fd := raw(t, s.File())
		if err := unix.Connect(fd, tt.to); err != nil {
			t.Fatal(err)
		}
		if err := s.Revive(); err != nil {
			t.Error(err)
		}
		if _, err := unix.Getpeername(fd); err == nil {
			t.Errorf("%s is connected still", at)
		}
		if s.Address() != at {
			t.Errorf("it was at %s, and is at %s", at, s.Address())
		}
	}
}

// A unix socket that cannot be reached any more makes way for another, and nothing that is not its own does.
func TestReviveUnix(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(s *Socket, path string) error
		free bool // for another
	}{
		{"shut down", func(s *Socket, _ string) error { return unix.Shutdown(raw(t, s.File()), unix.SHUT_RD) }, true},
		{"removed", func(_ *Socket, path string) error { return os.Remove(path) }, true},
		{"moved away", func(_ *Socket, path string) error { return os.Rename(path, path+".old") }, true},
		{"replaced by a file", func(_ *Socket, path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, []byte("kept"), 0o600))
		}, false},
		{"replaced by a link", func(_ *Socket, path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Symlink(path+".old", path))
		}, false},
		{"replaced by another's", func(_ *Socket, path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			opened(t, spec("unix", path))
			return nil
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sp := spec("unix", filepath.Join(t.TempDir(), "sock"))
			s := opened(t, sp)
			if err := tt.do(s, sp.Address); err != nil {
				t.Fatal(err)
			}
			before, there := os.Lstat(sp.Address)
			if err := s.Revive(); err == nil {
				t.Error("it is as it should be")
			}
			if !tt.free {
				if after, err := os.Lstat(sp.Address); there != nil || err != nil || !os.SameFile(before, after) {
					t.Errorf("what is at its path was touched: %v, %v", there, err)
				}
				return
			}
			other, err := Open(sp)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Remove()
			if err := connects(sp); err != nil {
				t.Error(err)
			}
		})
	}
}
