package spawn

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain plays the child where a test starts this binary with one of roles as its name.
func TestMain(m *testing.M) {
	if role := roles[os.Args[0]]; role != nil {
		os.Exit(role(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// quick has a race-detecting child not wait a second before it exits.
var quick = []string{"GORACE=atexit_sleep_ms=0"}

var roles = map[string]func(args []string) int{
	"files":      roleFiles,
	"foreground": roleForeground,
	"nproc":      roleNproc,
	"pids":       rolePids,
}

// eachMode runs a test with children that share our memory, and with such that have a copy.
func eachMode(t *testing.T, test func(t *testing.T, l *Launcher)) {
	t.Helper()
	for _, plain := range []bool{false, true} {
		name := "shared"
		if plain {
			name = "copied"
		}
		t.Run(name, func(t *testing.T) {
			l := newLauncher(t)
			l.plain = l.plain || plain
			test(t, l)
			if n := l.Sharing(); n != 0 {
				t.Errorf("%d children still share our memory", n)
			}
			if len(l.free)%slotsPerPage != 0 {
				t.Errorf("%d free slots: some were lost", len(l.free))
			}
		})
	}
}

func newLauncher(t testing.TB) *Launcher {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// wait reaps a child.
func wait(t testing.TB, c *Child) syscall.WaitStatus {
	t.Helper()
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(c.Pid, &status, 0, nil)
		if err == nil {
			return syscall.WaitStatus(status)
		}
		if err != unix.EINTR {
			t.Fatalf("cannot wait for %d: %v", c.Pid, err)
		}
	}
}

// output runs spec with a pipe as fd 1 and 2 and returns what it wrote. It must exit 0.
func output(t *testing.T, l *Launcher, spec Spec) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := l.Start(&spec, []int{int(os.Stdin.Fd()), int(w.Fd()), int(w.Fd())})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	status := wait(t, c)
	if f, failed := c.Reaped(); failed {
		t.Fatal(f)
	}
	if status != 0 {
		t.Fatalf("%v ended with %#x: %s", spec.Argv, status, b)
	}
	return string(b)
}

func sh(script string, args ...string) Spec {
	return Spec{Argv: append([]string{"sh", "-c", script, "sh"}, args...), Umask: -1, Env: []string{"PATH=" + DefaultPath}}
}

func TestChildIsWhatItsSpecSays(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Launcher) {
		spec := sh(`echo "$0 $1 $A"; umask; pwd; ulimit -Sn; ulimit -Hn; cut -d' ' -f1,5,6 /proc/$$/stat`, "a b")
		spec.Env = append(spec.Env, "A=x=y")
		spec.Dir = t.TempDir()
		spec.Umask = 0o027
		spec.NoFile = &Rlimit{Cur: 77, Max: 78}
		lines := strings.Split(output(t, l, spec), "\n")
		want := []string{"sh a b x=y", "0027", spec.Dir, "77", "78"}
		for i, w := range want {
			if lines[i] != w {
				t.Errorf("line %d is %q, want %q", i, lines[i], w)
			}
		}
		ids := strings.Fields(lines[5])
		if ids[0] != ids[1] || ids[0] != ids[2] {
			t.Errorf("pid, group and session are %v, want them equal", ids)
		}
	})
}

func TestNewGroupStaysInTheSession(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Launcher) {
		spec := sh(`cut -d' ' -f1,5,6 /proc/$$/stat`)
		spec.Session = NewGroup
		ids := strings.Fields(output(t, l, spec))
		sid, err := unix.Getsid(0)
		if err != nil {
			t.Fatal(err)
		}
		if ids[0] != ids[1] || ids[2] != strconv.Itoa(sid) {
			t.Errorf("pid, group, session = %v, want its own group in session %d", ids, sid)
		}
	})
}

