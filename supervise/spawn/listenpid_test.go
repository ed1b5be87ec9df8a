package spawn

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// environment starts spec, which must be a cat of /proc/self/environ, and returns what the child had and its pid.
func environment(t testing.TB, start func(files []int) *Child) (env []string, pid int) {
	t.Helper()
	fd, err := unix.MemfdCreate("environment", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	c := start([]int{0, fd, 2})
	status := wait(t, c)
	if f, failed := c.Reaped(); failed || status != 0 {
		t.Fatalf("%v, status %#x", f, status)
	}
	buf := make([]byte, 4096)
	n, err := unix.Pread(fd, buf, 0)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), c.Pid
}

func catEnvironment(env ...string) Spec {
	return Spec{Argv: []string{"cat", "/proc/self/environ"}, Env: env, Umask: -1, ListenPID: true}
}

func TestListenPID(t *testing.T) {
	tests := []struct{ env, want []string }{
		{nil, nil},
		{[]string{"A=b", "LISTEN_FDS=1"}, []string{"A=b", "LISTEN_FDS=1"}},
		{[]string{"LISTEN_PID=1", "A=b"}, []string{"A=b"}},
		{[]string{"LISTEN_PID=", "LISTEN_PIDS=2", "LISTEN_PID", "XLISTEN_PID=3", "LISTEN_PID=LISTEN_PID=4"}, []string{"LISTEN_PIDS=2", "LISTEN_PID", "XLISTEN_PID=3"}},
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		for _, test := range tests {
			for _, on := range []bool{true, false} {
				spec := catEnvironment(test.env...)
				spec.ListenPID = on
				got, pid := environment(t, func(files []int) *Child {
					c, err := l.Start(&spec, files)
					if err != nil {
						t.Fatal(err)
					}
					return c
				})
				want := slices.Concat(test.want, []string{"LISTEN_PID=" + strconv.Itoa(pid)})
				if !on {
					want = test.env
				}
				if len(want) == 0 {
					want = []string{""}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%q with %v became %q, want %q", test.env, on, got, want)
				}
			}
		}
	})
}

// startAs is Start of a child that finds another pid than its own.
func startAs(t *testing.T, l *Launcher, spec *Spec, files []int, pid uint32) *Child {
	t.Helper()
	l.sweep()
	p, s, other := l.program(), l.free[len(l.free)-1], l.free[0]
	other.pid = int32(pid)
	if err := p.build(spec, files, uintptr(unsafe.Pointer(&other.pid))); err != nil {
		t.Fatal(err)
	}
	s.busy, s.pid, s.report = 1, 0, 0
	l.call.busy, l.call.pid = uintptr(unsafe.Pointer(&s.busy)), uintptr(unsafe.Pointer(&s.pid))
	l.call.report, l.call.ops = uintptr(unsafe.Pointer(&s.report)), uintptr(unsafe.Pointer(&p.ops[0]))
	got := l.fork()
	if got < 0 {
		t.Fatal(syscall.Errno(-got))
	}
	l.free = l.free[:len(l.free)-1]
	return &Child{Pid: got, launcher: l, slot: s, program: p}
}

// Every number of digits, and what is next to where it changes.
func TestListenPIDInDecimal(t *testing.T) {
	pids := []uint32{0, 1, 2, 9, 32768, 4194304, 1234567890, 1<<31 - 1, 1 << 31, 1<<32 - 1}
	for n := uint32(10); n <= 1e9; n *= 10 {
		pids = append(pids, n-1, n, n+1)
		if n == 1e9 {
			break
		}
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		for _, pid := range pids {
			spec := catEnvironment()
			env, _ := environment(t, func(files []int) *Child { return startAs(t, l, &spec, files, pid) })
			if want := []string{"LISTEN_PID=" + strconv.FormatUint(uint64(pid), 10)}; !slices.Equal(env, want) {
				t.Errorf("%d became %q, want %q", pid, env, want)
			}
		}
	})
}

// In a pid namespace of its own a child has any pid that is asked for.
func TestListenPIDOfAnyLength(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, for a pid namespace")
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"pids"}
	cmd.Env = append(os.Environ(), quick...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	digits := map[int]bool{}
	for _, line := range strings.Fields(string(out)) {
		listen, pid, _ := strings.Cut(line, ":")
		if listen != "LISTEN_PID="+pid {
			t.Errorf("the child %s has %s", pid, listen)
		}
		digits[len(pid)] = true
	}
	for n := 1; n <= 5; n++ { // longer ones are only where kernel.pid_max allows it
		if !digits[n] {
			t.Errorf("no pid had %d digits: %s", n, out)
		}
	}
	t.Logf("%s", out)
}
