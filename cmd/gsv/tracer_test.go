package main_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A tracer is another process that stops a supervisor at each system call, counts those that somebody else can see
// something of, and kills it, or others, with -9 just before one of them.
type tracer struct {
	cmd    *exec.Cmd
	killed chan string // before which call; closed when it traces no more
}

// TracedEnv tells a test binary to be a tracer: "PID N KILLED…".
const tracedEnv = "GSV_TEST_TRACED"

// Trace has processes killed just before the nth call of a supervisor from now on.
func trace(t *testing.T, pid, n int, whom ...int) *tracer {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracer{exec.Command(os.Args[0], "-test.run=^TestTracer$"), make(chan string, 1)}
	tr.cmd.Env = append(os.Environ(), "GSV_TEST_BIN="+bin, tracedEnv+"="+strings.Trim(fmt.Sprint(append([]int{pid, n}, whom...)), "[]"))
	tr.cmd.ExtraFiles = []*os.File{w}
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	lines := bufio.NewScanner(r)
	if !lines.Scan() || lines.Text() != "traced" {
		close(tr.killed)
		tr.end(true)
		if strings.HasSuffix(lines.Text(), unix.EPERM.Error()) {
			t.Skip("who runs this may not trace processes")
		}
		t.Fatalf("cannot trace %d: %s", pid, lines.Text())
	}
	go func() {
		defer r.Close()
		defer close(tr.killed)
		if lines.Scan() {
			tr.killed <- lines.Text()
		}
	}()
	return tr
}

// End waits for the kill, unless it is over: then the supervisor goes on, if it was not killed. What was not received
// from killed is returned.
func (tr *tracer) end(over bool) (killed []string) {
	if over {
		_ = tr.cmd.Process.Kill() // whom it traces then goes on: ptrace(2), PTRACE_O_EXITKILL
	}
	for at := range tr.killed {
		killed = append(killed, at)
	}
	_ = tr.cmd.Wait()
	return killed
}

// TestTracer is no test: see tracer.
func TestTracer(*testing.T) {
	var all []int
	for _, word := range strings.Fields(os.Getenv(tracedEnv)) {
		n, _ := strconv.Atoi(word)
		all = append(all, n)
	}
	if len(all) < 3 {
		return
	}
	out := os.NewFile(3, "pipe")
	runtime.LockOSThread() // a tracer is a thread
	tr := tracing{pid: all[0], left: all[1], whom: all[2:], threads: map[int]bool{}, out: out}
	if err := tr.run(); err != nil {
		fmt.Fprintln(out, err)
	}
	os.Exit(0)
}

// A tracing is what a tracer does.
type tracing struct {
	pid     int
	left    int          // calls until the kill
	whom    []int        // are killed
	threads map[int]bool // whether it stops at its calls yet
	traced  bool         // all do, and that was said
	out     *os.File
}

func (tr *tracing) run() error {
	for again := true; again; { // new threads may come from those that are not seized
		again = false
		dirs, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", tr.pid))
		for _, dir := range dirs {
			tid, _ := strconv.Atoi(filepath.Base(dir))
			if _, known := tr.threads[tid]; known {
				continue
			}
			err := seize(tid)
			if errors.Is(err, unix.ESRCH) {
				continue
			}
			if err != nil && !errors.Is(err, unix.EPERM) || err != nil && !isTraced(tid) {
				return err
			}
			tr.threads[tid], again = false, true
			_ = unix.PtraceInterrupt(tid)
		}
	}
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil // ECHILD: it has ended
		case !status.Stopped():
			delete(tr.threads, tid)
			continue
		}
		sig := 0
		switch is := status.StopSignal(); {
		case is == unix.SIGTRAP|0x80: // PTRACE_O_TRACESYSGOOD
			tr.call(tid)
		case uint32(status)>>16 == 0: // a signal of its own
			sig = int(is)
		}
		_ = unix.PtraceSyscall(tid, sig)
		tr.threads[tid] = true
		if !tr.traced && tr.all() {
			tr.traced = true
			fmt.Fprintln(tr.out, "traced")
		}
	}
}

func (tr *tracing) all() bool {
	for _, stops := range tr.threads {
		if !stops {
			return false
		}
	}
	return true
}

func seize(tid int) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE, 0, 0)
	if errno != 0 {
		return fmt.Errorf("seize: %w", errno)
	}
	return nil
}

// IsTraced says whether a thread is traced by us already: one that a seized thread has made is.
func isTraced(tid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	return strings.Contains(string(b), fmt.Sprintf("\nTracerPid:\t%d\n", os.Getpid()))
}

// SyscallInfo is struct ptrace_syscall_info of a call that is entered (linux/ptrace.h).
type syscallInfo struct {
	op   uint8
	_    [3]uint8
	arch uint32
	_    [2]uint64 // where in the program
	nr   uint64
	args [6]uint64
	_    [2]uint64
}

// Seen are the calls by which a supervisor does something that others can see: its state and its events on disk, what it
// asks of the guardian, what it tells clients.
var seen = map[uint64]string{
	unix.SYS_PWRITE64: "pwrite64", unix.SYS_WRITE: "write", unix.SYS_WRITEV: "writev", unix.SYS_SENDMSG: "sendmsg",
	unix.SYS_SENDTO: "sendto", unix.SYS_RENAMEAT: "renameat", unix.SYS_SHUTDOWN: "shutdown",
	unix.SYS_PIDFD_SEND_SIGNAL: "pidfd_send_signal", unix.SYS_FTRUNCATE: "ftruncate",
}

// Call looks at a thread that is about to do a call, or has done it.
func (tr *tracing) call(tid int) {
	var info syscallInfo
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	name := seen[info.nr]
	if errno != 0 || info.op != unix.PTRACE_SYSCALL_INFO_ENTRY || name == "" || !tr.traced || tr.left == 0 {
		return
	}
	file, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, info.args[0]))
	if strings.Contains(file, "eventfd") {
		return // Go's own
	}
	if tr.left--; tr.left > 0 {
		return
	}
	fmt.Fprintf(tr.out, "%s %s %.400q\n", name, filepath.Base(file), tr.text(name, info.args))
	for _, pid := range tr.whom { // and if it is the supervisor, the call is not done
		_ = unix.Kill(pid, unix.SIGKILL)
	}
}

// Text is what is written.
func (tr *tracing) text(name string, args [6]uint64) []byte {
	at, n := args[1], args[2]
	if name == "sendmsg" {
		var message [32]byte // struct msghdr: msg_iov comes third
		tr.read(message[:], at)
		var vector [16]byte
		tr.read(vector[:], *(*uint64)(unsafe.Pointer(&message[16])))
		at, n = *(*uint64)(unsafe.Pointer(&vector[0])), *(*uint64)(unsafe.Pointer(&vector[8]))
	}
	text := make([]byte, min(n, 16<<10))
	tr.read(text, at)
	if _, state, ok := bytes.Cut(text, []byte(`"state":`)); ok { // of a record, which begins with the service file
		return state
	}
	return text
}

func (tr *tracing) read(b []byte, at uint64) {
	if len(b) == 0 {
		return
	}
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	_, _ = unix.ProcessVMReadv(tr.pid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: len(b)}}, 0)
}
