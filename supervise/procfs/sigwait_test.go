package procfs

import (
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A process that waits for HUP in its main thread, which is the one that runs init.
func init() {
	if os.Args[0] != role || len(os.Args) < 2 || os.Args[1] != "sigwait" {
		return
	}
	os.Stdout.WriteString("ready\n")
	set := uint64(1) << (unix.SIGHUP - 1)
	for {
		sig, _, _ := unix.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, 0, 8, 0, 0)
		if sig == uintptr(unix.SIGHUP) {
			os.Exit(0)
		}
	}
}

func TestCatchesWhatIsWaitedFor(t *testing.T) {
	pid, _ := start(t, nil, "sigwait")
	t.Cleanup(func() { unix.Kill(pid, unix.SIGHUP) })
	// It is about to wait; nothing tells when it does.
	for deadline := time.Now().Add(10 * time.Second); !waitsFor(pid, syscall.SIGHUP); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("it does not wait for HUP, or that cannot be seen")
		}
	}
	if caught, ignored, err := Catches(pid, syscall.SIGHUP); !caught || ignored || err != nil {
		t.Errorf("HUP: %v %v %v", caught, ignored, err)
	}
	if waitsFor(pid, syscall.SIGALRM) {
		t.Error("it waits for ALRM too")
	}
}

// A process that waits in accept(2), and then reads what came.
func init() {
	if os.Args[0] != role || len(os.Args) < 2 || os.Args[1] != "accept" {
		return
	}
	l, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		err = unix.Bind(l, &unix.SockaddrUnix{Name: os.Args[2]})
	}
	if err == nil {
		err = unix.Listen(l, 1)
	}
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString("ready\n")
	for {
		if c, _, err := unix.Accept(l); err == nil {
			unix.Read(c, make([]byte, 1))
			os.Exit(0)
		}
	}
}

func TestAccepting(t *testing.T) {
	path := t.TempDir() + "/socket"
	pid, _ := start(t, nil, "accept", path)
	t.Cleanup(func() { unix.Kill(pid, unix.SIGKILL) })
	is := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); Accepting(pid) != want; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("accepting is not seen to be %t", want)
			}
		}
	}
	is(true)
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	is(false)
	if Accepting(os.Getpid()) || Accepting(1<<22+1) {
		t.Error("one that does not is seen to accept")
	}
}
