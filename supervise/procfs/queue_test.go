package procfs

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestQueue(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Log(err) // a machine without IPv6
			continue
		}
		defer l.Close()
		if n, err := Queue(os.Getpid()); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		for want := 1; want <= 3; want++ {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if n, err := Queue(os.Getpid()); n != want || err != nil {
				t.Errorf("%s: %d wait, not %d; %v", addr, n, want, err)
			}
		}
		for range 3 {
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
		}
		if n, err := Queue(os.Getpid()); n != 0 || err != nil {
			t.Error(n, err)
		}
	}
	pid, stop := start(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n, err := Queue(pid); n != 0 || err != nil {
		t.Error("of one that listens on nothing:", n, err)
	}
	stop()
	if n, err := Queue(pid); !errors.Is(err, syscall.ESRCH) {
		t.Error(n, err)
	}
}

const listening = "   0: 0100007F:1F90 00000000:0000 0A 00000000:0000000C 00:00000000 00000000     0        0 4242 1 000000002bd92f4a 100 0 0 10 0                     \n"

// At every place where a piece may end.
func TestQueued(t *testing.T) {
	other := strings.Replace(listening, "4242", "99", 1)
	established := strings.Replace(listening, " 0A ", " 01 ", 1)
	for n := range 60 {
		path := filepath.Join(t.TempDir(), "tcp")
		text := "  sl  local_address\n" + listening + strings.Repeat(other, n) + listening
		for _, rest := range []string{"", established + listening} {
			if err := os.WriteFile(path, []byte(text+rest), 0o600); err != nil {
				t.Fatal(err)
			}
			if got, err := queued(path, map[uint64]bool{4242: true}); got != 24 || err != nil {
				t.Errorf("%d others: %d %v", n, got, err)
			}
		}
	}
}

func FuzzSocket(f *testing.F) {
	f.Add([]byte(listening))
	f.Add([]byte("0: a b 0A 1 2 3 4 5 6 7"))
	f.Add([]byte("   0: x y 0A 0:ffffffffff 0 0 0 0 1 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSocket(b)
		if err == nil && s.queue < 0 {
			t.Fatalf("%+v", s)
		}
	})
}
