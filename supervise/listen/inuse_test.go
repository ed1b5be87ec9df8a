package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
)

// checkInUse checks what an error tells of the holder; its name is that of Pids[0].
func checkInUse(t *testing.T, err error, want InUse) {
	t.Helper()
	got, ok := errors.AsType[*InUse](err)
	if !ok || !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("%s: %v, want it in use", want.Addr, err)
		return
	}
	if len(want.Pids) > 0 && want.Comm == "" {
		p, err := procfs.Read(want.Pids[0])
		if err != nil {
			t.Fatal(err)
		}
		want.Comm = p.Comm
	}
	if diff := cmp.Diff(want, *got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s:\n%s", err, diff)
	}
}

func TestInUseByAnother(t *testing.T) {
	for _, network := range []string{"tcp", "udp", "unix"} {
		at := map[string]string{"tcp": "127.0.0.1:0", "udp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "sock")}[network]
		sp := spec(network, at)
		master := another(t, task{Open: &sp, Workers: 2})
		sp.Address = master.Addr
		_, err := Open(sp)
		checkInUse(t, err, InUse{Addr: sp.String(), Pids: append([]int{master.Pid}, master.Worker...), UID: os.Getuid()})
		want := fmt.Sprintf("cannot listen on %s: address already in use by %d (", sp, master.Pid)
		if !strings.HasPrefix(err.Error(), want) || !strings.HasSuffix(err.Error(), ") and 2 more") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestInUseAtWildcard(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		all := opened(t, spec(network, "0.0.0.0:0"))
		sp := spec(network, "127.0.0.1:"+port(t, all))
		_, err := Open(sp)
		at := Spec{Network: network, Address: all.Address()}.String()
		checkInUse(t, err, InUse{Addr: sp.String(), At: at, Pids: []int{os.Getpid()}, UID: os.Getuid()})
		if !strings.HasSuffix(err.Error(), ", at "+at) {
			t.Error(err)
		}
		one := opened(t, spec(network, "127.0.0.1:0"))
		sp = spec(network, "0.0.0.0:"+port(t, one))
		_, err = Open(sp)
		at = Spec{Network: network, Address: one.Address()}.String()
		checkInUse(t, err, InUse{Addr: sp.String(), At: at, Pids: []int{os.Getpid()}, UID: os.Getuid()})
	}
}

// The very address is named, not another that happens to have the port too.
func TestInUseExact(t *testing.T) {
	sp := spec("tcp", "127.0.0.1:0")
	one := another(t, task{Open: &sp})
	_, p, err := net.SplitHostPort(one.Addr)
	if err != nil {
		t.Fatal(err)
	}
	opened(t, spec("tcp", "127.0.0.2:"+p))
	six := spec("tcp", "[::]:"+p)
	six.V6Only = true
	opened(t, six)
	sp.Address = one.Addr
	_, err = Open(sp)
	checkInUse(t, err, InUse{Addr: sp.String(), Pids: []int{one.Pid}, UID: os.Getuid()})
}

// A connection from a port that the kernel chose bars it.
func TestInUseByConnection(t *testing.T) {
	s := opened(t, spec("tcp", "127.0.0.1:0"))
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sp := spec("tcp", c.LocalAddr().String())
	_, err = Open(sp)
	checkInUse(t, err, InUse{Addr: sp.String(), Pids: []int{os.Getpid()}, UID: os.Getuid(), Connection: true})
	if !strings.Contains(err.Error(), "in use by a connection of ") {
		t.Error(err)
	}
}

// The kernel's connections that no process has any more have inode 0: nobody is blamed for them, and not all of them.
func TestInUseByNobody(t *testing.T) {
	s := opened(t, spec("tcp", "127.0.0.1:0"))
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	local := c.LocalAddr().String()
	l, err := net.FileListener(s.File())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	peer, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	c.Close() // FIN_WAIT2, as long as the peer does not close
	sp := spec("tcp", local)
	_, err = Open(sp)
	got, ok := errors.AsType[*InUse](err)
	if !ok || len(got.Pids) != 0 || !got.Connection {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestInUseUnseen(t *testing.T) {
	s := opened(t, spec("tcp", "127.0.0.1:0"))
	sp := spec("tcp", s.Address())
	if err := asNobody(t, task{Open: &sp}); !strings.HasSuffix(err, "address already in use by a process of user 0; which one, only root and that user may see") {
		t.Error(err)
	}
	path := filepath.Join(openToAll(t), "sock")
	opened(t, Spec{Network: "unix", Address: path, Mode: 0o666, UID: -1, GID: -1})
	sp = spec("unix", path)
	if err := asNobody(t, task{Open: &sp}); !strings.HasSuffix(err, "by a process of user 0; which one, only root and that user may see") {
		t.Error(err)
	}
}

// openToAll is a directory where everybody may do everything.
func openToAll(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "listen") // t.TempDir is below a directory that others may not enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestParseHex(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:1388":                         "127.0.0.1:5000",
		"00000000:0050":                         "0.0.0.0:80",
		"00000000000000000000000001000000:0050": "[::1]:80",
		"0000000000000000FFFF00000100007F:0050": "[::ffff:127.0.0.1]:80",
	} {
		if got, err := parseHex(text); err != nil || native.Uint16([]byte{1, 0}) == 1 && got.String() != want {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":", "0100007F", "0100007F:", "0100007F0100007F:0050", "G100007F:0050", "local_address"} {
		if got, err := parseHex(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}
