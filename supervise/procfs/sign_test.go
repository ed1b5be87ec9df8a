package procfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// show makes a test process show what a worker may show: a title in the place of its
// arguments, and a thread with a name.
func show() {
	title := unsafe.Slice(unsafe.StringData(os.Args[0]), len(role)) // the kernel's own strings
	clear(title)
	copy(title, "web worker")
	clear(unsafe.Slice(unsafe.StringData(os.Args[1]), len(os.Args[1])))
	named := make(chan bool)
	go func() {
		runtime.LockOSThread()
		name := []byte("web srv 1\x1b\x00")
		_, _, err := unix.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0, 0)
		named <- err == 0
		select {}
	}()
	if !<-named {
		os.Exit(1)
	}
}

func TestShows(t *testing.T) {
	pid, stop := start(t, nil, "shows")
	if got := Title(pid); got != "web worker" {
		t.Errorf("titled %q", got)
	}
	names, err := Threads(pid)
	if err != nil || !slices.Contains(names, "web srv 1?") {
		t.Error(names, err)
	}
	signals, err := Caught(pid)
	if err != nil || !slices.Contains(signals, syscall.SIGUSR2) || slices.Contains(signals, syscall.SIGUSR1) || slices.Contains(signals, syscall.SIGKILL) {
		t.Error(signals, err)
	}
	signs := map[Sign]bool{
		{}:                        true,
		{Title: "web w"}:          true,
		{Title: "eb w"}:           false,
		{Title: role}:             false,
		{Thread: "web srv"}:       true,
		{Thread: "srv"}:           false,
		{Thread: "web srv 1\x1b"}: true,
		{Catches: syscall.SIGUSR2, Defaults: syscall.SIGUSR1}:   true,
		{Catches: syscall.SIGUSR2, Defaults: syscall.SIGUSR2}:   false,
		{Catches: syscall.SIGUSR1}:                              false,
		{Defaults: syscall.SIGUSR2}:                             false,
		{Catches: 65}:                                           false,
		{Catches: -1}:                                           false,
		{Title: "web w", Thread: "web s", Catches: unix.SIGHUP}: true,
		{Title: "web w", Thread: "nothing"}:                     false,
		{Title: "web w", Heartbeat: "wgunicorn-"}:               false,
	}
	for sign, want := range signs {
		if got := Shows(pid, sign); got != want {
			t.Errorf("%+v: %v", sign, got)
		}
	}
	stop()
	for sign := range signs {
		if Shows(pid, sign) {
			t.Errorf("%+v of a process that is gone", sign)
		}
	}
	if got := Title(pid); got != "" {
		t.Error(got)
	}
	if names, err := Threads(pid); !errors.Is(err, syscall.ESRCH) {
		t.Error(names, err)
	}
	if signals, err := Caught(pid); !errors.Is(err, syscall.ESRCH) {
		t.Error(signals, err)
	}
}

