package spawn

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// roleFiles exits 0 if fd i holds the text "i" for all i below args[0], but for those in args[1:], which are closed, and nothing else was inherited.
func roleFiles(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return 2
	}
	for i := range n {
		buf := make([]byte, 16)
		m, err := unix.Pread(i, buf, 0)
		closed := false
		for _, a := range args[1:] {
			closed = closed || a == strconv.Itoa(i)
		}
		if closed {
			continue // the runtime may have put something there
		}
		if err != nil || string(buf[:m]) != strconv.Itoa(i) {
			return 3
		}
	}
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 4
	}
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < n {
			continue
		}
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && strings.Contains(to, "memfd") {
			return 5
		}
	}
	return 0
}

// roleForeground leads a session, takes the terminal args[0], and starts a child that should be in its foreground.
func roleForeground(args []string) int {
	tty, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 2
	}
	l, err := New()
	if err != nil {
		return 3
	}
	c, err := l.Start(&Spec{Argv: []string{"cat", "/proc/self/stat"}, Umask: -1, Session: NewGroup, Foreground: true}, []int{tty, 1, 2})
	if err != nil {
		return 4
	}
	var status unix.WaitStatus
	if _, err := unix.Wait4(c.Pid, &status, 0, nil); err != nil || status != 0 {
		return 5
	}
	return 0
}

// roleNproc tries to start a child as a user that may have no more processes.
func roleNproc([]string) int {
	l, err := New()
	if err != nil {
		return 2
	}
	if err := syscall.Setuid(54321); err != nil {
		return 3
	}
	if err := syscall.Setrlimit(unix.RLIMIT_NPROC, &syscall.Rlimit{}); err != nil {
		return 4
	}
	_, err = l.Start(&Spec{Argv: []string{"true"}, Umask: -1}, nil)
	fmt.Print(err)
	return 0
}

// rolePids is PID 1 of a namespace. It says what children with short and long pids find in their environment.
func rolePids([]string) int {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		fmt.Println("cannot mount /proc:", err)
		return 2
	}
	_ = os.WriteFile("/proc/sys/kernel/pid_max", []byte("4194304"), 0) // the namespace's own since Linux 6.14
	l, err := New()
	if err != nil {
		return 3
	}
	for _, last := range []string{"", "10", "98", "998", "1233", "9998", "31233", "99998", "999998", "1234566"} {
		if last != "" && os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(last), 0) != nil {
			continue
		}
		spec := Spec{Argv: []string{"sh", "-c", `tr "\\000" : </proc/$$/environ; echo $$`}, Umask: -1, ListenPID: true}
		c, err := l.Start(&spec, []int{0, 1, 2})
		if err != nil {
			return 4
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(c.Pid, &status, 0, nil); err != nil || status != 0 {
			return 5
		}
	}
	return 0
}

// ignore ignores a signal until the function that it returns is called.
func ignore(t *testing.T, s syscall.Signal) func() {
	t.Helper()
	signal.Ignore(s)
	return func() { signal.Reset(s) }
}

// onLockedThread runs f on a thread of its own, which ends with it.
func onLockedThread(t *testing.T, f func()) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // never unlocked: f may leave the thread as it likes
		f()
	})
	wg.Wait()
}

// storm makes garbage and collects it until the function that it returns is called.
func storm() func() {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		var keep [64][]byte
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			keep[i%64] = make([]byte, 100+i%20_000)
			for j := range keep[i%64] {
				keep[i%64][j] = 0xff
			}
			if i%200 == 0 {
				runtime.GC()
			}
		}
	})
	return func() { close(stop); wg.Wait() }
}