// A Go program catches nearly all signals, and its parent may have ignored or blocked some.
func TestSignalsAreReset(t *testing.T) {
	block := unix.Sigset_t{}
	block.Val[0] = 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGTERM-1) | 1<<(unix.SIGCHLD-1) | 1<<(64-1)
	eachMode(t, func(t *testing.T, l *Launcher) {
		onLockedThread(t, func() {
			for _, s := range []unix.Signal{unix.SIGHUP, unix.SIGPIPE, unix.SIGUSR2, 64} {
				defer ignore(t, s)()
			}
			if err := unix.PthreadSigmask(unix.SIG_BLOCK, &block, nil); err != nil {
				t.Error(err)
				return
			}
			got := output(t, l, Spec{Argv: []string{"cat", "/proc/self/status"}, Umask: -1})
			for _, field := range []string{"SigBlk", "SigIgn", "SigCgt"} {
				if !strings.Contains(got, field+":\t0000000000000000\n") {
					t.Errorf("%s is not 0:\n%s", field, got)
				}
			}
			var now unix.Sigset_t
			if err := unix.PthreadSigmask(unix.SIG_BLOCK, nil, &now); err != nil || now.Val[0]&block.Val[0] != block.Val[0] {
				t.Errorf("our own mask is %#x, %v: it was not put back", now.Val[0], err)
			}
		})
	})
}

func TestEnvironmentOfAMegabyte(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Launcher) {
		spec := sh(`env | grep ^BIG | wc -c`)
		want := 0
		for i := range 20 {
			v := fmt.Sprintf("BIG%d=%s", i, strings.Repeat("x", 50_000))
			spec.Env = append(spec.Env, v)
			want += len(v) + 1
		}
		if got := strings.TrimSpace(output(t, l, spec)); got != strconv.Itoa(want) {
			t.Errorf("child sees %s bytes, want %d", got, want)
		}
	})
}

func TestCredentials(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	eachMode(t, func(t *testing.T, l *Launcher) {
		spec := Spec{Argv: []string{"cat", "/proc/self/status"}, Umask: -1, Creds: &Credentials{UID: 12345, GID: 23456, Groups: []uint32{7, 9}}}
		got := output(t, l, spec)
		for _, want := range []string{"Uid:\t12345\t12345\t12345\t12345\n", "Gid:\t23456\t23456\t23456\t23456\n", "Groups:\t7 9 \n", "CapEff:\t0000000000000000\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("status has no %q:\n%s", want, got)
			}
		}
		spec.Creds.Groups = nil
		if got := output(t, l, spec); !strings.Contains(got, "Groups:\t \n") {
			t.Errorf("a child has groups that it should not have:\n%s", got)
		}
	})
}

// Go's race detector and checkptr watch this test: the collector must not free what children read.
func TestStartsDuringAGarbageStorm(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Launcher) {
		defer storm()()
		const starts, atOnce = 600, 40
		before := openFiles(t)
		running := map[int]*Child{}
		codes := map[int]int{}
		reap := func() {
			var status unix.WaitStatus
			for pid, c := range running { // any one
				if _, err := unix.Wait4(pid, &status, 0, nil); err != nil {
					t.Fatal(err)
				}
				if f, failed := c.Reaped(); failed {
					t.Errorf("child %d: %v", pid, f)
				}
				if status.ExitStatus() != codes[pid] {
					t.Errorf("child %d ended with %#x, want exit %d", pid, status, codes[pid])
				}
				delete(running, pid)
				return
			}
		}
		for i := range starts {
			spec := sh(`[ "$I" = "$1" ] && [ "$LISTEN_PID" = $$ ] || exit 99; exit $2`, strconv.Itoa(i), strconv.Itoa(i%90))
			spec.Env = []string{"PAD=" + strings.Repeat("y", i*10), "I=" + strconv.Itoa(i)}
			spec.ListenPID = true
			c, err := l.Start(&spec, []int{0, 1, 2})
			if err != nil {
				t.Fatal(err)
			}
			running[c.Pid], codes[c.Pid] = c, i%90
			if len(running) == atOnce {
				reap()
			}
		}
		for len(running) > 0 {
			reap()
		}
		if after := openFiles(t); after != before {
			t.Errorf("%d files open, %d before", after, before)
		}
	})
}

func openFiles(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// write writes an executable file, closed before anybody forks.
func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}
