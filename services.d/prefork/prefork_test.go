package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience bounds every wait. Nothing is expected to take nearly as long.
const patience = 30 * time.Second

// The test binary is also the server: the one it tests is its own main.
const beServer = "PREFORK_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(beServer) != "" {
		main()
	}
	os.Exit(m.Run())
}

// Psgi is for Starman what --app is for prefork.
const psgi = `
open my $f, '<', '%s' or die; my $release = <$f>; chomp $release;
if ($release =~ /^die (\d+) (.*)/) { $! = $1; die "$2\n" } # die exits with $!
sub {
	my $q = $_[0]{QUERY_STRING};
	print STDERR "$1\n" if $q =~ /stderr=(\w+)/;
	select undef, undef, undef, $1 / 1000 if $q =~ /sleep=(\d+)ms/;
	my $b = "release=$release pid=$$\n";
	[200, ['Content-Type' => 'text/plain', 'Content-Length' => length $b], [$b]];
};
`

// Both runs a test of a manner with prefork and with the Starman it copies.
func both(t *testing.T, manner func(t *testing.T, s *server)) {
	t.Parallel()
	for _, name := range []string{"prefork", "starman"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath(name); name == "starman" && err != nil {
				t.Skip("starman is not installed")
			}
			manner(t, newServer(t, name))
		})
	}
}

// A server is one that is not started yet, or its master.
type server struct {
	t    *testing.T
	name string
	dir  string
	app  string // the file whose first line is the release
	addr string
	cmd  *exec.Cmd
	done chan struct{} // closed when the master has ended
	pipe *os.File
	said *bufio.Reader // stderr
	all  bytes.Buffer
}

func newServer(t *testing.T, name string) *server {
	s := &server{t: t, name: name, dir: t.TempDir(), addr: reserve(t)}
	s.app = filepath.Join(s.dir, "app")
	s.deploy("1")
	s.write("app.psgi", fmt.Sprintf(psgi, s.app))
	return s
}

// Reserve returns an address that nobody but who names it gets until the test ends. Its
// socket does not listen, so another with SO_REUSEADDR, which net.Listen and Starman set,
// can be bound beside it; the kernel gives the port to no bind to port 0 and no connect.
// A listener that is closed again reserves nothing, and goes on listening for as long as
// a child that another test forks meanwhile has not come to its exec.
func reserve(t *testing.T) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*unix.SockaddrInet4).Port))
}

func (s *server) write(name, text string) {
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// Deploy puts a new release in place at once: no worker loads half of it.
func (s *server) deploy(release string) {
	s.write("app.new", release+"\n")
	if err := os.Rename(filepath.Join(s.dir, "app.new"), s.app); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) start(workers int, flags ...string) {
	args := append([]string{"--listen", s.addr, "--workers", strconv.Itoa(workers)}, flags...)
	if s.name == "starman" {
		s.cmd = exec.Command("starman", append(args, filepath.Join(s.dir, "app.psgi"))...)
	} else {
		s.cmd = exec.Command("/proc/self/exe", append(args, "--app", s.app)...)
	}
	s.cmd.Env = append(os.Environ(), beServer+"=1")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r, w, err := os.Pipe()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = w, w
	s.pipe = r
	s.said = bufio.NewReader(io.TeeReader(r, &s.all))
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	w.Close()
	s.done = make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // s.cmd.ProcessState tells
		close(s.done)
	}()
	s.t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
		r.Close()
		if s.t.Failed() {
			s.t.Log("it said:\n" + s.all.String())
		}
	})
}

// Up starts it and waits until its master handles signals and all workers answer.
func (s *server) up(workers int, flags ...string) {
	s.start(workers, flags...)
	s.dial().Close()
	s.handles()
	s.holds(workers, "release=1 ")
}

// Fresh starts it and waits until its master handles signals and all workers have loaded
// the application and, of Starman's, wait for connections. None of them has had one yet.
func (s *server) fresh(workers int, flags ...string) (pids []int) {
	s.start(workers, flags...)
	s.handles()
	loading := func(pid int) bool {
		// Perl leaves a signal that comes just before accept(2) until a connection has come too.
		return !strings.HasPrefix(title(pid), "starman worker") || s.name == "starman" && !accepts([]int{pid})
	}
	for deadline := time.Now().Add(patience); ; runtime.Gosched() { // nothing tells when a title is set
		if pids = s.workers(); len(pids) == workers && !slices.ContainsFunc(pids, loading) {
			return pids
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("of %v some do not load", pids)
		}
	}
}

// Handles waits until the master handles signals.
func (s *server) handles() {
	for deadline := time.Now().Add(patience); !s.catches(syscall.SIGTTIN) || !s.catches(syscall.SIGHUP); runtime.Gosched() { // nothing tells when a handler is installed
		if time.Now().After(deadline) {
			s.t.Fatal("it installs no handlers")
		}
	}
}