func TestZombieShowsNothing(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = role
	if err := cmd.Start(); err != nil { // no standard input: ends at once
		t.Fatal(err)
	}
	defer cmd.Wait()
	pid := cmd.Process.Pid
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	for _, sign := range []Sign{{}, {Defaults: syscall.SIGHUP}, {Thread: ""}} {
		if Shows(pid, sign) {
			t.Errorf("%+v", sign)
		}
	}
	workers, between, err := Descendants(os.Getpid(), 1)
	if slices.ContainsFunc(workers, func(p Proc) bool { return p.Pid == pid }) || between != nil || err != nil {
		t.Error(workers, between, err)
	}
	p, err := Read(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := Signal(pid, p.Start, syscall.SIGTERM); !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
}

func TestHeartbeat(t *testing.T) {
	me := os.Getpid()
	dir := t.TempDir()
	open := func(name string) *os.File {
		f, err := os.CreateTemp(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	unlink := func(f *os.File) {
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
	}
	sign := Sign{Heartbeat: "wgunicorn-"}
	want := func(want bool, what string) {
		t.Helper()
		if got := Shows(me, sign); got != want {
			t.Errorf("%s: %v", what, got)
		}
	}
	for i, name := range []string{"wgunicorn-", "wgunicorn-x (deleted) y", "other wgunicorn-"} {
		f := open(name)
		want(false, "linked")
		unlink(f)
		want(false, "not beaten")
		for mode := range []uint32{1, 0} {
			if err := unix.Fchmod(int(f.Fd()), uint32(mode)); err != nil {
				t.Fatal(err)
			}
			want(i < 2, name+" beaten")
		}
		other := open("wgunicorn-")
		unlink(other)
		want(false, name+" and a sibling that has not beaten")
		other.Close()
		f.Close()
	}
	f := open("wgunicorn-")
	unlink(f)
	if os.Geteuid() == 0 {
		if err := f.Chown(1, 1); err != nil {
			t.Fatal(err)
		}
		want(false, "given to another")
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), []unix.Timespec{now, now}, 0); err != nil {
		t.Fatal(err)
	}
	want(true, "times set")
}

// powerless runs f as root without capabilities, which may not trace another root.
func powerless(t *testing.T, f func()) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: others may trace their own processes")
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocks it: the thread ends
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		err := unix.Capset(&hdr, &caps[0])
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	pid, _ := start(t, nil)
	me := os.Getpid()
	powerless(t, func() {
		if n, err := Queue(pid); !errors.Is(err, syscall.EACCES) {
			t.Error(n, err)
		}
		if _, err := Queue(me); err != nil {
			t.Error(err)
		}
		if SameProgram(me, pid) {
			t.Error("it guesses")
		}
		if !Shows(pid, Sign{Title: role, Catches: syscall.SIGUSR2, Defaults: syscall.SIGUSR1}) {
			t.Error("what all may see is not seen")
		}
		// Its parent, which are we, has the files of all workers.
		sign := Sign{Heartbeat: "wgunicorn-"}
		var files [2]*os.File
		for i := range files {
			f, err := os.CreateTemp(t.TempDir(), "wgunicorn-")
			if err := errors.Join(err, os.Remove(f.Name())); err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			files[i] = f
		}
		for i, f := range files {
			if Shows(pid, sign) {
				t.Errorf("%d of 2 have beaten, and that is seen as all", i)
			}
			if err := unix.Fchmod(int(f.Fd()), 1); err != nil {
				t.Error(err)
			}
		}
		if !Shows(pid, sign) {
			t.Error("all have beaten")
		}
	})
}

func TestSameProgram(t *testing.T) {
	me := os.Getpid()
	pid, stop := start(t, nil)
	cat := exec.Command("cat")
	in, err := cat.StdinPipe()
	if err := errors.Join(err, cat.Start()); err != nil {
		t.Fatal(err)
	}
	defer cat.Wait()
	defer in.Close()
	if !SameProgram(me, pid) || !SameProgram(pid, pid) || SameProgram(pid, cat.Process.Pid) || SameProgram(cat.Process.Pid, me) {
		t.Error("it confuses programs")
	}
	stop()
	if SameProgram(me, pid) || SameProgram(pid, pid) {
		t.Error("a program of nobody's")
	}
}

func TestDescendants(t *testing.T) {
	pid, stop := start(t, nil, "grandparent")
	for depth, want := range []int{0, 1, 1, 0, 0} {
		workers, between, err := Descendants(pid, depth)
		if depth == 0 {
			if err == nil {
				t.Error("no error at depth 0")
			}
			continue
		}
		if err != nil || len(workers) != want || len(between) != min(depth-1, 2) {
			t.Errorf("depth %d: %v, %v, %v", depth, workers, between, err)
		}
		if depth == 2 && (workers[0].PPid != between[0].Pid || between[0].PPid != pid) {
			t.Errorf("%v, %v", workers, between)
		}
	}
	stop()
	if workers, between, err := Descendants(pid, 2); !errors.Is(err, syscall.ESRCH) {
		t.Error(workers, between, err)
	}
}

func TestSignal(t *testing.T) {
	pid, _ := start(t, nil)
	p, err := Read(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := Signal(pid, p.Start+1, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		t.Error("of another:", err)
	}
	for _, pid := range []int{0, -1, -pid} {
		if err := Signal(pid, p.Start, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			t.Error(pid, err)
		}
	}
	if err := Signal(pid, p.Start, 99); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if !Shows(pid, Sign{}) {
		t.Fatal("it was killed")
	}
	if err := Signal(pid, p.Start, syscall.SIGUSR2); err != nil {
		t.Error(err)
	}
}

// A census of a server with eight workers, as often as each 20 ms while an
// operation is open.
func BenchmarkWorkers(b *testing.B) {
	for range 8 {
		start(b, nil, "shows")
	}
	sign := Sign{Title: "web worker"}
	b.ReportAllocs()
	for b.Loop() {
		workers, _, err := Descendants(os.Getpid(), 1)
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, w := range workers {
			if Shows(w.Pid, sign) {
				n++
			}
		}
		if n != 8 {
			b.Fatal(n)
		}
	}
}
