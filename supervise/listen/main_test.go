package listen

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary is other processes too: those that have this in their environment.
const role = "GSV_LISTEN_TEST"

// A task is what another process does; it tells by a report, and then waits for the end of its standard input.
type task struct {
	Open    *Spec  // bind it
	Workers int    // start as many children that have it open
	Regain  int    // from that process
	Inode   uint64 // that socket
}

// A report is a line of its standard output.
type report struct {
	Pid    int
	Err    string
	Inode  uint64
	Addr   string
	Worker []int
}

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(role); ok {
		other(text)
		return
	}
	os.Exit(m.Run())
}

func other(text string) {
	var do task
	if err := json.Unmarshal([]byte(text), &do); err != nil {
		panic(err)
	}
	r := report{Pid: os.Getpid()}
	var files []*os.File
	if do.Open != nil {
		s, err := Open(*do.Open)
		if err != nil {
			r.Err = err.Error()
		} else {
			r.Inode, r.Addr = s.Inode(), s.Address()
			files = []*os.File{s.File()}
		}
	}
	if do.Regain != 0 {
		f, err := Regain(do.Regain, do.Inode)
		if err != nil {
			r.Err = err.Error()
		}
		defer f.Close()
	}
	for range do.Workers {
		c, _, err := run(task{}, nil, files)
		if err != nil {
			panic(err)
		}
		r.Worker = append(r.Worker, c.Pid)
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// run starts another process and returns what it reports, and a function that ends it.
func run(do task, cred *syscall.Credential, files []*os.File) (r report, end func(), err error) {
	return runIn(do, &syscall.SysProcAttr{Credential: cred}, files)
}

func runIn(do task, attr *syscall.SysProcAttr, files []*os.File) (r report, end func(), err error) {
	text, err := json.Marshal(do)
	if err != nil {
		return report{}, nil, err
	}
	cmd := exec.Command("/proc/self/exe") // where go test puts it, others may not go
	cmd.Env = append(os.Environ(), role+"="+string(text), "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = files
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return report{}, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return report{}, nil, err
	}
	if err := cmd.Start(); err != nil {
		return report{}, nil, err
	}
	end = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		end()
		return report{}, nil, fmt.Errorf("the other process: %w", err)
	}
	return r, end, nil
}

// nobody is a user without rights.
var nobody = &syscall.Credential{Uid: 65534, Gid: 65534}

// another is run for the rest of a test; the other process must have no error to report.
func another(t *testing.T, do task) report {
	t.Helper()
	r, end, err := run(do, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	if r.Err != "" {
		t.Fatal(r.Err)
	}
	return r
}

// asNobody returns the error that a process without rights has.
func asNobody(t *testing.T, do task) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	r, end, err := run(do, nobody, nil)
	if err != nil {
		t.Fatal(err)
	}
	end()
	return r.Err
}

// spec is one for address, with what need not be set unset.
func spec(network, address string) Spec {
	return Spec{Name: "web", Network: network, Address: address, Mode: -1, UID: -1, GID: -1}
}

func opened(t *testing.T, s Spec) *Socket {
	t.Helper()
	socket, err := Open(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

// raw is the number of the descriptor, which stays open for the test.
func raw(t *testing.T, f *os.File) (fd int) {
	t.Helper()
	if err := control(f, func(n int) error { fd = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return fd
}

func option(t *testing.T, s *Socket, level, name int) int {
	t.Helper()
	n, err := unix.GetsockoptInt(raw(t, s.File()), level, name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// openFds counts our descriptors.
func openFds(t *testing.T) int {
	t.Helper()
	names, err := readNames("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// polled tells whether a descriptor is in some epoll of ours (proc_pid_fdinfo(5)).
func polled(t *testing.T, fd int) bool {
	t.Helper()
	names, err := readNames("/proc/self/fdinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, _ := os.ReadFile("/proc/self/fdinfo/" + name)
		var n int
		for line := range strings.Lines(string(text)) {
			if _, err := fmt.Sscanf(line, "tfd: %d", &n); err == nil && n == fd {
				return true
			}
		}
	}
	return false
}

// port is the port of a socket's address.
func port(t *testing.T, s *Socket) string {
	t.Helper()
	at, err := Spec{Address: s.Address()}.addrPort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(int(at.Port()))
}