// Catches reads SigCgt of the master.
func (s *server) catches(sig syscall.Signal) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	_, rest, _ := bytes.Cut(b, []byte("SigCgt:\t"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	mask, _ := strconv.ParseUint(string(line), 16, 64)
	return mask&(1<<(sig-1)) != 0
}

func (s *server) workers() (pids []int) {
	pid := s.cmd.Process.Pid
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if s.name == "prefork" { // any thread of it may have been the one to fork
		b = nil
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, f := range files {
			more, _ := os.ReadFile(f)
			b = append(b, more...)
		}
	}
	for _, f := range strings.Fields(string(b)) {
		n, _ := strconv.Atoi(f)
		pids = append(pids, n)
	}
	return pids
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Dial connects as soon as somebody listens.
func (s *server) dial() net.Conn {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

// Holds makes that many workers answer at the same time, each with want in its answer.
func (s *server) holds(n int, want string) {
	s.t.Helper()
	for i := range n {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			s.t.Fatal(err)
		}
		defer c.Close() // at the end: a worker that holds a connection takes no other
		body, err := ask(c, "/")
		if err != nil || !strings.Contains(body, want) {
			s.t.Fatalf("worker %d of %d answers %q, %v; want %q", i+1, n, body, err, want)
		}
	}
}

func ask(c net.Conn, path string) (string, error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path); err != nil {
		return "", err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(r.Body)
	return string(body), err
}

// Begin sends a request that takes d and returns once a worker is at it; finish reads the answer.
func (s *server) begin(d time.Duration) (finish func() (string, error)) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	type result struct {
		body string
		err  error
	}
	done := make(chan result, 1)
	go func() {
		defer c.Close()
		body, err := ask(c, fmt.Sprintf("/?stderr=begun&sleep=%dms", d.Milliseconds()))
		done <- result{body, err}
	}()
	s.line("begun")
	return func() (string, error) { r := <-done; return r.body, r.err }
}

// Line reads stderr up to a line with text.
func (s *server) line(text string) {
	s.t.Helper()
	_ = s.pipe.SetReadDeadline(time.Now().Add(patience))
	for {
		line, err := s.said.ReadString('\n')
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			s.t.Fatalf("never said %q: %v", text, err)
		}
	}
}

// EndedBusy waits until workers have ended that were told to, by making connections. A worker of Starman's that is
// told just as its connection ends, or just before it waits for the next, forgets it, and takes one connection more.
func (s *server) endedBusy(old []int) {
	s.t.Helper()
	s.askWhile(func() bool { return anyAlive(old) })
	for _, pid := range old {
		ended(s.t, pid)
	}
}

// FewerBusy is endedBusy for one of them.
func (s *server) fewerBusy(old []int) {
	s.t.Helper()
	s.askWhile(func() bool { return allAlive(old) })
	ended(s.t, old...)
}

// AskWhile makes connections as long as they are wanted, and patience allows.
func (s *server) askWhile(wanted func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); wanted() && time.Now().Before(deadline); {
		c := s.dial()
		_, _ = ask(c, "/")
		c.Close()
	}
}

// Ended waits for the end of one of the processes.
func ended(t *testing.T, pids ...int) {
	t.Helper()
	var polls []unix.PollFd
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		polls = append(polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
	}
	for {
		n, err := unix.Poll(polls, int(patience/time.Millisecond))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n == 0 || err != nil {
			t.Fatalf("%v do not end: %v", pids, err)
		}
		return
	}
}

// Status waits for the master's end and reads what it said until then.
func (s *server) status() syscall.WaitStatus {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Fatal("it does not end")
	}
	// Workers that outlive it hold the pipe, so there is no end of file; but what it said itself is there by now.
	_ = s.pipe.SetReadDeadline(time.Time{})
	if raw, err := s.pipe.SyscallConn(); err == nil {
		_ = raw.Read(func(fd uintptr) bool {
			buf := make([]byte, 64<<10) // the size of a pipe
			n, _ := unix.Read(int(fd), buf)
			s.all.Write(buf[:max(n, 0)])
			return true
		})
	}
	return s.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

func (s *server) wantExit(code int) {
	s.t.Helper()
	if ws := s.status(); !ws.Exited() || ws.ExitStatus() != code {
		s.t.Errorf("it ended with %#x, want exit %d", ws, code)
	}
}

func (s *server) wantKilled(sig syscall.Signal) {
	s.t.Helper()
	if ws := s.status(); !ws.Signaled() || ws.Signal() != sig {
		s.t.Errorf("it ended with %#x, want signal %v", ws, sig)
	}
}

func anyOf(a, b []int) bool {
	return slices.ContainsFunc(a, func(x int) bool { return slices.Contains(b, x) })
}
