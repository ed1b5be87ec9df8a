package guardian

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

// TestMain plays a guardian or a supervisor where this binary is started with such a name.
func TestMain(m *testing.M) {
	switch os.Args[0] {
	case "guardian":
		os.Exit(playGuardian(os.Args[1:]))
	case "becoming":
		os.Exit(playBecoming())
	case SupervisorName:
		os.Exit(playBecome())
	case "supervisor":
		os.Exit(playSupervisor(os.Args[1], os.Args[2:]))
	}
	os.Exit(m.Run())
}

// playGuardian runs a guardian whose supervisor plays scene args[0]. The environment says what is special about it.
func playGuardian(args []string) int {
	o := Options{Argv: append([]string{"supervisor"}, args...), Stderr: os.Stderr, limits: defaultLimits}
	duration := func(name string, d *time.Duration) {
		if v, err := time.ParseDuration(os.Getenv(name)); err == nil {
			*d = v
		}
	}
	duration("TEST_AGAIN", &o.limits.again)
	duration("TEST_ACK", &o.limits.ack)
	o.Forward = os.Getenv("TEST_FORWARD") != ""
	if os.Getenv("TEST_NAMESPACE") != "" {
		if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "cannot mount /proc:", err)
			return 90
		}
		if max := os.Getenv("TEST_PID_MAX"); max != "" {
			if err := os.WriteFile("/proc/sys/kernel/pid_max", []byte(max), 0); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 91
			}
		}
	}
	if n, err := strconv.ParseUint(os.Getenv("TEST_NOFILE"), 10, 64); err == nil {
		if err := syscall.Setrlimit(unix.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return 92
		}
	}
	if path := os.Getenv("TEST_FILE"); path != "" {
		f, err := os.Open(path)
		if err != nil {
			return 93
		}
		o.Files = append(o.Files, f)
	}
	status, err := Run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return status
}

// A stage is a guardian that runs as a process of its own.
type stage struct {
	t      testing.TB
	cmd    *exec.Cmd
	err    bytes.Buffer
	lines  chan string // what the scene says, line by line
	reader sync.WaitGroup
}

// play starts a guardian with a supervisor that plays scene.
func play(t testing.TB, env []string, scene string, args ...string) *stage {
	t.Helper()
	s := &stage{t: t, lines: make(chan string, 1<<16)}
	s.cmd = exec.Command("/proc/self/exe")
	s.cmd.Args = append([]string{"guardian", scene}, args...)
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Env = append(s.cmd.Env, "GORACE=atexit_sleep_ms=0")
	s.cmd.Stderr = &s.err
	s.cmd.WaitDelay = time.Second // where a scene that failed leaves runs, which have it too
	for _, e := range env {
		if strings.HasPrefix(e, "TEST_NAMESPACE=") {
			s.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout = w
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	s.reader.Go(func() {
		defer r.Close()
		defer close(s.lines)
		buf, rest := make([]byte, 4096), ""
		for {
			n, err := r.Read(buf)
			rest += string(buf[:n])
			for {
				line, after, ok := strings.Cut(rest, "\n")
				if !ok {
					break
				}
				s.lines <- line
				rest = after
			}
			if err != nil {
				return
			}
		}
	})
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	return s
}

// line returns the next line of the scene.
func (s *stage) line() string {
	s.t.Helper()
	l, ok := <-s.lines
	if !ok {
		_ = s.cmd.Wait()
		s.t.Fatalf("the scene ended early: %v\n%s", s.cmd.ProcessState, s.err.String())
	}
	return l
}

// expect waits for a line.
func (s *stage) expect(want string) {
	s.t.Helper()
	if got := s.line(); got != want {
		s.t.Fatalf("scene says %q, want %q\n%s", got, want, s.err.String())
	}
}

func (s *stage) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the guardian's end, which must have status.
func (s *stage) end(status int) {
	s.t.Helper()
	_ = s.cmd.Wait() // the state tells
	if got := s.cmd.ProcessState; got.ExitCode() != status {
		s.t.Fatalf("guardian ended with %v, want exit %d\n%s", got, status, s.err.String())
	}
}

// A scene is what a supervisor does in a test. It ends with Exit, or by its death.
type scene struct {
	*Client
	deaths int
	args   []string
	list   []Process // what was running
}

func playSupervisor(name string, args []string) int {
	if before := early[name]; before != nil {
		before()
	}
	c, err := Dial(3)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s := &scene{Client: c, deaths: c.Hello().Deaths, args: args}
	if s.list, err = c.Running(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	f := scenes[name]
	if f == nil {
		s.fail("no scene %q", name)
	}
	f(s)
	return 0
}

// fail ends the whole play.
func (s *scene) fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "FAIL: "+format+"\n", args...)
	s.Exit(99)
	os.Exit(1)
}

// die ends this supervisor as rudely as can be.
func (s *scene) die() {
	_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	select {}
}

// flush waits until all that was asked before has been carried out.
func (s *scene) flush() {
	s.Signal(1<<63, "nobody", 0, 0, false)
	e := s.next()
	for e != (Signalled{1 << 63, unix.ESRCH}) {
		e = s.next()
	}
}

func (s *scene) next() Event {
	e, ok := <-s.Events
	if !ok {
		fmt.Fprintln(os.Stderr, "FAIL: the guardian is gone")
		os.Exit(1)
	}
	return e
}

// want returns the next event, which must be a T.
func want[T Event](s *scene) T {
	e := s.next()
	v, ok := e.(T)
	if !ok {
		s.fail("%T %+v, want %T", e, e, v)
	}
	return v
}

// run starts and waits for the end, which is acknowledged.
func (s *scene) run(key string, n uint64, spec *spawn.Spec, files ...File) (Started, Ended) {
	s.Start(key, n, spec, append(std(), files...), nil)
	started := want[Started](s)
	ended := want[Ended](s)
	if started.Key != key || ended.Key != key || started.N != n || ended.N != n || started.Pid != ended.Pid {
		s.fail("%+v and %+v are not about %s %d", started, ended, key, n)
	}
	s.Ack(key, n)
	return started, ended
}

func std() []File {
	return []File{{File: os.Stdin, Shared: true}, {File: os.Stdout, Shared: true}, {File: os.Stderr, Shared: true}}
}

func sh(script string, args ...string) *spawn.Spec {
	return &spawn.Spec{Argv: append([]string{"sh", "-c", script, "sh"}, args...), Umask: -1, Env: []string{"PATH=" + spawn.DefaultPath}}
}

// held returns a script's input that does not end while w is open. It blocks, unlike a pipe of os.Pipe.
func held(s *scene) (r File, w *os.File) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		s.fail("%v", err)
	}
	return File{File: os.NewFile(uintptr(fds[0]), "pipe")}, os.NewFile(uintptr(fds[1]), "pipe")
}
