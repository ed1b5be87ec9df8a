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

func TestRegain(t *testing.T) {
	for _, sp := range []Spec{spec("tcp", "127.0.0.1:0"), spec("udp", "127.0.0.1:0"), spec("unix", filepath.Join(t.TempDir(), "sock"))} {
		r, end, err := run(task{Open: &sp}, nil, nil)
		if err != nil || r.Err != "" {
			t.Fatal(err, r.Err)
		}
		f, err := Regain(r.Pid, r.Inode)
		if err != nil {
			end()
			t.Fatal(err)
		}
		checkFile(t, f)
		end() // what it had lives on
		sp.Address = r.Addr
		s, err := Adopt(sp, f)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if s.Inode() != r.Inode {
			t.Errorf("socket %d, want %d", s.Inode(), r.Inode)
		}
		c, err := net.Dial(sp.Network, sp.Address)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
}

func TestRegainFails(t *testing.T) {
	sp := spec("tcp", "127.0.0.1:0")
	r, end, err := run(task{Open: &sp}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Regain(r.Pid, r.Inode+1<<40); !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "it does not have it") {
		t.Error(err)
	}
	err2 := asNobody(t, task{Regain: r.Pid, Inode: r.Inode})
	if !strings.Contains(err2, "permission denied") && !strings.Contains(err2, "not permitted") {
		t.Error(err2)
	}
	end()
	for _, pid := range []int{r.Pid, 0, -1, 1 << 30} {
		if f, err := Regain(pid, r.Inode); f != nil || !errors.Is(err, unix.ESRCH) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	fds := openFds(t)
	_, _ = Regain(os.Getpid(), 1<<40)
	if n := openFds(t); n != fds {
		t.Errorf("%d descriptors more", n-fds)
	}
}
